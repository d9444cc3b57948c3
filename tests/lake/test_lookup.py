"""Look-ups find every event of a subject, and open no file that its list of keys rules out."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pytest

from acrwatch.core.errors import StoreError
from storage.lake import Lake, keys
from storage.lake.clustering import WORTH_ROWS, cluster
from storage.lake.keys import KEY_COLUMNS, holding, remove_stray_keys
from storage.lookup import about
from storage.query import Reader
from storage.schema import ARROW_SCHEMA
from tests.lake.lake_fixtures import MakeEvents

DAYS = tuple(date(2026, 11, n) for n in (20, 21, 22))
ROWS = 60
COMMON = bytes(10) + b"\xff\xff\xc6\x33\x64\x01"
ABSENT = bytes(10) + b"\xff\xff\xc6\x33\x64\xfe"

Value: TypeAlias = str | bytes
Ask: TypeAlias = Callable[..., list[int]]


def rare(day: date) -> dict[str, Value]:
    """The address, identity and digest that only this date holds."""
    return {
        "ip_key": bytes(10) + b"\xff\xff\xcb\x00\x71" + bytes([day.day]),
        "identity": f"visitor{day.day}@example.com",
        "digest": f"sha256:{day.day:064x}",
    }


def events_of(make_events: MakeEvents, day: date) -> pa.Table:
    """Sixty events of a date, of which every third has the rare values."""
    first = day.day * 1_000
    table = make_events([0]).take(pa.array(np.zeros(ROWS, np.int64)))
    usual: dict[str, Value] = {"ip_key": COMMON, "identity": "service@example.com", "digest": "sha256:" + 64 * "f"}
    columns: dict[str, list[object]] = {
        "event_id": [(first + n).to_bytes(16, "little") for n in range(ROWS)],
        "event_date": [day] * ROWS,
        "event_time": [datetime.combine(day, time(), UTC) + timedelta(minutes=59 - n) for n in range(ROWS)],
        "sequence_number": [first + n for n in range(ROWS)],
        **{name: [rare(day)[name] if n % 3 == 0 else usual[name] for n in range(ROWS)] for name in KEY_COLUMNS},
    }  # fmt: skip
    for name, values in columns.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, ARROW_SCHEMA.field(name), pa.array(values, ARROW_SCHEMA.field(name).type))
    return table


@pytest.fixture
def ordered(lake: Lake, make_events: MakeEvents) -> Lake:
    """A lake of three dates in order."""
    assert WORTH_ROWS > ROWS, "only `due` decides what is worth it"
    for day in DAYS:
        lake.commit(events_of(make_events, day), {})
        cluster(lake, day)
    return lake


@pytest.fixture
def ask(ordered: Lake) -> Ask:
    """Look something up; return the sequence numbers found, in order of time."""

    def look(column: str, value: Value, **bounds: date) -> list[int]:
        with Reader(ordered.snapshot()) as reader:
            found: list[int] = about(reader, column, value, **bounds).column("sequence_number").to_pylist()  # type: ignore[arg-type]
        return found

    return look


def _lists(lake: Lake) -> list[Path]:
    return sorted((lake.root / "_lookup").iterdir())


def _damage_the_others(lake: Lake, day: date) -> None:
    """Make it an error to open a file of another date."""
    for file in lake.snapshot().files:
        if file.date != day:
            (lake.root / file.path).write_bytes(b"no Parquet")


@pytest.mark.parametrize("column", KEY_COLUMNS)
def test_all_events_of_a_rare_subject_are_found_oldest_first_and_no_other_file_is_opened(
    ordered: Lake, ask: Ask, column: str
) -> None:
    _damage_the_others(ordered, DAYS[1])
    assert ask(column, rare(DAYS[1])[column]) == [21_000 + n for n in range(57, -1, -3)]
    with pytest.raises(StoreError):
        ask(column, rare(DAYS[0])[column])


def test_what_no_file_holds_is_known_without_opening_one(ordered: Lake, ask: Ask) -> None:
    for file in ordered.snapshot().files:
        (ordered.root / file.path).write_bytes(b"no Parquet")
    assert ask("ip_key", ABSENT) == []


def test_an_address_on_every_date_is_found_on_every_date(ask: Ask) -> None:
    assert len(ask("ip_key", COMMON)) == 3 * 40
    assert len(ask("ip_key", COMMON, first=DAYS[1])) == 2 * 40
    assert len(ask("ip_key", COMMON, first=DAYS[1], last=DAYS[1])) == 40


def test_dates_not_in_order_yet_are_searched(ordered: Lake, ask: Ask, make_events: MakeEvents) -> None:
    late = date(2026, 11, 23)
    ordered.commit(events_of(make_events, late), {})
    assert len(ask("ip_key", rare(late)["ip_key"])) == 20
    assert len(ask("ip_key", COMMON)) == 4 * 40


@pytest.mark.parametrize("harm", ["missing", "empty", "torn", "changed"])
def test_a_list_that_is_gone_or_damaged_costs_time_and_no_event(ordered: Lake, ask: Ask, harm: str) -> None:
    for path in _lists(ordered):
        content = path.read_bytes()
        if harm == "missing":
            path.unlink()
        elif harm == "changed":
            path.write_bytes(content[:12] + bytes(255 - byte for byte in content[12:]))
        else:
            path.write_bytes(content[: 0 if harm == "empty" else 12])
    for day in DAYS:
        assert len(ask("identity", rare(day)["identity"])) == 20


def test_only_the_columns_asked_for_come_back(ordered: Lake) -> None:
    with Reader(ordered.snapshot()) as reader:
        some = about(reader, "ip_key", COMMON, columns=("event_time", "operation"))
        none = about(reader, "ip_key", ABSENT, columns=("event_time", "operation"))
        whole = about(reader, "ip_key", COMMON)
        with pytest.raises(ValueError, match="no column 1; DROP"):
            about(reader, "ip_key", COMMON, columns=("1; DROP",))
        with pytest.raises(ValueError, match="no keys of 'tag'"):
            about(reader, "tag", "latest")
    assert some.schema.names == none.schema.names == ["event_time", "operation"]
    assert set(whole.schema.names) == set(ARROW_SCHEMA.names) - {"event_date"}


def test_lists_of_files_that_are_gone_go_with_the_next_date_in_order(ordered: Lake, make_events: MakeEvents) -> None:
    gone = ordered.snapshot().files[0]
    (ordered.root / gone.path).unlink()
    (ordered.root / "_lookup" / "clustered-of-a-dead-writer.tmp").touch()
    ordered.commit(events_of(make_events, date(2026, 11, 23)), {})
    cluster(ordered, date(2026, 11, 23))

    present = {Path(file.path).stem for file in ordered.snapshot().files[1:]}
    assert {path.stem for path in _lists(ordered)} == present
    assert remove_stray_keys(ordered.root) == 0


def test_a_list_that_cannot_be_written_leaves_the_date_as_it_was(
    lake: Lake, make_events: MakeEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.commit(events_of(make_events, DAYS[0]), {})
    before = lake.snapshot()
    (lake.root / "_lookup").write_text("a file where the folder should be")

    with pytest.raises(StoreError, match="in order"):
        cluster(lake, DAYS[0])

    assert lake.snapshot() == before
    assert not list(lake.root.glob("event_date=*/clustered-*"))


def test_a_hash_that_two_values_share_adds_no_event(ordered: Lake, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_contains", lambda *_: True)
    files = ordered.snapshot().files
    assert holding(ordered.root, files, "ip_key", ABSENT) == list(files)
    assert ask("ip_key", ABSENT) == []
