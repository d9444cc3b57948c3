"""Who reads which partition: epochs, and taking a link away from its holder.

A receiver with an epoch (`com.microsoft:epoch`, the client's owner level) is exclusive within its consumer group. A
newcomer with an equal or higher epoch wins, the holder's link is detached with `amqp:link:stolen`; with a lower or no
epoch the newcomer is refused. The real client's load balancer relies on it.
"""

from collections import defaultdict
from typing import Protocol

from acrwatch.devhub.refusal import LINK_STOLEN, RefusedError


class Receiver(Protocol):
    """A consumer link as the registry sees it."""

    @property
    def epoch(self) -> int | None:
        """The owner level, None for a receiver that shares."""
        ...

    def steal(self, description: str) -> None:
        """Detach the link because another receiver took the partition."""
        ...


Key = tuple[str, str, str]  # hub, consumer group, partition id, all folded


class ReceiverRegistry:
    """All attached receivers. Used only on the endpoint's event loop."""

    def __init__(self) -> None:
        self._receivers: dict[Key, list[Receiver]] = defaultdict(list)

    def admit(self, key: Key, newcomer: Receiver) -> None:
        """Register a receiver and take the partition from those it beats.

        Raises:
            RefusedError: a holder has a higher epoch, or has one and the newcomer has none.
        """
        holders = self._receivers.get(key, [])
        highest = max((holder.epoch for holder in holders if holder.epoch is not None), default=None)
        if highest is not None and (newcomer.epoch is None or newcomer.epoch < highest):
            raise RefusedError(
                LINK_STOLEN, f"A receiver with epoch '{highest}' holds this partition; yours is '{newcomer.epoch}'"
            )
        if newcomer.epoch is not None:
            for holder in tuple(holders):
                self.leave(key, holder)
                holder.steal(f"New receiver with epoch '{newcomer.epoch}' takes the partition")
        self._receivers[key].append(newcomer)

    def leave(self, key: Key, receiver: Receiver) -> None:
        """Forget a receiver; harmless if it is not there."""
        holders = self._receivers.get(key, [])
        if receiver in holders:
            holders.remove(receiver)
        if not holders:
            self._receivers.pop(key, None)
