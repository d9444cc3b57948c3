"""The buffer's bounds, what a partition takes over, how long retries wait."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import pytest

from acrwatch.core.errors import AuthError, NotFoundError, RemoteUnreachableError
from acrwatch.core.model import Message
from acrwatch.core.setting import Secret
from ingest.backoff import Backoff
from ingest.eventhub.address import Address
from ingest.eventhub.anchor import Anchor
from ingest.eventhub.buffer import MessageBuffer
from ingest.eventhub.failures import translate
from ingest.eventhub.hub import Arrived, Look
from ingest.eventhub.partition import Partition
from ingest.eventhub.positions import Stored

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def arrived(*numbers: int) -> list[Arrived]:
    return [Arrived(number, str(number * 100), NOW, b"") for number in numbers]


def partition(position: int | None = None) -> Partition:
    made = Partition("0", "", "earliest")
    made.resume(Stored("s", position))
    return made


def test_a_full_buffer_makes_its_filler_wait_until_it_is_emptied() -> None:
    buffer = MessageBuffer(max_messages=100, max_bytes=10)

    async def scenario() -> None:
        buffer.add([Message("s", 0, b"x" * 10)])
        room = asyncio.create_task(buffer.room())
        await asyncio.sleep(0)
        assert not room.done()
        assert len(buffer.take(0)) == 1
        await asyncio.wait_for(room, 5)

    asyncio.run(scenario())


def test_a_buffer_is_full_by_count_as_well() -> None:
    async def scenario() -> None:
        buffer = MessageBuffer(max_messages=2, max_bytes=10)
        buffer.add([Message("s", 0, b"")])
        assert not buffer.full()
        buffer.add([Message("s", 1, b"")])
        assert buffer.full()

    asyncio.run(scenario())


def test_waking_a_buffer_ends_a_wait_without_messages() -> None:
    buffer = MessageBuffer(1, 1)
    buffer.wake()
    assert buffer.take(60) == []


def test_what_comes_again_is_dropped_and_order_mended() -> None:
    one = partition(4)
    assert [m.sequence_number for m in one.accept(arrived(6, 5, 4))] == [5, 6]
    assert one.accept(arrived(5, 6)) == []


def test_a_jump_within_what_arrives_is_a_gap() -> None:
    one = partition(4)
    one.accept(arrived(5, 9))
    assert [(gap.first, gap.last, gap.size) for gap in one.gaps] == [(6, 8, 3)]


def test_a_link_begins_after_the_last_message_taken_over() -> None:
    one = partition(4)
    assert one.position() == 4
    one.accept(arrived(5))
    assert one.position() == "500"


def test_a_link_begins_one_before_the_last_message_where_that_can_be_compared() -> None:
    one = partition(4)
    one.accept(arrived(5))
    one.judge(Look(beginning=0, last=9, last_time=NOW, empty=False))
    assert one.position() == 4
    assert one.foreign(arrived(5, 6)) is None
    assert one.position() == "500"


def test_a_link_begins_at_the_beginning_where_the_first_message_is_the_last_taken_over() -> None:
    one = partition(None)
    one.accept(arrived(0))
    one.judge(Look(beginning=0, last=9, last_time=NOW, empty=False))
    assert one.position() == "-1"


def test_what_retention_took_is_not_compared() -> None:
    one = partition(4)
    one.accept(arrived(5))
    one.judge(Look(beginning=7, last=9, last_time=NOW, empty=False))
    assert one.anchor is None
    one = partition(4)
    one.accept(arrived(5))
    one.judge(Look(beginning=5, last=9, last_time=NOW, empty=False))
    assert one.foreign(arrived(7)) is None  # taken between look and link


@pytest.mark.parametrize(
    ("stored", "enqueued", "found", "same"),
    [
        ("500", NOW, Arrived(5, "500", NOW, b""), True),
        ("500", NOW, Arrived(5, "500", NOW + timedelta(milliseconds=1), b""), False),
        ("500", NOW, Arrived(5, "1:7:5", NOW, b""), True),
        ("500", None, Arrived(5, "500", NOW, b""), True),
        ("500", None, Arrived(5, "501", NOW, b""), False),
        ("500", None, Arrived(5, "1:7:5", NOW, b""), True),
        ("1:7:5", None, Arrived(5, "2:7:5", NOW, b""), True),
    ],
)
def test_a_message_is_another_by_its_time_or_else_its_plain_offset(
    stored: str, enqueued: datetime | None, found: Arrived, same: bool
) -> None:
    assert Anchor(5, stored, enqueued).is_(found) is same


def test_start_does_not_count_where_a_position_is_stored() -> None:
    one = Partition("0", "", "latest")
    one.resume(Stored("s", 4))
    one.judge(Look(beginning=0, last=9, last_time=NOW, empty=False))
    assert one.position() == 4


def test_nothing_is_a_gap_where_nothing_was_stored() -> None:
    one = partition(None)
    one.judge(Look(beginning=7, last=9, last_time=NOW, empty=False))
    one.accept(arrived(7))
    assert one.gaps == []


def test_messages_before_a_start_time_are_not_waited_for() -> None:
    one = Partition("0", "", NOW)
    one.resume(Stored("s", None))
    one.judge(Look(beginning=0, last=9, last_time=NOW, empty=False))
    assert one.caught_up()
    one.aim(Look(beginning=0, last=10, last_time=NOW + timedelta(seconds=1), empty=False))
    assert not one.caught_up()


def test_a_fresh_epoch_begins_at_the_beginning_without_a_gap() -> None:
    one = partition(-1)
    one.judge(Look(beginning=7, last=9, last_time=NOW, empty=False))
    assert one.gaps == []
    assert one.position() == 6


def test_a_partition_emptied_by_retention_is_no_step_back() -> None:
    one = partition(9)
    look = Look(beginning=10, last=9, last_time=NOW, empty=True)
    assert not one.went_back(look)
    one.judge(look)
    assert one.caught_up()


def test_retries_wait_longer_each_time_up_to_the_bound_and_start_anew() -> None:
    backoff = Backoff(1, 60, random.Random(1))
    waits = [backoff.wait() for _ in range(10)]
    assert all(
        bound / 2 <= wait <= bound for wait, bound in zip(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60], strict=True)
    )
    backoff.reset()
    assert backoff.wait() <= 1


def test_an_error_never_shows_the_key() -> None:
    address = Address("ns.example.com", "h", "g", Secret("Endpoint=sb://ns.example.com;SharedAccessKey=c2VjcmV0PQ=="))
    error = translate(OSError("refused c2VjcmV0PQ== by peer"), address)
    assert isinstance(error, RemoteUnreachableError)
    assert "c2VjcmV0PQ==" not in str(error)


def test_the_status_of_the_token_exchange_tells_missing_from_refused() -> None:
    class AuthenticationError(Exception):
        pass

    address = Address("ns.example.com", "h", "g")
    words = "CBS Token authentication failed.\nStatus code: {}\nDescription: because"
    assert isinstance(translate(AuthenticationError(words.format(404)), address), NotFoundError)
    refused = translate(AuthenticationError(words.format(401)), address)
    assert isinstance(refused, AuthError)
    assert "(because)" in str(refused)
