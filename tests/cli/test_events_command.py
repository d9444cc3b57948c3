"""`acrwatch events` and `acrwatch alerts export`: what goes to stdout in which format, and what is said beside it."""

import csv
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from acrwatch.cli.events import follow_commits
from acrwatch.cli.exporting import write_parquet
from storage.alert_table import alert_table
from storage.following import Follower
from storage.lake import Lake
from storage.lake.entries import entry_path
from storage.selection import Selection
from storage.state.alerts import Alert, insert_alert
from storage.state.database import Database
from tests.notebook.world import ALERTS, DELETED, DELETING, EVERYDAY, PEOPLE, START, Happening, table

Call = Callable[..., Any]
COUNTED = (
    "SELECT operation, count(*) AS n, min(event_time) AS first, max(size) AS size FROM events GROUP BY ALL ORDER BY n"
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """The lake that `call` finds when no configuration says otherwise."""
    made = Lake.open(tmp_path / "data" / "lake")
    made.commit(table([*EVERYDAY[:9], *DELETED[:3]]), {})
    return made


def test_a_query_is_a_table_with_times_in_utc(call: Call, lake: Lake) -> None:
    done = call("events", "query", COUNTED)
    heading, deletes, pulls = [line.split() for line in done.stdout.splitlines()]
    assert (done.exit_code, done.stderr, heading) == (0, "", ["operation", "n", "first", "size"])
    assert deletes == ["delete", "3", DELETED[0].time.isoformat().replace("+00:00", "Z"), "-"]
    assert pulls == ["pull", "9", "2026-11-20T09:30:00Z", "528"]


def test_json_is_one_array_and_jsonl_an_object_a_line(call: Call, lake: Lake) -> None:
    document = call("events", "query", COUNTED, "--json").json
    assert document[1] == {"operation": "pull", "n": 9, "first": "2026-11-20T09:30:00Z", "size": 528}
    lines = call("events", "query", COUNTED, "--jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == document


def test_csv_has_a_heading_and_runs_no_formula(call: Call, lake: Lake) -> None:
    lake.commit(table([Happening(900, identity="=cmd|' /C calc'!A0", tag='a "quoted", tag')]), {})
    sql = "SELECT identity, tag, -1 AS n, NULL AS nothing FROM events WHERE starts_with(identity, '=')"
    done = call("events", "query", sql, "--csv")
    assert list(csv.reader(io.StringIO(done.stdout))) == [
        ["identity", "tag", "n", "nothing"],
        ["'=cmd|' /C calc'!A0", 'a "quoted", tag', "-1", ""],
    ]


def test_what_is_no_number_or_more_than_one_is_still_json(call: Call, lake: Lake) -> None:
    struct = "{'at': TIMESTAMPTZ '2026-11-20 00:00:00+00', 'l': [1.5]}"
    sql = f"SELECT 'nan'::DOUBLE AS nan, {struct} AS s, DATE '2026-11-20' AS d"
    assert call("events", "query", sql, "--json").json == [
        {"nan": None, "s": {"at": "2026-11-20T00:00:00Z", "l": [1.5]}, "d": "2026-11-20"}
    ]


def test_parquet_is_a_file_and_nothing_on_stdout(call: Call, lake: Lake, tmp_path: Path) -> None:
    done = call("events", "query", "SELECT event_id, event_time FROM events", "--parquet", "out.parquet")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "out.parquet: 12 rows.\n")
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 12
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out.parquet"]


def test_a_parquet_file_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "out.parquet"
    write_parquet(alert_table(ALERTS), file)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(OSError, match="No space"):
        write_parquet(alert_table([]), file)
    assert pq.read_table(file).num_rows == 3
    assert list(tmp_path.iterdir()) == [file]


def test_a_table_is_cut_and_says_by_how_much_other_formats_are_whole(call: Call, lake: Lake) -> None:
    lake.commit(table([Happening(1000 + n, at=timedelta(days=1)) for n in range(150)]), {})
    done = call("events", "query", "SELECT event_id FROM events")
    assert len(done.stdout.splitlines()) == 101
    assert done.stderr == "Only the first 100 are shown, 62 more are left out; --limit shows more.\n"
    assert len(call("events", "query", "SELECT event_id FROM events", "--json").json) == 162
    few = call("events", "query", "SELECT event_id FROM events", "--jsonl", "--limit", "2")
    assert (len(few.stdout.splitlines()), "160 more are left out" in few.stderr) == (2, True)


def test_what_duckdb_alone_can_hold_is_refused_and_nanoseconds_are_shown(call: Call, lake: Lake) -> None:
    done = call("events", "query", "SELECT 'infinity'::TIMESTAMPTZ AS seen")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "column seen has a time that is infinite" in done.stderr
    fine = "SELECT TIMESTAMP_NS '2026-01-01 00:00:00.123456789' AS t"
    assert call("events", "query", fine, "--json").json == [{"t": "2026-01-01T00:00:00.123456789Z"}]
    assert "00.123456789Z" in call("events", "query", fine).stdout


def test_a_heading_cannot_steer_the_terminal(call: Call, lake: Lake) -> None:
    done = call("events", "query", 'SELECT 1 AS "a\x1b]0;owned\x07\u202e", 2 AS b')
    heading, row = done.stdout.splitlines()
    assert heading.split() == ["a\\x1b]0;owned\\x07\\u202e", "b"]
    assert row.index("2") == heading.index("b", 5)


def test_a_span_is_of_events_and_its_end_not_included(call: Call, lake: Lake) -> None:
    sql = "SELECT count(*) AS n FROM events"
    assert call(
        "events", "query", sql, "--since", "2026-11-20T10:30:00Z", "--until", "2026-11-20T12:30:00Z", "--json"
    ).json == [{"n": 2}]
    assert call("events", "query", sql, "--since", "soon").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["SELECT identty FROM events"], 2, "Did you mean identity?"),
        (["COPY events TO 'x.csv'"], 2, "only SELECT is run, not COPY"),
        (["SELECT * FROM read_text('/etc/hostname')"], 2, "reaches beyond the relations"),
        (["SELECT * FROM alerts"], 3, "there is no state database"),
        (["SELECT count(*) FROM range(10000000000000)", "--timeout", "0.2"], 1, "longer than the 0.2 s"),
        (["SELECT 1", "--csv", "--parquet", "x"], 2, "--parquet and --csv exclude each other"),
    ],
)
def test_a_mistake_ends_with_its_code(call: Call, lake: Lake, arguments: list[str], code: int, said: str) -> None:
    done = call("events", "query", *arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr


def test_where_there_is_no_lake_nothing_is_found_and_none_is_made(call: Call, tmp_path: Path) -> None:
    for command in (["query", "SELECT 1"], ["tail"]):
        done = call("events", *command)
        assert (done.exit_code, "there is no lake at" in done.stderr) == (3, True)
    assert list(tmp_path.iterdir()) == []


def test_alerts_can_be_queried_where_there_is_a_database(call: Call, lake: Lake, database: Database) -> None:
    stored(database, *ALERTS)
    found = call("events", "query", "SELECT rule, len(evidence) AS n FROM alerts WHERE severity = 'critical'", "--json")
    assert found.json == [{"rule": "mass-delete", "n": 25}]


def test_the_tail_is_the_newest_events_each_on_a_line(call: Call, lake: Lake) -> None:
    lines = call("events", "tail", "-n", "2").stdout.splitlines()
    assert [line.split("  ") for line in lines] == [
        [f"{one.time:%Y-%m-%d %H:%M:%S}Z", "delete", "200", "mallory@example.com", "203.0.113.50",
         f"contoso/{one.repository}:{one.tag}", "curl/8"]
        for one in DELETED[1:3]
    ]  # fmt: skip


def test_the_tail_takes_filters_and_programs_get_every_column(call: Call, lake: Lake) -> None:
    (line,) = call(
        "events", "tail", "--operation", "pull", "--ip", "198.51.100.0/24", "-n", "1", "--jsonl"
    ).stdout.splitlines()
    event = json.loads(line)
    assert (event["event_id"], event["event_time"]) == (EVERYDAY[8].event_id, "2026-11-20T17:30:00Z")
    assert len(event) > 30
    assert "Did you mean pull?" in call("events", "tail", "--operation", "pul").stderr
    nobody = call("events", "tail", "--identity", "nobody")
    assert (nobody.exit_code, nobody.stdout, nobody.stderr) == (0, "", "No events.\n")


def test_the_tail_of_a_registry_that_nobody_heard_of_is_an_error(
    call: Call, lake: Lake, database: Database, tmp_path: Path
) -> None:
    done = call("events", "tail", "--registry", "contozo")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "nothing is known of a registry 'contozo'" in done.stderr
    assert "Did you mean contoso?" in done.stderr
    beside_another = call("events", "tail", "--registry", "contoso", "--registry", "contozo")
    assert (beside_another.exit_code, beside_another.stdout, beside_another.stderr) == (3, "", done.stderr)
    (tmp_path / "acrwatch.toml").write_text(
        '[registries.fabrikam]\nallowed_ranges = ["10.0.0.0/8"]\n', encoding="utf-8"
    )
    stored(database, replace(ALERTS[0], registries=("alerted",)))
    for quiet in (["fabrikam"], ["alerted"], ["Contoso.azurecr.io", "--identity", "nobody"]):
        done = call("events", "tail", "--registry", *quiet)
        assert (done.exit_code, done.stderr) == (0, "No events.\n")


def test_what_an_attacker_named_cannot_steer_the_terminal(call: Call, lake: Lake) -> None:
    lake.commit(table([Happening(901, at=timedelta(days=5), user_agent="\x1b[2Jgone\nnew line")]), {})
    for command in (["tail", "-n", "1"], ["query", "SELECT user_agent FROM events WHERE user_agent LIKE '%gone%'"]):
        done = call("events", *command)
        assert "\x1b" not in done.stdout
        assert "gone" in done.stdout


def test_following_goes_on_until_a_signal(call: Call, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal itself is shown by the tests of the service; here it came at once."""

    @contextmanager
    def stopped() -> Iterator[threading.Event]:
        event = threading.Event()
        event.set()
        yield event

    monkeypatch.setattr("acrwatch.cli.events.stopped_by_signal", stopped)
    done = call("events", "tail", "-f", "-n", "1", "--operation", "delete")
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 1)
    unheard = call("events", "tail", "-f", "--registry", "contozo")
    assert (unheard.exit_code, unheard.stdout) == (0, "")
    assert unheard.stderr.startswith("Waiting for the first event: nothing is known of a registry 'contozo'")
    beside_another = call("events", "tail", "-f", "-n", "1", "--registry", "contoso", "--registry", "contozo")
    assert len(beside_another.stdout.splitlines()) == 1
    assert beside_another.stderr == unheard.stderr


def waits(*between: Callable[[], object]) -> Callable[[], bool]:
    """Return a wait that does one thing after the other instead, and is over when all are done."""
    steps: Iterator[Callable[[], object]] = iter(between)

    def wait() -> bool:
        step = next(steps, None)
        if step is not None:
            step()
        return step is None

    return wait


def test_following_writes_what_each_commit_brings_once(lake: Lake) -> None:
    follower = Follower(lake.root, Selection(any_of={"registry": ("contoso",)}), ["event_id"])
    written: list[list[str]] = []
    follow_commits(
        follower,
        lambda rows: written.append([one.hex() for one in rows.column("event_id").to_pylist()]),
        waits(
            lambda: None,
            lambda: lake.commit(table(EVERYDAY[9:11][::-1]), {}),
            lambda: None,
            lambda: (lake.commit(table(EVERYDAY[10:12]), {}), lake.commit(table(DELETED[3:4]), {})),
            lambda: lake.commit(table(PEOPLE[:2]), {}),  # of another registry
        ),
    )
    ids = [one.event_id for one in (*EVERYDAY[9:12], DELETED[3])]
    assert written == [ids[:2], ids[2:]]


def test_following_says_where_the_log_was_cleaned_up_meanwhile(lake: Lake, capfd: pytest.CaptureFixture[str]) -> None:
    follower = Follower(lake.root, Selection(), ["event_id"])
    seen = lake.snapshot().version
    written: list[object] = []

    def passed() -> None:
        for one in EVERYDAY[9:12]:
            lake.commit(table([one]), {})
        from storage.lake.handle import checkpoint

        checkpoint(lake.root)
        for version in range(seen + 2):
            entry_path(lake.root, version).unlink()

    follow_commits(follower, written.append, waits(passed, lambda: lake.commit(table(DELETED[3:4]), {})))
    assert "some events may not be shown" in capfd.readouterr().err
    assert len(written) == 1  # it goes on with the next commit


def stored(database: Database, *alerts: Alert) -> None:
    with database.begin() as connection:
        for alert in alerts:
            insert_alert(connection, alert)


def test_alerts_are_exported_as_csv_unless_told_otherwise(call: Call, database: Database) -> None:
    stored(database, replace(DELETING, reason="=1+1"))
    done = call("alerts", "export")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (done.exit_code, done.stderr) == (0, "1 alert.\n")
    assert row["entities"] == "identity=mallory@example.com; ip=203.0.113.50; registry=contoso"
    assert (row["reason"], row["first_seen"]) == ("'=1+1", DELETED[0].time.isoformat().replace("+00:00", "Z"))
    assert row["evidence"].count(";") == 24


def test_exported_json_is_that_of_the_list(call: Call, database: Database) -> None:
    stored(database, *ALERTS)
    assert call("alerts", "export", "--json").json == call("alerts", "list", "--json").json
    lines = call("alerts", "export", "--jsonl", "--all").stdout.splitlines()
    assert [json.loads(line)["rule"] for line in lines] == [alert.rule for alert in ALERTS]


def test_an_export_takes_the_filters_of_the_list_and_all_there_are(call: Call, database: Database) -> None:
    many = [replace(DELETING, id=f"{n:020x}", created_at=START + timedelta(minutes=n)) for n in range(120)]
    stored(database, *ALERTS, *many)
    assert len(call("alerts", "export", "--json", "--rule", "mass-delete").json) == 121
    assert len(call("alerts", "export", "--json", "--status", "active").json) == 1
    assert "Did you mean mass-delete?" in call("alerts", "export", "--rule", "mas-delete").stderr
    cut = call("alerts", "export", "--jsonl", "--limit", "5")
    said = "5 alerts, there are more; --limit takes more.\n1 historical alert is hidden; --all shows them.\n"
    assert (len(cut.stdout.splitlines()), cut.stderr) == (5, said)


def test_exported_parquet_has_the_documented_columns(call: Call, database: Database, tmp_path: Path) -> None:
    stored(database, *ALERTS)
    assert call("alerts", "export", "--all", "--parquet", "alerts.parquet").stdout == ""
    found = pq.read_table(tmp_path / "alerts.parquet")
    assert found.schema.equals(alert_table([]).schema)
    assert found.column("rule").to_pylist() == [alert.rule for alert in ALERTS]
