"""`acrwatch check`: what it finds, what it advises, how it ends."""

import gc
import json
import math
import re
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from acrwatch.cli.checks import rules
from acrwatch.cli.checks.stores import clock
from acrwatch.core.errors import RemoteUnreachableError
from acrwatch.core.setting import Secret
from acrwatch.devhub import DevHub
from detections.rule import load_rules
from ingest.eventhub.probe import Probed, probe
from storage.lake import Lake
from storage.schema import ARROW_SCHEMA
from storage.state import incidents
from storage.state.database import Database

Call = Callable[..., Any]
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
HUB = "acr-audit"
SECRET = "whsec_C2FtcGxlIHNlY3JldCBvZiBhIHRlc3QsIDMyIGI="


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Return a database of every kind at hand, which `call` finds by the environment."""
    monkeypatch.setenv("ACRWATCH__STORE__DATABASE", database_url)
    made = Database(database_url)
    yield made
    made.close()


@pytest.fixture
def hub() -> Iterator[DevHub]:
    with DevHub(hubs={HUB: 2}) as found:
        yield found


def configure(connection_string: str = "", more: str = "") -> None:
    source = f'[[sources]]\ntype = "eventhub"\nconnection_string = "{connection_string}"\neventhub = "{HUB}"\n'
    Path("acrwatch.toml").write_text((source if connection_string else "") + more)


def found(call: Call, *options: str) -> dict[str, list[dict[str, str]]]:
    """Return the results by name."""
    grouped: dict[str, list[dict[str, str]]] = {}
    for item in call("check", "--quick", "--json", *options).json:
        grouped.setdefault(item["name"], []).append(item)
    return grouped


def test_a_mistake_in_the_configuration_fails_with_its_place(call: Call) -> None:
    configure(more="[store]\npaht = 'x'\n")
    done = call("check", "--quick", "--json")
    item, code = done.json[0], done.exit_code
    assert (item["name"], item["status"], code) == ("configuration", "fail", 1)
    assert "paht" in item["what"]


def test_a_fresh_folder_is_no_failure_but_says_what_comes_next(call: Call) -> None:
    done = call("check", "--quick")
    assert done.exit_code == 0
    assert "`acrwatch init` shows how to write one" in done.stdout
    assert "0 failed" in done.stderr


def test_where_nothing_is_sent_it_says_how_to_send(call: Call) -> None:
    configure("Endpoint=sb://localhost:1/;SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true")
    (item,) = found(call, "--offline")["configuration"]
    assert (item["status"], item["remedy"]) == (
        "warn",
        "Add a [[destinations]]; `acrwatch init` shows how, docs/settings.md has every kind",
    )


def test_an_old_schema_fails_with_the_command_that_mends_it(call: Call, tmp_path: Path) -> None:
    Path("data").mkdir()
    (tmp_path / "data/state.db").touch()  # SQLite takes an empty file for an empty database
    (state,) = found(call)["state"]
    assert (state["status"], state["remedy"]) == ("fail", "Run `acrwatch db migrate`")


def test_a_hub_that_answers_is_reported_with_what_waits(call: Call, hub: DevHub, database: Database) -> None:
    hub.append(HUB, b"{}", partition=0, enqueued_time=NOW - timedelta(seconds=5))
    configure(hub.connection_string)
    answered, waiting = found(call)["acrwatch.toml: sources[0] eventhub"]
    assert (answered["status"], waiting["status"]) == ("ok", "ok")
    assert "2 partitions" in answered["what"]
    assert waiting["what"].startswith("1 message waits to be stored")


def test_messages_that_nobody_reads_are_a_warning(call: Call, hub: DevHub, database: Database) -> None:
    hub.append(HUB, b"{}", partition=0, enqueued_time=NOW - timedelta(hours=1))
    configure(hub.connection_string)
    _, waiting = found(call)["acrwatch.toml: sources[0] eventhub"]
    assert (waiting["status"], waiting["remedy"][:30]) == ("warn", "Is `acrwatch run` running? Its")


def test_a_hub_that_was_made_anew_fails_and_ends_with_1(call: Call, hub: DevHub, database: Database) -> None:
    hub.append(HUB, b"{}", partition=0, enqueued_time=NOW)
    stream = f"eventhub/localhost:{hub.port}/{HUB}/0/0"
    Lake.open("data/lake").commit(ARROW_SCHEMA.empty_table(), {stream: 500})
    configure(hub.connection_string)
    done = call("check", "--quick", "--json")
    assert done.exit_code == 1
    (gone,) = [item for item in done.json if item["status"] == "fail"]
    assert "ends at message 0, but 500 is stored" in gone["what"]


def test_a_wrong_key_fails_and_is_not_shown(call: Call, hub: DevHub, database: Database) -> None:
    wrong = "d3Jvbmcga2V5IG9mIGEgdGVzdA=="
    right = hub.connection_string.partition("SharedAccessKey=")[2].partition(";")[0]
    configure(hub.connection_string.replace(right, wrong))
    done = call("check", "--quick", "--json")
    (item,) = [item for item in done.json if item["status"] == "fail"]
    assert "refused our credentials" in item["what"]
    assert wrong not in done.stdout + done.stderr


def test_a_hub_that_takes_the_connection_and_says_nothing_fails_in_bounded_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        mute = f"Endpoint=sb://localhost:{port}/;SharedAccessKeyName=a;SharedAccessKey=Yg==;UseDevelopmentEmulator=true"
        values = {"connection_string": Secret(mute), "eventhub": HUB, "consumer_group": "$Default"}
        began = time.monotonic()
        with pytest.raises(RemoteUnreachableError):
            probe(values, Lake.open(tmp_path / "lake"), seconds=1)
        assert time.monotonic() - began < 20
    with warnings.catch_warnings():  # the client leaves the socket of a connection whose opening was cut short
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_offline_asks_no_other_machine(call: Call, database: Database) -> None:
    gone = "Endpoint=sb://localhost:1/;SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true"
    web = f'[[destinations]]\nname = "siem"\ntype = "webhook"\nurl = "http://127.0.0.1:1/x"\nsecret = "{SECRET}"\n'
    configure(gone, web)
    assert call("check", "--quick", "--offline").exit_code == 0


def test_a_destination_is_connected_to_and_sent_nothing(call: Call, database: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/hook-with-a-secret"
        web = f'[[destinations]]\nname = "siem"\ntype = "webhook"\nurl = "{address}"\nsecret = "{SECRET}"\n'
        configure(more=web)
        done = call("check", "--quick", "--json")
        connection, _ = server.accept()
        with connection:
            connection.settimeout(5)
            assert connection.recv(1) == b""
    (item,) = [item for item in done.json if item["name"] == "destination siem"]
    assert (item["status"], "hook-with-a-secret" in done.stdout) == ("ok", False)


def test_a_destination_out_of_reach_fails(call: Call, database: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f'url = "http://127.0.0.1:{port}/x"'
    configure(more=f'[[destinations]]\nname = "siem"\ntype = "webhook"\n{url}\nsecret = "{SECRET}"\n')
    ((item,), code) = (found(call)["destination siem"], call("check", "--quick").exit_code)
    assert (item["status"], code) == ("fail", 1)
    assert f"127.0.0.1 port {port} cannot be reached" in item["what"]


def test_a_file_destination_needs_a_folder_that_can_be_written(call: Call, database: Database) -> None:
    configure(more='[[destinations]]\nname = "log"\ntype = "jsonl"\npath = "missing/log.jsonl"\n')
    assert found(call)["destination log"][0]["status"] == "fail"
    Path("missing").mkdir()
    assert found(call)["destination log"][0]["status"] == "ok"
    Path("missing/log.jsonl").mkdir()
    assert found(call)["destination log"][0]["what"].endswith("log.jsonl is a folder")


def test_registries_are_compared_with_those_that_speak(call: Call) -> None:
    configure(more='[registries.fabrikam]\nallowed_ranges = ["192.0.2.0/24"]\n[registries.quiet]\n')
    call("simulate", "--days", "0.05", "--registry", "fabrikam", "--registry", "contoso", "--files", "in")
    call("import", "in")
    said = [item["what"] for item in found(call)["registries"]]
    assert said == [
        "quiet is configured, but no event of it was ever stored",
        "contoso speaks, but is not configured: its pulls are not judged by address",
        "quiet has no allowed_ranges: its pulls are not judged by address",
        "configured, speaking and judged: fabrikam",
    ]


def test_open_incidents_are_shown_with_their_remedy(call: Call, database: Database) -> None:
    with database.begin() as connection:
        incidents.open(connection, "gap/x", kind="gap", message="5 messages were gone", remedy="Backfill", now=NOW)
    (item,) = found(call)["incident gap"]
    assert (item["status"], item["remedy"]) == ("warn", "Backfill. Then `acrwatch incidents ack gap/x`")
    assert "5 messages were gone (since 2026-11-22 03:00Z)" in item["what"]


@pytest.mark.parametrize(("seconds", "status"), [(4, "ok"), (-4, "ok"), (6, "warn"), (-6, "warn")])
def test_clocks_may_differ_by_five_seconds(seconds: int, status: str) -> None:
    assert clock("database", NOW + timedelta(seconds=seconds), NOW).status == status


@pytest.mark.parametrize(
    ("stored", "waiting", "lost", "went_back"),
    [(None, 11, 0, False), (5, 11, 4, False), (9, 11, 0, False), (15, 5, 0, False), (21, 0, 0, True)],
)
def test_a_position_is_held_against_what_the_hub_retains(
    stored: int | None, waiting: int, lost: int, went_back: bool
) -> None:
    probed = Probed("0", 10, 20, NOW, empty=False, stored=stored)
    assert (probed.waiting, probed.lost, probed.went_back) == (waiting, lost, went_back)


def test_the_table_shows_what_json_says(call: Call, database: Database) -> None:
    lines = call("check", "--quick").stdout.splitlines()
    items = json.loads(call("check", "--quick", "--json").stdout)
    assert [line.split()[0] for line in lines[1:]] == [item["name"].split()[0] for item in items]


@pytest.mark.parametrize("slug", ["registry-silent", "ingest-gap", "detection-failed"])
def test_alerts_about_acrwatch_itself_can_be_read_up(call: Call, slug: str) -> None:
    shown = call("rules", "show", slug, "--json").json
    assert shown["slug"] == slug
    assert shown["runbook"]


def test_the_rules_own_cases_are_run_and_counted(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "CASES_SECONDS", 0.0)
    (item,) = [item for item in call("check", "--offline", "--json").json if item["name"] == "cases"]
    assert item["status"] == "ok"
    assert re.match(r"0 of \d+ cases tried within 0 s", item["what"])


def test_a_rule_that_fails_its_own_case_is_a_failure_of_the_check() -> None:
    admin = load_rules()["admin-user-login"]
    fires, *_ = (given for given in admin.metadata.tests if given["alerts"])
    wrong = replace(admin.metadata, tests=({**fires, "name": "too many", "alerts": 2},))
    (item,) = rules.tried({"admin-user-login": replace(cast("Any", admin), metadata=wrong)}, until=math.inf)
    assert (item.status, item.name) == ("fail", "cases")
    assert "admin-user-login fails its own case 'too many': expected 2 alerts, found 1" in item.what


def test_cases_that_go_as_they_should_are_said_to() -> None:
    admin = load_rules()["admin-user-login"]
    few = replace(admin.metadata, tests=admin.metadata.tests[:2])
    (item,) = rules.tried({"admin-user-login": replace(cast("Any", admin), metadata=few)}, until=math.inf)
    assert (item.status, item.what) == ("ok", "all 2 cases of the rules go as they should")


def test_a_gap_is_shown_with_the_command_that_puts_it_away(call: Call, database: Database) -> None:
    with database.begin() as connection:
        incidents.open(connection, "gap/x/1", kind="gap", message="message 1 gone", remedy="Backfill", now=NOW)
    (item,) = found(call)["incident gap"]
    assert item["remedy"] == "Backfill. Then `acrwatch incidents ack gap/x/1`"


def test_a_gap_that_has_aged_is_no_warning_any_more(call: Call, database: Database) -> None:
    with database.begin() as connection:
        then = NOW - timedelta(days=7)
        incidents.open(connection, "gap/x/1", kind="gap", message="message 1 gone", remedy="Backfill", now=then)
    assert [item["status"] for item in found(call)["incidents"]] == ["ok"]
