"""Clients choose identities, tags and user agents. Whatever they choose, alerts stay right, small and readable."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from detections.alerting import group_key
from detections.notices import BODY_BYTES, Publishing
from detections.triage import Hand

Make = Callable[..., Any]
HOSTILE = [
    "it's",
    'say "hi"',
    "%",
    "_",
    "\\",
    "'; DROP TABLE alerts; --",
    "é\u202eü",
    "line\nbreak",
    "None",
    "x" * 5000,
]


@pytest.fixture
def any_pull(make_rule: Make) -> Any:
    selection = {"s": {"operation": "pull", "succeeded": True}, "f": {"succeeded": False}, "condition": "s"}
    reason = "{identity} pulled {repositories} with {nearby} refused"
    return make_rule(selection, reason=reason, more="x_nearby: f")


def test_every_spelling_is_a_group_of_its_own(make_bench: Make, happening: Make, any_pull: Any) -> None:
    names = [*HOSTILE, None, "x" * 5001]
    bench = make_bench({"test-rule": any_pull})
    bench.judge(*[happening(n, identity=name) for n, name in enumerate(names)])
    again = [happening(100 + n, identity=name, at=timedelta(minutes=1)) for n, name in enumerate(names)]
    bench.judge(*again, *[replace(one, number=one.number + 100, status=401) for one in again])
    assert [alert.count for alert in bench.standing()] == [2] * len(names)
    assert all("with 1 refused" in alert.reason for alert in bench.standing())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_sentence_stays_one_short_printable_line(make_bench: Make, happening: Make, any_pull: Any, name: str) -> None:
    bench = make_bench({"test-rule": any_pull})
    bench.judge(happening(1, identity=name, repository=name))
    reason = bench.only().reason
    assert reason.isprintable()
    assert len(reason) < 400


def test_the_account_in_a_sentence_is_shortened_too(
    make_bench: Make, happening: Make, everything: dict[str, Any]
) -> None:
    bench = make_bench({"mass-delete": everything["mass-delete"]})
    name = "x\n" * 3000
    bench.judge(*[happening(n, operation="delete", identity=name, tag=f"v{n}") for n in range(20)])
    assert bench.only().reason.isprintable()
    assert len(bench.only().reason) < 600


def test_keys_fit_their_columns(make_bench: Make, happening: Make, everything: dict[str, Any]) -> None:
    bench = make_bench({"anomalous-source-ip": everything["anomalous-source-ip"]})
    long = ["y" * 5000 + end for end in "ab"]
    homes = [
        happening(1000 * k + n, at=timedelta(days=n), identity=name) for k, name in enumerate(long) for n in range(60)
    ]
    bench.judge(
        *homes, *[happening(5000 + k, at=timedelta(days=60), ip="203.0.113.9", identity=n) for k, n in enumerate(long)]
    )
    first, second = bench.standing()
    assert first.group_key != second.group_key
    with bench.database.connect() as connection:
        lengths = connection.exec_driver_sql("SELECT max(length(identity_key)) FROM network_days").scalar_one()
    assert lengths <= 300
    assert max(len(alert.group_key) for alert in (first, second)) <= 700


def test_a_long_group_has_a_key_of_its_own() -> None:
    keys = {group_key((("identity", "z" * 5000 + end),)) for end in "ab"}
    assert len(keys) == 2
    assert max(map(len, keys)) <= 700


def test_absent_and_the_text_none_are_counted_apart(make_bench: Make, happening: Make, everything: Any) -> None:
    grouped = everything["mass-delete"]
    grouped = replace(grouped, metadata=replace(grouped.metadata, group_by=("identity",)))
    bench = make_bench({"mass-delete": grouped})
    bench.judge(
        *[happening(n, operation="delete", identity=None, tag=f"v{n}") for n in range(15)],
        *[happening(50 + n, operation="delete", identity="None", tag=f"w{n}") for n in range(15)],
    )
    assert bench.standing() == []
    bench.judge(*[happening(100 + n, operation="delete", identity=None, tag=f"x{n}") for n in range(5)])
    assert bench.only().count == 20


def test_a_notice_stays_below_20_kb_whatever_clients_send(make_bench: Make, happening: Make, any_pull: Any) -> None:
    bench = make_bench({"test-rule": any_pull}, publishing=Publishing(("siem",)))
    long = "\x01é漢" * 10_000
    bench.judge(*[
        happening(n, at=timedelta(seconds=n), user_agent=long, tag=long, repository=f"{n:03}{long}") for n in range(200)
    ])  # fmt: skip
    ((type_, data),) = bench.notices()
    assert type_ == "alert.created"
    assert len(json.dumps({"data": data}, ensure_ascii=False, separators=(",", ":")).encode()) < BODY_BYTES
    assert (data["count"], len(data["evidence"]), data["evidence_truncated"]) == (200, 100, True)
    assert len(bench.only().evidence_rows) == 10


def test_a_notice_from_which_evidence_was_cut_says_so(make_bench: Make, happening: Make, any_pull: Any) -> None:
    bench = make_bench({"test-rule": any_pull}, publishing=Publishing(("siem",)))
    bench.judge(*[happening(n, at=timedelta(seconds=n)) for n in range(100)])
    with bench.database.begin() as connection:
        hand = Hand(connection, "ana", bench.clock.time, bench.publishing)
        hand.comment(hand.take(bench.only().id), "\x01" * 2_900)
    told = [(len(data["evidence"]) == data["count"], data["evidence_truncated"]) for _, data in bench.notices()]
    assert told == [(True, False), (False, True)]
    assert not bench.only().evidence_truncated
