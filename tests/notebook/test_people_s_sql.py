"""People's SQL: what it answers, and that it can reach nothing but the relations."""

import os
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import acrwatch
from acrwatch.core.errors import AcrWatchError, ConfigError, StoreError
from acrwatch.notebook import Client, TruncatedWarning
from storage import sandbox
from storage.lake import Lake
from storage.lake.reading import read_snapshot
from storage.schema import ARROW_SCHEMA
from tests.notebook.world import DELETED, EVENTS, START, Happening, table

SECRET = "not-for-queries"


@pytest.fixture
def neighbours(lake: Path) -> dict[str, Path]:
    """What lies beside the data: a secret, a Parquet file in a folder of the lake, the log, a data file itself."""
    data = lake / read_snapshot(lake).files[0].path
    text, parquet = lake.parent / "secret.txt", data.with_name("neighbour.parquet")
    text.write_text(SECRET)
    pq.write_table(pa.table({"secret": [SECRET]}), parquet)
    (log, *_) = sorted((lake / "_delta_log").glob("*.json"))
    return {"text": text, "parquet": parquet, "log": log, "data": data, "folder": lake.parent, "glob": lake / "**"}


ESCAPES = [
    "COPY events TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '{data}'",
    "COPY events TO '{data}' (FORMAT parquet)",
    "SELECT * FROM read_text('{text}')",
    "SELECT * FROM read_blob('{text}')",
    "SELECT * FROM read_csv('{text}')",
    "SELECT * FROM '{text}'",
    "SELECT * FROM read_json('{log}')",
    "SELECT * FROM read_parquet('{parquet}')",
    "SELECT * FROM '{parquet}'",
    "SELECT * FROM parquet_metadata('{parquet}')",
    "SELECT * FROM sniff_csv('{text}')",
    "SELECT * FROM glob('{glob}')",
    "SELECT * FROM query_table('{parquet}')",
    "SELECT * FROM query('COPY events TO ''{folder}/out.csv''')",
    "WITH x AS (SELECT * FROM read_text('{text}')) SELECT * FROM x, events",
    "SELECT (SELECT content FROM read_text('{text}')) FROM events",
    "WITH x AS (COPY (SELECT 1 AS a) TO '{data}' (FORMAT csv, USE_TMP_FILE false)) SELECT 'done' AS r",
    "WITH x AS MATERIALIZED (COPY events TO '{data}' (USE_TMP_FILE false)) FROM x",
    "SELECT (WITH x AS (COPY events TO '{data}' (USE_TMP_FILE false)) SELECT 1)",
    "FROM events UNION ALL BY NAME (WITH x AS (COPY events TO '{data}' (USE_TMP_FILE false)) FROM events)",
    "FROM query('WITH x AS (COPY (SELECT 1) TO ''{data}'' (USE_TMP_FILE false)) SELECT 1')",
    "FROM query_table('events')",
    "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "WITH x AS (INSERT INTO events FROM events RETURNING 1) FROM x",
    "ATTACH '{folder}/new.db'",
    "ATTACH '{folder}/state.db' (TYPE sqlite)",
    "SELECT * FROM sqlite_scan('{folder}/state.db', 'alerts')",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{text}'",
    "SET memory_limit = '100GB'",
    "SET enable_external_access = true",
    "SET allowed_paths = ['{text}']",
    "RESET allowed_paths",
    "PRAGMA memory_limit = '100GB'",
    "SELECT set_config('memory_limit', '100GB')",
    "SELECT 1; SELECT * FROM read_text('{text}')",
    "SELECT 1; COPY events TO '{folder}/out.csv'",
    "SELECT getenv('ACRWATCH_TEST_SECRET')",
    "SELECT * FROM read_parquet('https://127.0.0.1:9/x.parquet')",
    "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
    "SELECT * FROM 's3://bucket/x.parquet'",
    "SELECT * FROM local_variable",
    "EXPORT DATABASE '{folder}/all'",
    "IMPORT DATABASE '{folder}'",
    "CREATE TABLE mine AS SELECT * FROM events",
    "CREATE SECRET (TYPE s3)",
    "INSERT INTO events SELECT * FROM events",
    "DELETE FROM events",
    "DROP VIEW events",
    "CALL pragma_version()",
    "PREPARE p AS SELECT 1",
    "BEGIN",
    "CHECKPOINT",
    "EXPLAIN ANALYZE COPY events TO '{folder}/out.csv'",
    "",
    "-- nothing",
]


@pytest.mark.parametrize("escape", ESCAPES)
def test_nothing_but_the_relations_can_be_reached(
    client: Client, neighbours: dict[str, Path], escape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACRWATCH_TEST_SECRET", SECRET)
    local_variable = pa.table({"secret": [SECRET]})
    folder = neighbours["folder"]
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.suffix not in (".db-shm", ".db-wal")}
    with pytest.raises(AcrWatchError) as refused:
        client.sql(escape.format(**neighbours))
    assert SECRET not in str(refused.value)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert {path for path in folder.rglob("*") if path.suffix not in (".db-shm", ".db-wal")} == before.keys()
    assert local_variable.num_rows == 1


def test_every_wall_stands_by_itself(client: Client) -> None:
    """Those that another one hides from the test above: each is asked for."""
    walls = {
        "enable_external_access": "false",
        "lock_configuration": "true",
        "python_enable_replacements": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    found = client.sql("SELECT name, value FROM duckdb_settings()")
    settings = dict(zip(found["name"], found["value"], strict=True))
    assert {name: settings[name] for name in walls} == walls
    assert settings["allowed_paths"].count("event_date=") == len(
        read_snapshot(client.events().attrs["query"]["lake"]).files
    )


def test_what_a_query_may_reach_is_what_it_says(client: Client, neighbours: dict[str, Path]) -> None:
    """Or the test above would pass for a client that refuses everything."""
    assert client.sql("SELECT count(*) AS n FROM events")["n"].item() == len(EVENTS)
    assert client.sql("SELECT count(*) AS n FROM activity")["n"].item() == 1
    assert client.sql("FROM events SELECT registry, count(*) AS n GROUP BY ALL ORDER BY 1")["n"].tolist() == [78, 10]
    assert len(client.sql("DESCRIBE events")) > 30
    assert client.sql("WITH x AS (SELECT 1 AS a UNION ALL SELECT 2) SELECT sum(a) AS s FROM x")["s"].item() == 3


def test_alerts_and_events_can_be_joined_by_their_evidence(client: Client) -> None:
    found = client.sql(
        "SELECT a.rule, e.tag FROM alerts a JOIN events e ON list_contains(a.evidence, e.event_id) "
        "ORDER BY e.event_time"
    )
    assert list(found["tag"]) == [one.tag for one in DELETED]
    assert set(found["rule"]) == {"mass-delete"}


def test_a_span_and_parameters_narrow_it_down(client: Client) -> None:
    found = client.sql(
        "SELECT count(*) AS n FROM events WHERE identity = ? AND status_code = ?", parameters=["ci", 200],
        span=(START, "2026-11-20T11:30:00Z"),
    )  # fmt: skip
    assert found["n"].item() == 2
    assert found.attrs["query"]["parameters"] == ["ci", 200]
    assert found.attrs["query"]["since"] == START.isoformat()


def test_types_are_those_that_people_go_on_with(client: Client) -> None:
    found = client.sql(
        "SELECT sum(size) AS total, 1.5 AS decimal, max(event_time) - min(event_time) AS took, [1, 2] AS list, "
        "any_value(event_date) AS day, TIMESTAMP '2026-11-20 00:00:00' AS plain, 1 AS a, 2 AS a, NULL::BOOLEAN AS b, "
        "'\\x00\\xff'::BLOB AS raw FROM events"
    )
    assert {name: str(kind) for name, kind in found.dtypes.items() if name not in ("list", "raw")} == {
        "total": "int64",
        "decimal": "float64",
        "took": "timedelta64[us]",
        "day": "datetime64[us, UTC]",
        "plain": "datetime64[us, UTC]",
        "a": "int32",
        "a_1": "int32",
        "b": "boolean",
    }
    row = found.iloc[0]
    assert (row["list"], row["raw"], row["total"]) == ([1, 2], "00ff", 26 * 528)


def test_a_sum_beyond_64_bits_is_a_float(client: Client) -> None:
    assert client.sql("SELECT 170141183460469231731687303715884105727 AS n")["n"].item() == pytest.approx(2.0**127)


def test_intervals_with_months_have_no_length_and_stay_what_they_are(client: Client) -> None:
    assert client.sql("SELECT INTERVAL 1 MONTH AS i")["i"].item().months == 1


def test_an_arrow_table_is_for_polars_and_others(client: Client) -> None:
    found = client.sql("SELECT identity FROM events", arrow=True)
    assert isinstance(found, pa.Table)
    assert hasattr(found, "__arrow_c_stream__")
    assert found.num_rows == len(EVENTS)


def test_a_limit_warns_of_the_rows_left_out(client: Client) -> None:
    with pytest.warns(TruncatedWarning, match=f"limit of 3 rows and leaves out {len(EVENTS) - 3} more"):
        assert len(client.sql("SELECT * FROM events", limit=3)) == 3


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT identiy FROM events", "Did you mean identity?"),
        ("SELECT e.regstry FROM events e", "Did you mean registry?"),
        ("SELECT * FROM event", "Did you mean events?"),
        ("SELECT a.severty FROM alerts a", "Did you mean severity?"),
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        ("COPY events TO 'x'", "only SELECT is run, not COPY"),
        ("SELECT 1; SELECT 2", "not 2 statements"),
        ("SELECT * FROM events WHERE identity = ?", "parameter"),
    ],
)
def test_what_is_wrong_is_said_with_the_nearest_name(client: Client, sql: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        client.sql(sql)
    assert said.lower() in str(refused.value).lower()


@pytest.mark.parametrize("sql", ["SELECT count(*) FROM range(10000000000000) a", "SELECT * FROM range(10000000000000)"])
def test_what_takes_too_long_is_ended(client: Client, sql: str) -> None:
    """Neither a query that gives nothing for hours, nor one that gives rows without end."""
    with pytest.raises(StoreError, match=r"longer than the 0\.2 s"):
        client.sql(sql, seconds=0.2, limit=None)


def test_rows_beyond_a_limit_that_cannot_be_counted_in_time_are_said_to_be_there(client: Client) -> None:
    with pytest.warns(TruncatedWarning, match="limit of 5 rows and there are more"):
        assert client.sql("SELECT * FROM range(10000000000000)", seconds=0.3, limit=5).iloc[:, 0].tolist() == [
            0,
            1,
            2,
            3,
            4,
        ]


def test_memory_is_bounded_and_what_spills_is_cleared_away(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_MEMORY", "20MB")
    monkeypatch.setattr(sandbox, "_SPILL", "1MB")
    with pytest.raises(StoreError, match="needs more than 20MB of memory"):
        client.sql("SELECT list(i::VARCHAR || repeat('x', 100)) FROM range(3000000) t(i)")
    assert not list(Path(os.environ.get("TMPDIR", "/tmp")).glob(f"acrwatch-sql-{os.getpid()}-*"))


def test_the_answer_is_bounded_too(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB hands rows over and forgets them; those that are kept are counted here."""
    monkeypatch.setattr(sandbox, "_ANSWER_BYTES", 10_000_000)
    with pytest.raises(StoreError, match=r"more than .* rows and 0\.01 GB.*LIMIT"):
        client.sql("SELECT * FROM range(3000000)", limit=None)
    assert len(client.sql("SELECT * FROM range(1000000)", limit=None)) == 1_000_000


def test_any_time_may_be_allowed(client: Client) -> None:
    assert client.sql("SELECT 1 AS a", seconds=1e12)["a"].item() == 1
    assert client.sql("SELECT 1 AS a", seconds=float("inf"))["a"].item() == 1


def test_a_span_opens_only_the_files_of_its_dates(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    lake.commit(table([Happening(1), Happening(2, at=timedelta(days=2))]), {})
    damaged = lake.root / lake.snapshot().files[1].path
    damaged.write_bytes(bytes(len(damaged.read_bytes())))
    client = acrwatch.open(lake.root)
    assert len(client.sql("SELECT * FROM events", span=("2026-11-20", "2026-11-21"))) == 1
    with pytest.raises(StoreError, match="Cannot read events below"):
        client.sql("SELECT * FROM events")


def test_columns_are_those_of_the_schema_whatever_files_and_folders_say(tmp_path: Path) -> None:
    """Files of before a column was added lack it; folders above the lake may look like Hive's."""
    lake = Lake.open(tmp_path / "registry=other" / "lake")
    lake.commit(table([Happening(1), Happening(2, at=timedelta(days=2))]), {})
    for file in lake.snapshot().files:
        path = lake.root / file.path
        pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["artifact_type", "size"]), path)
    found = acrwatch.open(lake.root).sql("SELECT * FROM events ORDER BY event_time")
    assert list(found.columns) == ARROW_SCHEMA.names
    assert found["registry"].tolist() == ["contoso", "contoso"]
    assert (found["size"].dtype, found["size"].isna().all()) == ("Int64", True)
    assert found["event_date"].dt.day.tolist() == [20, 22]


def test_every_column_can_be_absent() -> None:
    """A column of a type not met before needs a line in `sandbox._ABSENT`."""
    assert {field.type for field in ARROW_SCHEMA} - {pa.date32()} == sandbox._ABSENT.keys()
