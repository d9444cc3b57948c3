"""`acrwatch backfill archive`, and a configured source, over the command line alone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.archive.container import ROOT, hourly, lines
from tests.azurite import Archive, Azurite
from tests.cli.conftest import Call, call

__all__ = ["call"]

CONTAINER = "insights-logs-containerregistryloginevents"


@pytest.fixture
def logins(azurite: Azurite) -> Iterator[Archive]:
    """The container that Azure Monitor makes for logins, of which there can be but one in an account."""
    made = Archive(azurite, CONTAINER)
    yield made
    made.client.delete_container()
    made.close()


@pytest.fixture
def key_file(azurite: Azurite, tmp_path: Path) -> Path:
    path = tmp_path / "key.txt"
    path.write_text(azurite.connection_string + "\n")
    return path


def stored() -> list[dict[str, Any]]:
    """Return what is stored, by the first word of its stream."""
    found = duckdb.sql(
        "SELECT split_part(source, '/', 1) AS road, count(*) AS rows, count(enqueued_time) AS arrived "
        "FROM read_parquet('data/lake/event_date=*/*.parquet', hive_partitioning=false) GROUP BY ALL ORDER BY ALL"
    )
    assert found is not None
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def test_a_backfill_reads_the_usual_containers_and_goes_on_where_it_stood(
    call: Call, logins: Archive, key_file: Path
) -> None:
    for hour in (0, 1):
        logins.append(hourly(hour), lines(hour))
    command = ("backfill", "archive", "--connection-string-file", key_file, "--json")
    done = call(*command)
    assert done.exit_code == 0, done.stderr
    assert [(one["container"], one["blobs"], one["events"]) for one in done.json] == [(CONTAINER, 2, 2)]
    assert "'insights-logs-containerregistryrepositoryevents'" in done.stderr  # which is not there
    logins.append(hourly(1), lines(2, 3))
    (again,) = call(*command).json
    assert (again["blobs"], again["blobs_skipped"], again["events"], again["duplicates"]) == (2, 1, 2, 0)
    assert stored() == [{"road": "backfill", "rows": 4, "arrived": 0}]


def test_hours_and_registries_can_be_chosen_and_alerts_asked_for(call: Call, logins: Archive, key_file: Path) -> None:
    for hour in range(4):
        logins.append(hourly(hour), lines(hour))
        logins.append(hourly(hour, root=ROOT.replace("CONTOSO", "OTHER")), lines(100 + hour))
    command = ("backfill", "archive", "--connection-string-file", key_file, "--registry", "contoso", "--alert")
    done = call(*command, "--from", "2026-11-22T01:30:00Z", "--to", "2026-11-22T03:00:00Z")
    assert "2 blobs: 2 new events" in done.stderr
    assert stored() == [{"road": "backfill-alert", "rows": 2, "arrived": 0}]


def test_the_key_may_stand_in_the_environment(
    call: Call, logins: Archive, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACRWATCH_ARCHIVE_CONNECTION_STRING", azurite.connection_string)
    logins.append(hourly(1), lines(1))
    done = call("backfill", "archive", "--container", CONTAINER, "--json")
    assert done.json[0]["events"] == 1
    assert azurite.key not in done.stderr


def test_a_configured_source_is_checked_ingested_and_backfilled(
    call: Call, logins: Archive, key_file: Path, tmp_path: Path
) -> None:
    source = {"type": "archive", "container": CONTAINER, "connection_string_file": str(key_file)}
    written = "\n".join(f"{name} = {json.dumps(value)}" for name, value in source.items())
    (tmp_path / "acrwatch.toml").write_text(f"[[sources]]\n{written}\n")
    assert "holds no blob as Azure Monitor files them" in call("check").stdout
    logins.append(hourly(1), lines(1))
    logins.append(hourly(3), lines(3))  # the clock stands at 3:00, and the source begins with the present hour
    assert "filed below 1 resource" in call("check").stdout
    assert call("ingest", "--once", "--json").json[0]["events"] == 1
    assert call("backfill", "archive", "--json").json[0]["events"] == 1
    assert stored() == [
        {"road": "archive", "rows": 1, "arrived": 1},
        {"road": "backfill", "rows": 1, "arrived": 0},
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "no storage account is given"),
        (["--account-url", "acct"], 2, "account_url is not the URL of a storage account"),
        (["--connection-string-file", "gone.txt"], 2, "gone.txt cannot be read"),
        (["--account-url", "https://a.example", "--from", "1d", "--to", "2d"], 2, "--from 1d lies after --to 2d"),
        (["--account-url", "https://a.example", "--from", "soon"], 2, "--from is 'soon'"),
    ],
)
def test_mistakes_are_told_before_anything_is_read(call: Call, arguments: list[str], code: int, said: str) -> None:
    done = call("backfill", "archive", *arguments)
    assert done.exit_code == code
    assert said in done.stderr


def test_a_container_that_was_named_has_to_be_there(call: Call, azurite: Azurite, key_file: Path) -> None:
    done = call("backfill", "archive", "--connection-string-file", key_file, "--container", "nosuch")
    assert (done.exit_code, "'nosuch'" in done.stderr) == (3, True)


def test_an_account_without_any_of_the_usual_containers_ends_with_3(
    call: Call, azurite: Azurite, key_file: Path
) -> None:
    assert call("backfill", "archive", "--connection-string-file", key_file).exit_code == 3
