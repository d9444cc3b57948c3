"""Whatever two writers, a compactor, a sweeper and a reader do in any order: the lake equals a set and a maximum."""

import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from storage.lake import Lake
from storage.lake.compaction import TARGET_BYTES, compact
from storage.lake.maintenance import sweep
from storage.lake.snapshot import Hint
from storage.query import Positions, Reader
from tests.lake.lake_writer import NOON, event_id, make_events

DAYS = 2
LATER = datetime.now(UTC) + timedelta(hours=2)
WRITERS = st.integers(0, 1)


def _event(number: int, stream: str, sequence: int) -> pa.Table:
    """An event whose day, too, is a function of its number, as the id covers the time."""
    return make_events([number], stream=stream, sequence=sequence, at=NOON + timedelta(days=number % DAYS))


class LakeModel(RuleBasedStateMachine):
    """Writers send messages of few distinct events, so that all kinds of repeats are common."""

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.writers = [Lake.open(Path(self.folder.name) / "lake") for _ in range(2)]
        self.events: set[int] = set()
        self.positions: dict[str, int] = {}
        self.judged: Positions = {}
        self.hint: Hint | None = None
        self.seen: Counter[bytes] = Counter()

    @rule(
        writer=WRITERS,
        stream=st.sampled_from(["a", "b"]),
        first=st.integers(0, 12),
        numbers=st.lists(st.integers(0, 15), max_size=4),
    )
    def send(self, writer: int, stream: str, first: int, numbers: list[int]) -> None:
        """Send messages numbered from `first`, one event in each; perhaps again, perhaps from far behind."""
        sent = [(number, first + at) for at, number in enumerate(numbers)]
        reached = first + max(0, len(sent) - 1)
        tables = [_event(number, stream, sequence) for number, sequence in sent] or [make_events([])]
        self.writers[writer].commit(pa.concat_tables(tables), {stream: reached})

        stored = self.positions.get(stream, -1)
        self.events.update(number for number, sequence in sent if sequence > stored)
        self.positions[stream] = max(stored, reached)

    @rule(writer=WRITERS, numbers=st.lists(st.integers(0, 15), min_size=1, max_size=4))
    def import_file(self, writer: int, numbers: list[int]) -> None:
        """Store events by a road whose position the lake does not keep; its reader's place only grows."""
        place = self.positions.get("file", 0) + 1
        self.positions["file"] = place
        self.writers[writer].commit(pa.concat_tables([_event(n, f"file:{place}", 0) for n in numbers]), {})
        self.events.update(numbers)

    @rule(writer=WRITERS, day=st.integers(0, DAYS - 1))
    def compact(self, writer: int, day: int) -> None:
        compact(self.writers[writer], NOON.date() + timedelta(days=day), TARGET_BYTES)

    @rule(writer=WRITERS)
    def sweep(self, writer: int) -> None:
        orphan = self.writers[writer].root / "event_date=2026-11-22" / "orphan.parquet"
        orphan.parent.mkdir(exist_ok=True)
        orphan.touch()
        assert sweep(self.writers[writer], now=LATER) == 1

    @rule(writer=WRITERS)
    def forget_the_writers_memory(self, writer: int) -> None:
        self.writers[writer] = Lake.open(self.writers[writer].root)

    @rule(chunk_rows=st.integers(1, 5), hinted=st.booleans())
    def judge(self, chunk_rows: int, hinted: bool) -> None:
        with Reader(self.writers[0].snapshot(), threads=1) as reader:
            part = reader.slice_after(self.judged, self.hint if hinted else None, chunk_rows=chunk_rows)
            reader.view("v", part, part.files, lateness=timedelta(days=1), derived={})
            self.seen.update(reader.query("SELECT event_id FROM v WHERE is_new").column("event_id").to_pylist())
        self.judged, self.hint = part.upto, part.hint

    @invariant()
    def rows_are_the_distinct_events(self) -> None:
        with Reader(self.writers[0].snapshot(), threads=1) as reader:
            files = reader._files(reader.snapshot.files)
            found = reader.query(f"SELECT event_id FROM {files}").column("event_id").to_pylist()
        assert Counter(found) == Counter(map(event_id, self.events))

    @invariant()
    def positions_are_the_highest_sent(self) -> None:
        found = {stream: self.writers[1].position(stream) for stream in ("a", "b")}
        assert found == {stream: self.positions.get(stream) for stream in ("a", "b")}

    def teardown(self) -> None:
        """Judge to the end: every event was new exactly once."""
        for _ in range(100):
            before = self.judged
            self.judge(1000, hinted=True)
            if self.judged == before:
                break
        assert self.seen == Counter(map(event_id, self.events))
        self.folder.cleanup()


TestLakeModel = LakeModel.TestCase
TestLakeModel.settings = settings(
    max_examples=12,
    stateful_step_count=15,
    suppress_health_check=[HealthCheck.too_slow],
)
