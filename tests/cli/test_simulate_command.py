"""`acrwatch simulate` and `acrwatch devhub`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from acrwatch.devhub import DevHub

Call = Callable[..., Any]
SMALL = ("--days", "0.1", "--events-per-day", "300", "--seed", "7")


def test_records_go_to_stdout_as_json_lines(call: Call) -> None:
    done = call("simulate", *SMALL)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(records) > 40
    assert {"time", "category", "operationName", "resourceId"} <= set(records[0])
    assert f"Wrote {len(records)} records" in done.stderr


def test_the_ranges_to_allow_are_printed_as_configuration(call: Call) -> None:
    done = call("simulate", *SMALL, "--registry", "contoso", "--no-attacks")
    assert "[registries.contoso]\nallowed_ranges = [" in done.stderr


def test_the_same_seed_and_span_give_the_same_records(call: Call) -> None:
    assert call("simulate", *SMALL).stdout == call("simulate", *SMALL).stdout


def test_labels_tell_the_attacks(call: Call, tmp_path: Path) -> None:
    call("simulate", *SMALL, "--files", "out", "--labels", "labels.jsonl")
    rules = [json.loads(line)["rule"] for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert sorted(rules) == [
        "admin-user-login",
        "anomalous-source-ip",
        "mass-delete",
        "pull-outside-allowed-ranges",
    ]
    assert list((tmp_path / "out").rglob("PT1H.json"))


def test_records_go_to_a_hub(call: Call) -> None:
    with DevHub(hubs={"acr-audit": 1}) as hub:
        done = call("simulate", *SMALL, "--hub", hub.connection_string)
        assert done.exit_code == 0
        assert hub.last_sequence_number("acr-audit", 0) >= 0
    assert "Sent " in done.stderr


def test_a_hub_that_is_not_there_ends_with_5(call: Call) -> None:
    with DevHub(hubs={"acr-audit": 1}) as hub:
        connection_string = hub.connection_string
    assert call("simulate", *SMALL, "--hub", connection_string).exit_code == 5


def test_hub_and_files_exclude_each_other(call: Call) -> None:
    assert call("simulate", "--hub", "x", "--files", "y").exit_code == 2


def test_an_end_without_zone_is_a_usage_error(call: Call) -> None:
    assert call("simulate", "--end", "2026-11-22T00:00:00").exit_code == 2


def test_the_kinds_of_attack_are_listed_with_their_detection(call: Call) -> None:
    lines = call("simulate", "--kinds").stdout.splitlines()
    assert any(line.startswith("slow-delete ") and " slow-delete " in line for line in lines)
    assert any("evades mass-delete" in line for line in lines)


def test_a_kind_is_staged_where_the_span_leaves_it_a_past(call: Call, tmp_path: Path) -> None:
    small = ("--days", "50", "--events-per-day", "5", "--files", "out", "--labels", "labels.jsonl")
    done = call("simulate", *small, "--attack", "mass-untag", "--each", "2")
    attacks = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert [attack["kind"] for attack in attacks] == ["mass-untag", "mass-untag"]
    assert all(len(attack["marks"]) == attack["records"] for attack in attacks)
    assert 'protected_tags = ["release-*"]' in done.stderr


def test_a_kind_for_which_the_span_is_too_short_is_refused_with_the_days_it_wants(call: Call) -> None:
    done = call("simulate", "--days", "10", "--attack", "dormant-identity-awake")
    assert done.exit_code == 2
    assert "at least --days 76" in done.stderr


def test_an_unknown_kind_is_refused_with_the_nearest(call: Call) -> None:
    done = call("simulate", "--days", "60", "--attack", "mass-untagging")
    assert done.exit_code == 2
    assert "mass-untag is nearest" in done.stderr
