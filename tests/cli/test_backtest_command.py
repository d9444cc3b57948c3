"""`acrwatch rules backtest` and `rules run`: what rules would raise, and that nothing comes of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]

RULE = """\
title: A pull
logsource: {product: azure, service: containerregistry}
detection:
  selection: {operation: pull}
  condition: selection
level: low
x_group_for: 1m
x_reason: "{identity} pulled."
x_group_by: [identity]
"""


def _record(time: str, identity: str) -> str:
    return json.dumps({
        "time": time,
        "category": "ContainerRegistryRepositoryEvents",
        "operationName": "Pull",
        "resourceId": "/SUBSCRIPTIONS/0/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.CONTAINERREGISTRY/REGISTRIES/CONTOSO",
        "identity": identity,
        "callerIpAddress": "192.0.2.7",
        "resultDescription": "200",
    })  # fmt: skip


RECORDS = [
    ("2026-11-10T12:00:00Z", "earlier"),
    ("2026-11-20T12:00:00Z", "ci"),
    ("2026-11-20T13:00:00Z", "ci"),
    ("2026-11-21T12:00:00Z", "ci"),
    ("2026-11-21T12:00:00Z", "deployer"),
]


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    """Return a rule file, and put records into `in.jsonl`."""
    (tmp_path / "in.jsonl").write_text("\n".join(_record(*one) for one in RECORDS))
    file = tmp_path / "pulls.yml"
    file.write_text(RULE)
    return file


def test_a_backtest_counts_alerts_by_day_and_entity_with_the_cost_and_writes_none(call: Call, rule: Path) -> None:
    call("import", "in.jsonl")
    done = call(
        "rules", "backtest", rule, "--since", "2026-11-19T00:00:00Z", "--until", "2026-11-22T00:00:00Z", "--json"
    )
    (found,) = done.json["rules"]
    assert done.exit_code == 0
    assert (found["alerts"], found["matched"], found["historical"]) == (4, 4, 2)
    assert found["days"] == {"2026-11-19": 0, "2026-11-20": 2, "2026-11-21": 2}
    assert found["alerts_per_day"] == pytest.approx(4 / 3, abs=1e-4)
    assert found["top_entities"][:2] == [
        {"type": "ip", "value": "192.0.2.7", "alerts": 4}, {"type": "registry", "value": "contoso", "alerts": 4}
    ]  # fmt: skip
    assert {"type": "identity", "value": "ci", "alerts": 3} in found["top_entities"]
    assert found["rows_read"] >= 4
    assert found["seconds"] > 0
    assert call("alerts", "list", "--all", "--json").json == []


def test_a_backtest_shows_a_table_and_who_is_behind_the_alerts(call: Call, rule: Path) -> None:
    call("import", "in.jsonl")
    done = call("rules", "backtest", rule, "mass-delete", "--since", "30d")
    heading, first, second = done.stdout.splitlines()[:3]
    assert heading.split()[:3] == ["RULE", "LEVEL", "ALERTS"]
    assert first.split()[:4] == ["pulls", "low", "5", "0.41"]  # from the first stored day: 12 1/8 days, not 30
    assert second.split()[:3] == ["mass-delete", "critical", "0"]
    assert "  - identity ci: 3 alerts" in done.stdout
    assert "2026-11-10 00:00:00Z to 2026-11-22 03:00:00Z, 12.12 days, with 5 events on the dates" in done.stderr
    assert done.stderr.endswith("5 alerts, 0.41 a day. Nothing was written.\n")


@pytest.mark.parametrize(("since", "days", "alerts", "rate"), [("24h", "1 day", 2, 2.0), ("2d", "2 days", 4, 2.0)])
def test_alerts_a_day_are_those_of_24_hours_and_not_of_a_date(
    call: Call, rule: Path, since: str, days: str, alerts: int, rate: float
) -> None:
    call("import", "in.jsonl")
    (found,) = call("rules", "backtest", rule, "--since", since, "--json").json["rules"]
    assert (found["alerts"], found["alerts_per_day"]) == (alerts, rate)
    assert f"{alerts} alerts, {rate:.2f} a day" in (said := call("rules", "backtest", rule, "--since", since).stderr)
    assert f", {days}, with" in said


def test_a_rule_in_use_is_tried_in_another_version(call: Call, rule: Path, tmp_path: Path) -> None:
    call("import", "in.jsonl")
    mine = tmp_path / "admin-user-login.yml"
    mine.write_text(RULE)
    assert call("rules", "backtest", mine, "--json").json["rules"][0]["alerts"] == 5


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--since", "soon"], 2, "--since is 'soon': expected a time span such as 30d"),
        (
            ["--since", "9999999d"],
            2,
            "--since is '9999999d': expected a time span such as 30d, at most 36500d, or a time",
        ),
        (["--since", "0001-01-01T00:00:00+14:00"], 2, "--since is '0001-01-01T00:00:00+14:00': expected a time span"),
        (["--since", "1m"], 3, "no event between"),
        (["--until", "2026-11-01T00:00:00Z"], 3, "no event between"),
    ],
)
def test_a_span_that_is_none_or_holds_nothing_is_refused(
    call: Call, rule: Path, options: list[str], code: int, words: str
) -> None:
    call("import", "in.jsonl")
    done = call("rules", "backtest", rule, *options)
    assert done.exit_code == code
    assert words in done.stderr


def test_a_rule_runs_on_a_file_of_records_that_is_stored_nowhere(call: Call, rule: Path, tmp_path: Path) -> None:
    done = call("rules", "run", rule, "--events", "in.jsonl", "--json")
    assert [(alert["reason"], alert["count"]) for alert in done.json] == [
        ("earlier pulled.", 1), ("ci pulled.", 1), ("ci pulled.", 1), ("ci pulled.", 1), ("deployer pulled.", 1)
    ]  # fmt: skip
    assert "in.jsonl: 5 new events" in done.stderr
    assert done.stderr.endswith("pulls: 5 matches, 5 alerts.\n")
    assert not (tmp_path / "data").exists()


def test_a_rule_runs_on_the_last_day_of_history(call: Call, rule: Path) -> None:
    call("import", "in.jsonl")
    done = call("rules", "run", rule)
    assert [line.split()[-2] for line in done.stdout.splitlines()[1:]] == ["ci", "deployer"]


def test_a_rule_runs_on_nothing_that_is_no_record(call: Call, rule: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text('{"not": "a record"}\n')
    done = call("rules", "run", rule, "--events", "empty.jsonl")
    assert done.exit_code == 3
    assert "there is no audit record in empty.jsonl" in done.stderr


def test_a_spark_server_that_is_not_there_is_told(call: Call, rule: Path) -> None:
    call("import", "in.jsonl")
    done = call("rules", "backtest", rule, "--engine", "spark", "--server", "sc://127.0.0.1:1")
    assert done.exit_code == 5
    assert "127.0.0.1:1" in done.stderr
