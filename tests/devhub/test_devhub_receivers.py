"""Who may read a partition, and who loses it."""

from dataclasses import dataclass, field

import pytest

from acrwatch.devhub.receivers import ReceiverRegistry
from acrwatch.devhub.refusal import LINK_STOLEN, RefusedError

KEY = ("acr-audit", "$default", "0")


@dataclass(eq=False)
class Reader:
    """A receiver that only notes what is done to it."""

    epoch: int | None
    stolen: list[str] = field(default_factory=list)

    def steal(self, description: str) -> None:
        self.stolen.append(description)


@pytest.mark.parametrize(("holder", "newcomer"), [(0, 0), (0, 5), (None, 0)])
def test_an_equal_or_higher_epoch_takes_the_partition(holder: int | None, newcomer: int) -> None:
    registry, old, new = ReceiverRegistry(), Reader(holder), Reader(newcomer)
    registry.admit(KEY, old)
    registry.admit(KEY, new)
    assert (len(old.stolen), new.stolen) == (1, [])


@pytest.mark.parametrize(("holder", "newcomer"), [(5, 4), (0, None)])
def test_a_lower_or_no_epoch_is_refused(holder: int, newcomer: int | None) -> None:
    registry, old = ReceiverRegistry(), Reader(holder)
    registry.admit(KEY, old)
    with pytest.raises(RefusedError) as caught:
        registry.admit(KEY, Reader(newcomer))
    assert caught.value.condition == LINK_STOLEN
    assert old.stolen == []


def test_readers_without_epoch_share() -> None:
    registry, readers = ReceiverRegistry(), [Reader(None), Reader(None)]
    for reader in readers:
        registry.admit(KEY, reader)
    assert [reader.stolen for reader in readers] == [[], []]


def test_a_partition_is_free_again_once_its_reader_left() -> None:
    registry, old = ReceiverRegistry(), Reader(9)
    registry.admit(KEY, old)
    registry.leave(KEY, old)
    registry.leave(KEY, old)
    registry.admit(KEY, Reader(None))
    assert old.stolen == []


def test_other_groups_and_partitions_are_not_touched() -> None:
    registry, old = ReceiverRegistry(), Reader(0)
    registry.admit(KEY, old)
    registry.admit(("acr-audit", "second", "0"), Reader(0))
    registry.admit(("acr-audit", "$default", "1"), Reader(0))
    assert old.stolen == []
