"""Whatever the bytes: no exception, a table of the schema, and a bounded answer."""

import json
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrwatch.core.model import Message
from ingest.normalise import Normalised, Normaliser
from storage.schema import ARROW_SCHEMA
from tests.ingest_decode.fuzz_strategies import GOOD, RECORDS

FEW = settings(max_examples=60)
NOW = datetime(2025, 1, 31, tzinfo=UTC)
NORMALISER = Normaliser()
SURVIVOR = {**GOOD, "correlationId": "survivor"}


def decode(body: bytes) -> Normalised:
    result = NORMALISER.batch([Message("s", 1, body)], now=NOW)
    assert result.events.schema == ARROW_SCHEMA
    result.events.validate(full=True)
    for name in ARROW_SCHEMA.names:
        assert ARROW_SCHEMA.field(name).nullable or result.events[name].null_count == 0
    return result


@FEW
@given(st.binary(max_size=300))
def test_any_bytes_are_answered(body: bytes) -> None:
    result = decode(body)
    assert result.rejects or body.strip() in {b"[]", b'{"records":[]}'}


@FEW
@given(
    st.lists(st.sampled_from([b"{", b"}", b"[", b"]", b'"', b"\\", b",", b"\n", b'"records":', b"1", b"\xff", b" "]))
)
def test_any_brackets_and_quotes_are_answered(parts: list[bytes]) -> None:
    decode(b"".join(parts))


@FEW
@given(st.lists(RECORDS, max_size=4), st.integers(0, 4), st.booleans())
def test_any_records_are_all_accounted_for_and_cost_their_neighbour_nothing(
    records: list[dict[str, Any]], place: int, lines: bool
) -> None:
    records.insert(place, SURVIVOR)
    texts = [json.dumps(record) for record in records if lines is False or "records" not in record]
    body = "\n".join(texts) if lines else '{"records":[' + ",".join(texts) + "]}"
    result = decode(body.encode())
    assert "survivor" in result.events["correlation_id"].to_pylist()
    assert result.events.num_rows + len(result.rejects) + sum(result.skipped.values()) == len(texts)


@FEW
@given(st.data())
def test_a_flipped_byte_costs_no_more_than_what_it_stands_in(data: st.DataObject) -> None:
    parts = [json.dumps(SURVIVOR).encode(), json.dumps(GOOD).encode(), json.dumps(SURVIVOR).encode()]
    at = data.draw(st.integers(0, len(parts[1]) - 1))
    parts[1] = (
        parts[1][:at] + bytes([data.draw(st.integers(0, 255).filter(lambda b: b not in b"\n\r"))]) + parts[1][at + 1 :]
    )
    result = decode(b"\n".join(parts))
    assert result.events["correlation_id"].to_pylist().count("survivor") == 2


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "ones": lambda n: b"[" + b"1," * (n // 2) + b"1]",
    "empty objects": lambda n: b'{"records":[' + b"{}," * (n // 3) + b"{}]}",
    "open brackets": lambda n: b"[" * n,
    "open braces": lambda n: b'{"records":[' * (n // 12),
    "closers": lambda n: b"]" * n,
    "quotes": lambda n: b'["' + b'\\"' * (n // 2),
    "newlines": lambda n: b"{" + b"\n" * n,
    "short lines": lambda n: b"{}\n" * (n // 3),
    "one long text": lambda n: b'{"tag":"' + b"a" * n + b'"}',
    "nested arrays in one record": lambda n: b'{"a":[' + b"[]," * (n // 3) + b"[]]}",
    "zeros": bytes,
    "commas": lambda n: b"[" + b"," * n,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_costs_a_bounded_multiple_of_its_size(name: str) -> None:
    body = HOSTILE[name](5 * 1024 * 1024)
    tracemalloc.start()
    try:
        result = decode(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * len(body)
    assert 0 < len(result.rejects) <= 1001
