"""What the real client survives: resets, Close, a refused port, silence. Nothing may be lost."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from azure.eventhub.aio import EventHubConsumerClient

from acrwatch.core.errors import ConfigError
from acrwatch.devhub import DevHub
from tests.devhub.conftest import Reader

HUB = "acr-audit"

# The client leaks its socket whenever a connect is refused or reset half-way.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


def _refuse_for_a_moment(hub: DevHub) -> None:
    hub.refuse_connections()
    hub.abort_connections()
    hub.accept_connections()


FAULTS: dict[str, Callable[[DevHub], None]] = {
    "reset": lambda hub: hub.abort_connections(reset=True),
    "end of stream": lambda hub: hub.abort_connections(reset=False),
    "close": lambda hub: hub.close_connections(),
    "refused for a moment": _refuse_for_a_moment,
}


def test_the_sync_consumer_gets_everything_across_all_faults(hub: DevHub, reading: Reader) -> None:
    with reading(hub, partition_id="0", retry_total=100) as received:
        for fault in FAULTS.values():
            last = max(hub.append(HUB, b"x", partition=0) for _ in range(5))
            received.wait_for_sequence_number(last)
            fault(hub)
        hub.append(HUB, b"x", partition=0)
        events = received.wait_for_sequence_number(20)
    assert {event.sequence_number for event in events} == set(range(21))


async def _collect_over_faults(hub: DevHub, faults: list[Callable[[DevHub], None]], **options: Any) -> set[int]:
    """Append ten events before and after each fault; return the sequence numbers that arrived in partition 0."""
    client = EventHubConsumerClient.from_connection_string(
        hub.connection_string,
        consumer_group="$Default",
        eventhub_name=HUB,
        retry_total=1000,
        retry_backoff_factor=0.05,
        **options,
    )
    seen: set[int] = set()
    changed = asyncio.Condition()

    async def on_event(_context: Any, event: Any) -> None:
        async with changed:
            seen.add(event.sequence_number)
            changed.notify_all()

    async def until(count: int) -> None:
        async with changed:
            await asyncio.wait_for(changed.wait_for(lambda: len(seen) >= count), 20)

    def append_ten() -> int:
        return max(hub.append(HUB, b"x" * 180_000, partition=0) for _ in range(10)) + 1

    async with client:
        work = asyncio.create_task(client.receive(on_event, partition_id="0", starting_position="-1"))
        await until(append_ten())
        for fault in faults:
            await asyncio.to_thread(fault, hub)
            await until(append_ten())
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    return seen


def test_the_aio_consumer_gets_everything_across_all_faults(hub: DevHub) -> None:
    assert asyncio.run(_collect_over_faults(hub, list(FAULTS.values()))) == set(range(50))


def test_a_consumer_with_an_idle_timeout_leaves_a_silent_connection(hub: DevHub) -> None:
    frozen = asyncio.run(_collect_over_faults(hub, [lambda hub: hub.freeze_connections()], idle_timeout=1))
    assert frozen == set(range(20))


def test_the_port_stays_the_same_while_refusing_and_across_a_restart(hub: DevHub) -> None:
    port = hub.port
    hub.refuse_connections()
    hub.accept_connections()
    hub.stop()
    hub.start()
    assert hub.port == port


def test_messages_outlive_a_restart(hub: DevHub, reading: Reader) -> None:
    hub.append(HUB, b"before", partition=0)
    hub.stop()
    hub.append(HUB, b"between", partition=0)
    hub.start()
    with reading(hub, partition_id="0") as received:
        assert [event.body_as_str() for event in received.wait(2)] == ["before", "between"]


def test_faults_need_a_started_hub() -> None:
    with pytest.raises(ConfigError, match="not started"):
        DevHub().abort_connections()
