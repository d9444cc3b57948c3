"""What must hold of the decoder whatever the bytes: judged in groups of messages, for that is how it is called.

The oracle takes a message apart with `unwrap` and reads every record by the tolerant path alone. The normaliser, which
takes the fast path wherever it can and fills Arrow tables for many messages at once, must come to the same rows,
rejects and counts, message by message.
"""

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar, Final

from hypothesis import strategies as st

from acrwatch.core.model import Message
from ingest.batch import Derivations
from ingest.envelope import Damage, unwrap
from ingest.normalise import Normalised, Normaliser
from ingest.rows import PLACE, Row, UnfitError
from ingest.tally import REJECT_LIMIT
from ingest.tolerant import read_record
from ingest.values import microseconds
from storage.activity_row import ControlRecord
from tests.ingest_decode.fuzz_inputs import change, make, swollen
from tests.ingest_decode.fuzz_renderings import judge_renderings
from tests.ingest_decode.fuzz_strategies import BODIES
from tests.ingest_decode.fuzz_tables import CONTROL, EARLIEST, LATEST, NOW, check_table, new_normaliser, raw_rows

GROUP: Final = 16
"""Messages decoded together: building an Arrow table costs as much as decoding some ten records."""

_REASON: Final = re.compile("[a-z0-9_]{3,60}")
# Decoding takes 0.1 to 1 µs per byte on an idle machine and a record's worth at least; a hostile byte some 5 µs.
_SECONDS: Final = 0.5
_SECONDS_PER_BYTE: Final = 30e-6
_RENDERINGS: Final = 0.005  # each costs as much as ten bodies
_SWOLLEN_EVERY: Final = 2_000
_SWOLLEN_BYTES: Final = (20_000, 100_000, 300_000)


@dataclass(slots=True)
class Expected:
    """What one message should become."""

    rows: list[str] = field(default_factory=list)
    rejects: list[tuple[int, str]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def _timed(normaliser: Normaliser, messages: list[Message]) -> tuple[Normalised, float]:
    began = time.thread_time()
    return normaliser.batch(messages, now=NOW), time.thread_time() - began


class DecoderFuzz:
    """Judges message bodies. `outcomes` counts what became of their records. Raises AssertionError for a breach."""

    NAME: ClassVar = "decoder"
    INSTRUMENTED: ClassVar = ("ingest", "acrwatch.core")

    def __init__(self, seed: int = 0) -> None:  # noqa: ARG002 - what is drawn is drawn from what `step` is given
        self.outcomes: Counter[str] = Counter()
        self._normaliser = new_normaliser()
        self._resources = Derivations({}).resources
        self._waiting: list[bytes] = []
        self._made = 0

    def make(self, chance: Random) -> bytes:
        """Return a new body."""
        self._made += 1
        body = make(chance)
        return swollen(body, chance, chance.choice(_SWOLLEN_BYTES)) if self._made % _SWOLLEN_EVERY == 0 else body

    def change(self, body: bytes, chance: Random) -> bytes:
        """Return a body like this one."""
        return change(body, chance) if chance.random() < 0.8 else make(chance)

    def strategy(self) -> st.SearchStrategy[bytes]:
        """Return hypothesis' way to make bodies."""
        return BODIES

    def step(self, chance: Random) -> None:
        """Judge one input: a body, or now and then an event in many renderings."""
        if chance.random() < _RENDERINGS:
            judge_renderings(chance, self._normaliser)
            self.outcomes["events rendered in 12 ways"] += 1
        else:
            self.judge(self.make(chance))

    def close(self) -> None:
        """Nothing is held."""

    def judge(self, body: bytes) -> None:
        """Judge a body, together with those that wait for it."""
        self._waiting.append(body)
        if len(self._waiting) >= GROUP or len(body) > _SWOLLEN_BYTES[0]:
            self.settle()

    def settle(self) -> None:
        """Judge what waits."""
        messages = [Message("s", number, body) for number, body in enumerate(self._waiting)]
        self._waiting = []
        result, spent = _timed(self._normaliser, messages)
        size = sum(len(message.body) for message in messages)
        allowed = _SECONDS + _SECONDS_PER_BYTE * size
        # What is slow because of its bytes is slow again; a collection of garbage that falls into one call is not.
        if spent > allowed:
            spent = min(_timed(new_normaliser(), messages)[1] for _ in range(3))
        assert spent <= allowed, f"{spent:.1f} s for {size} bytes"
        check_table(result.events)
        self._check_rejects(result)
        self._compare(messages, result)

    def _compare(self, messages: list[Message], result: Normalised) -> None:
        rows, skipped = raw_rows(result.events), Counter[str]()
        for message in messages:
            expected, got = self._expected(message.body), rows.get(message.sequence_number, [])
            rejects = [(r.ordinal, r.reason) for r in result.rejects if r.sequence_number == message.sequence_number]
            self.outcomes.update(rejects=len(expected.rejects), skipped=expected.skipped.total(), events=len(got))
            skipped += expected.skipped
            if len(expected.rejects) > REJECT_LIMIT:
                assert rejects[-1] == (-1, "too_many_rejects")
                return  # the rest of the message may have been left unread
            assert sorted(rejects) == sorted(expected.rejects), message.body
            assert sorted(got) == sorted(expected.rows), message.body
        if len(skipped) < 60:  # more names than that are counted together
            assert Counter(result.skipped) == skipped

    def _expected(self, body: bytes) -> Expected:
        found = Expected()
        for ordinal, piece in enumerate(unwrap(body)):
            if isinstance(piece, Damage):
                found.rejects.append((-1 if piece.whole else ordinal, piece.reason))
                continue
            try:
                row = self._judged(read_record(piece))
            except UnfitError as error:
                found.rejects.append((ordinal, error.reason))
                continue
            if isinstance(row, str):
                found.skipped[row] += 1
            else:
                found.rows.append(CONTROL if isinstance(row, ControlRecord) else repr(row))
            if len(found.rejects) > 2 * REJECT_LIMIT:
                break
        return found

    def _judged(self, row: Row | ControlRecord | str) -> Row | ControlRecord | str:
        if isinstance(row, str):
            return row
        if isinstance(row, ControlRecord):
            moment = microseconds(row.time)
        else:
            self._resources[row[PLACE["resource_id"]]]
            moment = row[PLACE["event_time"]]
        if moment > LATEST:
            raise UnfitError("time_in_future", "")
        return "expired" if moment < EARLIEST else row

    def _check_rejects(self, result: Normalised) -> None:
        for reject in result.rejects:
            assert _REASON.fullmatch(reject.reason), reject.reason
            assert len(reject.detail) < 500, reject.detail
            assert reject.detail.isascii(), reject.detail
            assert reject.detail.isprintable(), reject.detail
            assert reject.body_length == len(reject.body)
