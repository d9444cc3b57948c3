"""From files or a hub to alerts by the command line alone: import, ingest, detect, deliver, db compact."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acrwatch.delivery.worker import Summary
from acrwatch.devhub import DevHub

Call = Callable[..., Any]
TRAFFIC = ("simulate", "--days", "0.1", "--events-per-day", "300", "--seed", "7")


@pytest.fixture
def traffic(call: Call, tmp_path: Path) -> Path:
    """Return a folder of simulated records with one attack of each kind."""
    call(*TRAFFIC, "--files", "in", "--layout", "jsonl")
    return tmp_path / "in"


def lines(folder: Path) -> int:
    return sum(len(path.read_text().splitlines()) for path in folder.iterdir())


def test_import_counts_what_it_stored(call: Call, traffic: Path) -> None:
    done = call("import", traffic, "--json")
    assert done.exit_code == 0
    assert (done.json["events"], done.json["files"], done.json["rejects"]) == (lines(traffic), 1, 0)


def test_importing_again_stores_nothing(call: Call, traffic: Path) -> None:
    call("import", traffic)
    again = call("import", traffic)
    assert "1 file (1 imported before): 0 new events" in again.stderr


def test_import_keeps_what_it_cannot_read(call: Call, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"time": "2026-11-22T01:00:00Z"}\nnot json\n')
    assert call("import", "bad.jsonl", "--json").json["rejects"] == 2
    assert len(call("rejects", "list", "--json").json) == 2


@pytest.mark.parametrize("path", ["gone", "empty"])
def test_a_path_without_files_ends_with_3(call: Call, tmp_path: Path, path: str) -> None:
    (tmp_path / "empty").mkdir()
    assert call("import", path).exit_code == 3


def test_detect_raises_alerts_about_the_attacks(call: Call, traffic: Path) -> None:
    call("import", traffic)
    done = call("detect", "--once", "--json")
    assert done.exit_code == 0
    assert done.json["new_events"] == lines(traffic)
    assert done.json["alerts_created"] >= 2
    rules = {alert["rule"] for alert in call("alerts", "list", "--json").json}
    assert {"admin-user-login", "mass-delete"} <= rules
    assert call("detect", "--once", "--json").json["new_events"] == 0


def test_detect_says_which_of_the_alerts_it_created_the_list_leaves_out(call: Call, traffic: Path) -> None:
    call("import", traffic)
    call("suppressions", "add", "--rule", "admin-user-login", "--reason", "drill", "--start", "2026-11-01T00:00:00Z")
    said = call("detect", "--once").stderr
    created = int(re.findall(r"judged: (\d+) alerts? created", said)[0])
    (left_out,) = (line for line in said.splitlines() if line.startswith("Of these `acrwatch alerts list` leaves out "))
    by_option = {option: int(number) for number, option in re.findall(r"(\d+) [a-z ]+ \((--[a-z-]+)\)", left_out)}
    listed = {option: len(call("alerts", "list", option, "--json").json) for option in by_option if option != "--all"}
    assert "--suppressed" in listed
    assert listed == {option: number for option, number in by_option.items() if option != "--all"}
    assert created == len(call("alerts", "list", "--json").json) + sum(by_option.values())
    assert "leaves out" not in call("detect", "--once").stderr


def test_deliver_sends_what_waits(call: Call, traffic: Path, tmp_path: Path) -> None:
    (tmp_path / "acrwatch.toml").write_text('[[destinations]]\nname = "out"\ntype = "jsonl"\npath = "out.jsonl"')
    call("import", traffic)
    created = call("detect", "--once", "--json").json["alerts_created"]
    assert call("deliver", "--once", "--json").json["sent"] == created
    types = [json.loads(line)["type"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert types == ["alert.created"] * created


def test_ingest_once_reads_a_hub_until_it_is_caught_up(call: Call, tmp_path: Path) -> None:
    with DevHub(hubs={"acr-audit": 2}) as hub:
        call(*TRAFFIC, "--hub", hub.connection_string)
        (tmp_path / "acrwatch.toml").write_text(
            f'[[sources]]\ntype = "eventhub"\neventhub = "acr-audit"\nconnection_string = "{hub.connection_string}"\n'
            'commit_interval = "500ms"'
        )
        (first,) = call("ingest", "--once", "--json").json
        assert first["events"] > 40
        (second,) = call("ingest", "--once", "--json").json
        assert second["events"] == 0
        assert set(call("ingest", "reset", "--yes", "--json").json) == {"0", "1"}
        (third,) = call("ingest", "--once", "--json").json
    assert (third["events"], third["duplicates"]) == (0, first["events"])


def test_ingest_without_sources_is_a_configuration_error(call: Call) -> None:
    assert call("ingest", "--once").exit_code == 2


def test_reset_asks_for_yes_where_nobody_can_be_asked(call: Call, tmp_path: Path) -> None:
    (tmp_path / "acrwatch.toml").write_text(
        '[[sources]]\ntype = "eventhub"\neventhub = "x"\nfully_qualified_namespace = "ns.example.com"'
    )
    done = call("ingest", "reset")
    assert done.exit_code == 2
    assert "--yes" in done.stderr


def test_compact_tells_what_it_did(call: Call, traffic: Path) -> None:
    call("import", traffic)
    assert call("db", "compact", "--json").json["files_removed"] == 0


def service(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "acrwatch", *arguments]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("command", ["ingest", "detect", "deliver"])
def test_a_single_stage_ends_with_0_on_sigterm(tmp_path: Path, command: str) -> None:
    (tmp_path / "acrwatch.toml").write_text('[[sources]]\ntype = "files"\npaths = ["acrwatch.toml"]')
    with service(tmp_path, command) as process:
        assert process.stderr is not None
        assert any("Running" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()
    assert (process.returncode, "Traceback" in said) == (0, False)


def test_the_whole_service_ends_with_0_on_sigterm(call: Call, traffic: Path) -> None:
    (traffic.parent / "acrwatch.toml").write_text('[[sources]]\ntype = "files"\npaths = ["in"]')
    with service(traffic.parent, "run") as process:
        assert process.stderr is not None
        assert any("judged" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()
    assert (process.returncode, "Traceback" in said) == (0, False)
    assert call("alerts", "list", "--all", "--json").json  # the traffic is of the past, as the clock goes


def test_a_file_of_the_activity_log_becomes_an_alert(call: Call, tmp_path: Path) -> None:
    written = {
        "time": "2026-11-22T02:00:00Z",
        "category": "Administrative",
        "operationName": "MICROSOFT.CONTAINERREGISTRY/REGISTRIES/WRITE",
        "resourceId": "/subscriptions/0/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/contoso",
        "resultType": "Start",
        "correlationId": "c0de",
        "identity": {"claims": {"upn": "alice@example.com"}},
        "properties": {"requestbody": '{"properties": {"anonymousPullEnabled": true}}'},
    }
    done = {**written, "time": "2026-11-22T02:00:09Z", "resultType": "Success", "properties": {}}
    (tmp_path / "activity.json").write_text(json.dumps({"records": [written, done]}))
    assert call("import", "activity.json", "--json").json["events"] == 2
    call("detect", "--once")
    (alert,) = call("alerts", "list", "--json").json
    assert alert["rule"] == "anonymous-pull-enabled"
    assert "alice@example.com let anyone pull from registry contoso at 2026-11-22 02:00:00 UTC" in alert["reason"]


def test_deliver_once_goes_on_while_turns_bring_something(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = iter([Summary(sent=2), Summary(dead=1, retried=1), Summary(retried=1)])
    monkeypatch.setattr("scheduler.Parts.deliver", lambda _: next(turns))
    assert call("deliver", "--once", "--json").json == {"sent": 2, "retried": 2, "dead": 1}
