"""What a person must know about the partitions of a hub, said as incidents."""

from typing import Final

from acrwatch.core.errors import AcrWatchError
from ingest.eventhub.hub import Arrived, Look
from ingest.eventhub.partition import Gap, Partition
from ingest.notices import Notices

RESET: Final = "Run acrwatch ingest reset to read it from its beginning"
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
BACKFILL: Final = "Backfill that time from the storage archive or Log Analytics; raise the hub's retention"


def _gone(gap: Gap, stream: str) -> str:
    if gap.size == 1:
        return f"Message {gap.first} of {stream} was gone from the hub before it was read"
    return f"{gap.size} messages ({gap.first} to {gap.last}) of {stream} were gone from the hub before they were read"


class Reports:
    """Opens and resolves the incidents of one hub. Never blocks.

    What goes on is said again and again: a person may have put it away meanwhile.
    """

    def __init__(self, hub: str, notices: Notices) -> None:
        self._hub = hub
        self._notices = notices

    def went_back(self, one: Partition, look: Look) -> None:
        """The hub ends before what is stored, and the partition is not read any more."""
        self._notices.open(
            f"sequence_went_back/{self._hub}/{one.id}",
            kind="sequence_went_back",
            message=f"partition {one.id} of {self._hub} ends at message {look.last}, but {one.received} is stored: "
            "the hub was made anew or failed over; the partition is not read",
            remedy=RESET,
        )

    def made_anew(self, one: Partition, found: Arrived) -> None:
        """The hub holds another message under the last number that was read, and the partition is not read any more."""
        then = f"offset {one.offset}" + (f", enqueued {one.enqueued:{_TIME}}" if one.enqueued else "")
        now = f"offset {found.offset}, enqueued {found.enqueued_time:{_TIME}}"
        self._notices.open(
            f"sequence_went_back/{self._hub}/{one.id}",
            kind="sequence_went_back",
            message=f"message {found.sequence_number} of partition {one.id} of {self._hub} is another than was read "
            f"(then {then}, now {now}): the hub was made anew or failed over; it is not read",
            remedy=RESET,
        )

    def in_order(self, one: Partition) -> None:
        """The hub continues what is stored."""
        self._notices.resolve(f"sequence_went_back/{self._hub}/{one.id}")

    def gaps(self, one: Partition) -> None:
        """Report, once, the gaps that the partition has met. They end by a person's word, or by age."""
        while one.gaps:
            gap = one.gaps.pop(0)
            self._notices.open(
                f"gap/{one.stream}/{gap.first}",
                kind="gap",
                message=_gone(gap, one.stream),
                remedy=BACKFILL,
            )

    def lag(self, one: Partition, waited: float) -> None:
        """Report messages that have waited in the hub for too long (seconds), and that they do no more."""
        if one.lag.late:
            one.lag_reported = True
            self._notices.open(
                f"hub_lag/{one.stream}",
                kind="hub_lag",
                message=f"Messages of partition {one.id} of {self._hub} have been waiting in the hub for "
                f"{waited / 60:.0f} min and are not read yet",
                remedy="Look at the load of the machine and its disk; it catches up by itself once it can",
            )
        elif one.lag_reported is not False:
            one.lag_reported = False
            self._notices.resolve(f"hub_lag/{one.stream}")

    def down(self, one: Partition, error: AcrWatchError) -> None:
        """This partition cannot be read, while others can."""
        one.reported = True
        self._notices.open(
            f"source_down/{self._hub}/{one.id}", kind="source_down", message=error.message, remedy=error.remedy
        )

    def up(self, one: Partition) -> None:
        """It is read, whoever said that it could not be: an owner before us may have died without taking it back."""
        if one.reported is not False:
            one.reported = False
            self._notices.resolve(f"source_down/{self._hub}/{one.id}")

    def left(self, one: Partition) -> None:
        """Another process owns it now, and says what is wrong with it. What that one has said is not ours to undo."""
        if one.reported:
            self.up(one)
        if one.lag_reported:
            self._notices.resolve(f"hub_lag/{one.stream}")
