"""What is known of one partition while it is being read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from acrwatch.core.model import Message
from ingest.eventhub.address import Start
from ingest.eventhub.anchor import Anchor
from ingest.eventhub.hub import Arrived, Look
from ingest.eventhub.lag import Lag
from ingest.eventhub.positions import NOTHING_YET, Stored

BEGINNING = "-1"  # the client's word for the start of a partition


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages that the hub no longer had: sequence numbers `first` to `last`, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many messages are missing."""
        return self.last - self.first + 1


@dataclass(slots=True)
class Partition:
    """Mutable, written only by the event loop that reads; `reached` and `target` are read by others.

    `received` is the last sequence number taken over (or skipped because it no longer exists), None before the first;
    everything at or below it that comes again, as it does after a reconnect, is dropped. `buffered` follows it once
    the messages are in the buffer.
    """

    id: str
    stream: str
    start: Start
    received: int | None = None
    offset: str | None = None
    enqueued: datetime | None = None  # of the message `received`; None where only its number, or its offset, is known
    anchor: Anchor | None = None
    buffered: int = NOTHING_YET
    target: int | None = None  # last message of the hub that must be handed out to be caught up; None: not looked yet
    stopped: bool = False
    down_since: float | None = None
    reported: bool | None = None  # as down, and not yet as up; None: perhaps, by an owner before us that died
    gaps: list[Gap] = field(default_factory=list)
    lag: Lag = field(default_factory=Lag)
    lag_reported: bool | None = None  # as `reported`

    def resume(self, stored: Stored) -> None:
        """Begin from what is stored."""
        self.stream, self.received, self.offset, self.enqueued = stored.stream, stored.position, stored.offset, None

    def went_back(self, look: Look) -> bool:
        """Return whether the hub has fewer messages than we have read: it was made anew, or failed over."""
        return self.received is not None and look.last < self.received

    def judge(self, look: Look) -> None:
        """Set the target from a fresh look, and note what the hub has dropped before we could read it."""
        self.aim(look)
        if self.received is not None and not look.empty and look.beginning > self.received + 1:
            if self.received != NOTHING_YET:
                self.gaps.append(Gap(self.received + 1, look.beginning - 1))
            self.received, self.offset, self.enqueued = look.beginning - 1, None, None
        if self.received is None and self.start == "latest":
            self.received = look.last  # fixed here, so that a reconnect does not skip what came meanwhile
        held = self.received is not None and not look.empty and look.beginning <= self.received <= look.last
        self.anchor = None
        if held and self.received is not None and self.offset is not None:
            self.anchor = Anchor(self.received, self.offset, self.enqueued)
        self.settle()

    def foreign(self, arrived: Sequence[Arrived]) -> Arrived | None:
        """Return the message that stands in the anchor's place, None where that holds; it is compared once a link."""
        if self.anchor is None or not arrived:
            return None
        anchor, self.anchor = self.anchor, None
        return next((one for one in arrived if one.sequence_number == anchor.number and not anchor.is_(one)), None)

    def position(self) -> str | int | datetime:
        """Return where the next link begins, exclusive: before the anchor, which is then the first to arrive."""
        if self.anchor is not None:
            return self.anchor.number - 1 if self.anchor.number > 0 else BEGINNING
        if self.offset is not None:
            return self.offset
        if self.received is not None:
            return BEGINNING if self.received == NOTHING_YET else self.received
        return BEGINNING if self.start == "earliest" else self.start

    def accept(self, arrived: Sequence[Arrived]) -> list[Message]:
        """Return what is new, in order, as messages."""
        fresh = []
        for item in sorted(arrived, key=lambda item: item.sequence_number):
            if self.received is not None and item.sequence_number <= self.received:
                continue
            if self.received not in (None, NOTHING_YET) and item.sequence_number > self.received + 1:
                self.gaps.append(Gap(self.received + 1, item.sequence_number - 1))
            self.received, self.offset = item.sequence_number, item.offset
            self.enqueued = item.enqueued_time
            fresh.append(
                Message(self.stream, item.sequence_number, item.body, self.id, item.offset, item.enqueued_time)
            )
        return fresh

    def settle(self) -> None:
        """Note that everything received is in the buffer."""
        self.buffered = NOTHING_YET if self.received is None else self.received

    def caught_up(self) -> bool:
        """Return whether everything due at the last look is in the buffer or past it."""
        return self.stopped or (self.target is not None and self.buffered >= self.target)

    def wait(self, look: Look, now: float) -> float:
        """Return for how many seconds messages have waited as of this look; `now` is monotonic."""
        last = NOTHING_YET if self.target == NOTHING_YET else look.last
        return self.lag.note(NOTHING_YET if self.received is None else self.received, last, now)

    def aim(self, look: Look) -> None:
        """Set the target from a look."""
        nothing_due = look.empty or (
            self.received is None
            and (self.start == "latest" or (isinstance(self.start, datetime) and look.last_time <= self.start))
        )
        self.target = NOTHING_YET if nothing_due else look.last
