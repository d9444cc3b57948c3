"""`acrwatch watch`: adding, with what history knows, removing, listing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
RESOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/contoso"


@pytest.fixture
def traffic(call: Call) -> None:
    """Two events of mallory and one of ci, stored."""
    records = [
        {
            "time": f"2026-11-22T02:00:0{number}Z",
            "category": "ContainerRegistryRepositoryEvents",
            "operationName": "Pull",
            "resourceId": RESOURCE,
            "callerIpAddress": "203.0.113.9",
            "resultDescription": "200",
            "identity": identity,
            "properties": {"repository": "app"},
        }
        for number, identity in enumerate(("mallory", "mallory", "ci"))
    ]
    Path("records.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    assert call("import", "records.jsonl").exit_code == 0


def test_adding_shows_what_history_knows(call: Call, traffic: None) -> None:
    done = call("watch", "add", "identity", "mallory", "--reason", "case 7", "--by", "alice", "--expires", "30d")
    assert done.exit_code == 0
    assert "identity mallory is watched from now on, until 2026-12-22 03:00:00Z." in done.stderr
    assert (
        "2 events in history, the first 2026-11-22 02:00:00Z, the last 2026-11-22 02:00:01Z (59 min ago)" in done.stdout
    )
    assert [line.split()[:4] for line in done.stdout.splitlines() if line.startswith("contoso")] == [
        ["contoso", "mallory", "203.0.113.9", "pull"],
        ["contoso", "app", "pull", "2"],
    ]


def test_adding_as_json_has_the_entry_and_the_history(call: Call, traffic: None) -> None:
    added = call("watch", "add", "ip", "203.0.113.9", "--reason", "case 7", "--by", "alice", "--json").json
    assert (added["entry"]["value"], added["entry"]["owner"], added["entry"]["in_force"]) == (
        "203.0.113.9/32",
        "alice",
        True,
    )
    assert added["history"]["events"] == 3
    assert [one["identity"] for one in added["history"]["actors"]] == ["ci", "mallory"]


def test_what_history_does_not_know_is_watched_all_the_same(call: Call, traffic: None) -> None:
    done = call("watch", "add", "ip", "192.0.2.0/24", "--reason", "case 7")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "History knows nothing of it." in done.stderr
    assert [one["value"] for one in call("watch", "list", "--json").json] == ["192.0.2.0/24"]


def test_without_a_lake_a_value_is_watched_all_the_same(call: Call) -> None:
    done = call("watch", "add", "identity", "mallory", "--reason", "case 7")
    assert "There is no lake yet to search." in done.stderr
    assert call("context", "show", "*", "--json").json["entries"][-1]["values"] == ["mallory"]


def test_what_is_removed_is_shown_only_among_all(call: Call, traffic: None) -> None:
    call("watch", "add", "identity", "mallory", "--reason", "case 7", "--by", "alice")
    assert call("watch", "remove", "identity", "mallory", "--by", "bob").exit_code == 0
    assert "Nothing is watched." in call("watch", "list").stderr
    (line,) = [line for line in call("watch", "list", "--all").stdout.splitlines() if "mallory" in line]
    assert line.endswith("2026-11-22 03:00:00Z by bob")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("add", "ip", "0.0.0.0/0", "--reason", "x"), 2, "0.0.0.0/0 is too wide to be watched"),
        (("add", "ip", "192.0.2.1", "--reason", "x", "--expires", "soon"), 2, "--expires is 'soon'"),
        (("add", "ip", "192.0.2.1", "--reason", "x", "--expires", "2026-01-01T00:00:00Z"), 2, "which is over"),
        (("add", "colour", "red", "--reason", "x"), 2, "'colour' is not one of 'ip', 'digest', 'identity'"),
        (("remove", "identity", "ci"), 3, "identity ci is not watched"),
    ],
)
def test_what_cannot_be_done_is_said(
    call: Call, traffic: None, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = call("watch", *arguments)
    assert done.exit_code == code
    assert words in done.stderr
