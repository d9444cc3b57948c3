"""Taking from the buffer a bounded amount at a time."""

import asyncio

from acrwatch.core.model import Message
from ingest.eventhub.buffer import TAKE_BYTES, MessageBuffer

HALF = TAKE_BYTES // 2


def test_much_is_taken_in_parts_in_order_and_the_filler_waits_for_the_part_that_makes_room() -> None:
    buffer = MessageBuffer(max_messages=100, max_bytes=2 * HALF + 1)

    async def scenario() -> None:
        buffer.add([Message("s", number, b"x" * HALF) for number in range(5)])
        room = asyncio.create_task(buffer.room())
        await asyncio.sleep(0)
        assert [message.sequence_number for message in buffer.take(0)] == [0, 1]
        await asyncio.sleep(0)
        assert (room.done(), buffer.empty()) == (False, False)
        assert [message.sequence_number for message in buffer.take(0)] == [2, 3]
        await asyncio.wait_for(room, 5)
        assert [message.sequence_number for message in buffer.take(0)] == [4]
        assert buffer.empty()

    asyncio.run(scenario())


def test_a_message_larger_than_a_part_is_taken_alone() -> None:
    buffer = MessageBuffer(max_messages=100, max_bytes=1)

    async def scenario() -> None:
        buffer.add([Message("s", 0, b"x" * (TAKE_BYTES + 1)), Message("s", 1, b"")])

    asyncio.run(scenario())
    assert [len(buffer.take(0)), len(buffer.take(0))] == [1, 1]
