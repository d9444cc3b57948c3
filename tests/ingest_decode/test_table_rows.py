"""Log Analytics rows become the same events, ids and all, whether as structs or member by member."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrwatch.core.model import Message
from ingest.batch import Derivations, EventBatch
from ingest.envelope import Damage, unwrap
from ingest.fast_columns import Horizon
from ingest.json_object import RECORD_LIMIT
from ingest.loganalytics.query import Answer
from ingest.loganalytics.rows import chunks, log_rows
from ingest.normalise import Normalised
from ingest.rows import PLACE, TEXT_LIMIT, UnfitError
from ingest.table_rows import TableReader, decode_row
from ingest.tolerant import read_record
from storage.schema import CATEGORIES
from tests.ingest_decode import row_strategies
from tests.ingest_decode.fuzz_tables import EARLIEST, LATEST, NOW, new_normaliser
from tests.ingest_decode.fuzzing import DecoderFuzz

Record = dict[str, Any]
HORIZON = Horizon(EARLIEST, LATEST)


def reader() -> TableReader:
    return TableReader(Derivations({}).resources)


def tolerated(body: bytes) -> pa.Table:
    """Return the events that the tolerant path alone finds in a body."""
    derivations = Derivations({})
    batch = EventBatch(derivations, NOW)
    for piece in unwrap(body):
        try:
            row = piece if isinstance(piece, Damage) else read_record(piece)
            if isinstance(row, tuple) and EARLIEST <= row[PLACE["event_time"]] <= LATEST:
                derivations.resources[row[PLACE["resource_id"]]]
                batch.add(Message("s", 0, b""), [[value] for value in row])
        except UnfitError:
            continue
    return batch.table()


def in_order(events: pa.Table) -> list[Record]:
    return sorted(events.to_pylist(), key=repr)


@settings(max_examples=150)
@given(st.lists(row_strategies.USUAL, min_size=1, max_size=5), row_strategies.SHAPES)
def test_usual_rows_take_the_fast_path_and_become_what_the_tolerant_path_makes_of_them(
    rows: list[Record], shape: row_strategies.Shape
) -> None:
    body = shape(rows)
    assert reader().columns_of(body, HORIZON) is not None, body
    result = new_normaliser().batch([Message("s", 0, body)], now=NOW)
    assert in_order(result.events) == in_order(tolerated(body))
    assert (result.rejects, result.skipped) == ((), {})


@settings(max_examples=250)
@given(st.lists(row_strategies.USUAL | row_strategies.ODD, min_size=1, max_size=5), row_strategies.SHAPES)
def test_odd_rows_become_what_the_tolerant_path_makes_of_them(rows: list[Record], shape: row_strategies.Shape) -> None:
    body = shape(rows)
    result = new_normaliser().batch([Message("s", 0, body)], now=NOW)
    assert in_order(result.events) == in_order(tolerated(body))
    judge = DecoderFuzz()  # rejects and counts, too
    judge.judge(body)
    judge.settle()


@settings(max_examples=200)
@given(row_strategies.USUAL | row_strategies.ODD)
def test_a_row_that_fits_by_itself_is_what_the_tolerant_path_reads(row: Record) -> None:
    raw = json.dumps(row).encode()
    fitting = decode_row(raw)
    columns = None if fitting is None else reader().columns([fitting], HORIZON)
    if columns is not None:
        assert tuple(column[0] for column in columns) == read_record(raw)


ODDITIES: list[Record] = [
    {"Identity": '{"upn": "user@example.com"}'},
    {"Tag": "a\0b"},
    {"Tag": 1},
    {"Tag": "a" * (TEXT_LIMIT + 1)},
    {"tag": "v1"},
    {"NewColumn": "x"},
    {"ResourceId": "/registries/other"},
    {"properties": {"tag": "v2"}},
    {"time": "2025-01-30T14:19:15.1931730Z"},
    {"Size": "many"},
    {"Size": 2**63},
    {"Size": -1},
    {"DurationMs": "inf"},
    {"DurationMs": "nan"},
    {"DurationMs": "long"},
    {"DurationMs": 38.2},
    {"OperationName": ""},
    {"OperationName": "<nil>"},
    {"_ResourceId": ""},
    {"_ResourceId": "/subscriptions/s"},
    {"Category": "containerregistryloginevents"},
    {"Category": None, "Type": "Heartbeat"},
    {"Category": None, "Type": None},
    {"TimeGenerated": "2025-01-30T14:19:15.193173xZ"},
    {"TimeGenerated": "2025-01-30T14:19:15.193173 Z"},
    {"TimeGenerated": "2025-02-30T14:19:15.193173Z"},
    {"TimeGenerated": "2026-02-01T00:00:00.000000Z"},
    {"TimeGenerated": "2020-02-01T00:00:00.000000Z"},
    {"TimeGenerated": None},
    {"SourceSystem": "\x01" * (TEXT_LIMIT // 6)},
    {"_BilledSize": 10**18},
    {"_BilledSize": -1},
]


@pytest.mark.parametrize("changes", ODDITIES, ids=lambda changes: ascii(changes)[:60])
def test_an_odd_row_is_left_to_the_tolerant_path(changes: Record, row: Callable[..., Record]) -> None:
    exported = row(**changes)
    queried = {name: value for name, value in exported.items() if name in changes or name not in ("TenantId", "Type")}
    for raw in (json.dumps(one).encode() for one in (exported, queried)):
        assert reader().columns_of(raw, HORIZON) is None
        fitting = decode_row(raw)
        assert fitting is None or reader().columns([fitting], HORIZON) is None


def test_what_a_query_brings_takes_the_fast_path(row: Callable[..., Record]) -> None:
    told = {"SourceSystem": "Azure", "MG": "", "_BilledSize": 931.5, "_IsBillable": "True", "_SubscriptionId": "s"}
    values = row(**told, Size=742, JwtId=None, IngestionTime=NOW, TimeGenerated=NOW)
    (chunk,) = chunks(log_rows(Answer(tuple(values), (tuple(values.values()),) * 3), CATEGORIES[1]))
    columns = reader().columns_of(chunk.body, HORIZON)
    assert columns is not None
    assert list(columns[PLACE["extra"]]) == [None] * 3


def test_the_claims_of_one_row_do_not_slow_down_its_neighbours(row: Callable[..., Record]) -> None:
    usual, claims = (json.dumps(row(Identity=who)).encode() for who in ("a@b.c", '{"claims": {"upn": "x@y.z"}}'))
    assert decode_row(usual) is not None
    assert decode_row(claims) is None


def test_a_row_that_the_tolerant_path_finds_too_long_is_refused_in_every_shape(
    row: Callable[..., Record], decode: Callable[..., Normalised]
) -> None:
    texts = ("Tag", "Digest", "Repository", "UserAgent")
    long = row(**dict.fromkeys(texts, "\u00e9" * (TEXT_LIMIT - 1)))  # escaped, six bytes each
    body = json.dumps(long).encode()
    assert len(body) > RECORD_LIMIT
    beside = body + b"\n" + json.dumps(row()).encode()
    spread = json.dumps([row(), long], indent=1).encode()
    for shape in (body, body + b"\n" + body, beside, spread, [long, row()], {"records": [long]}):
        assert {reject.reason for reject in decode(shape).rejects} == {"record_too_long"}


def test_rows_older_than_the_retention_are_counted(
    row: Callable[..., Record], decode: Callable[..., Normalised]
) -> None:
    result = decode([row(), row(TimeGenerated="2024-01-01T00:00:00.000000Z")], retention=timedelta(days=30))
    assert (result.events.num_rows, result.skipped) == (1, {"expired": 1})


def test_a_message_of_rows_and_wire_records_keeps_all_of_them(
    row: Callable[..., Record], pull: Callable[..., Record], decode: Callable[..., Normalised]
) -> None:
    result = decode([row(), pull(), row(Tag="other"), pull(new=1)])
    assert result.rejects == ()
    assert result.events.num_rows == 4
    assert len(result.events["event_id"].unique()) == 2  # `other` is another event


@pytest.mark.parametrize("changes", [{"Type": "x"}, {"TableName": "PrimaryResult"}, {"_BilledSize": 931}])
def test_what_a_row_says_of_itself_is_kept_beside_the_event(
    changes: Record, row: Callable[..., Record], event: Callable[..., Record]
) -> None:
    told = json.loads(event([row(**changes)])["extra"])
    expected = {"Type": "ContainerRegistryRepositoryEvents", "TenantId": "00000000-0000-0000-0000-0000000000aa"}
    assert told == {**expected, **changes}
