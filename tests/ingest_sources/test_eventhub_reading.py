"""Where reading begins, and what is handed out."""

from datetime import UTC, datetime

from acrwatch.devhub import DevHub
from ingest.opening import Opening
from ingest.sources.eventhub import EventHubSource
from storage.lake import Lake
from storage.schema import ARROW_SCHEMA
from tests.ingest_sources.reading import HUB, MakeSource, poll_until, take

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def remember(opening: Opening, source_stream: str, number: int) -> None:
    assert isinstance(opening.lake, Lake)
    opening.lake.commit(ARROW_SCHEMA.empty_table(), {source_stream: number})


def stream(hub: DevHub, partition: int) -> str:
    return f"eventhub/localhost:{hub.port}/{HUB}/{partition}/0"


def append(hub: DevHub, bodies: list[bytes], partition: int = 0) -> None:
    for body in bodies:
        hub.append(HUB, body, partition=partition)


def test_every_partition_is_read_from_its_beginning(hub: DevHub, source_of: MakeSource) -> None:
    append(hub, [b"a", b"b"], 0)
    append(hub, [b"c"], 1)
    taken = take(source_of(hub), 3)
    found = sorted((m.stream, m.sequence_number, m.body, m.partition_id) for m in taken)
    assert found == [
        (stream(hub, 0), 0, b"a", "0"),
        (stream(hub, 0), 1, b"b", "0"),
        (stream(hub, 1), 0, b"c", "1"),
    ]


def test_a_message_carries_its_offset_and_the_time_the_hub_took_it(hub: DevHub, source_of: MakeSource) -> None:
    hub.append(HUB, b"a", enqueued_time=NOW)
    (message,) = take(source_of(hub), 1)
    assert message.enqueued_time == NOW
    assert message.offset


def test_reading_begins_after_the_stored_position(hub: DevHub, source_of: MakeSource, opening: Opening) -> None:
    append(hub, [b"a", b"b", b"c"])
    remember(opening, stream(hub, 0), 1)
    assert [m.body for m in take(source_of(hub), 1)] == [b"c"]


def test_latest_means_what_comes_after_the_start(hub: DevHub, source_of: MakeSource) -> None:
    append(hub, [b"old"])
    source = source_of(hub, start="latest")
    poll_until(source, source.caught_up)
    append(hub, [b"new"])
    assert [m.body for m in take(source, 1)] == [b"new"]


def test_latest_is_not_moved_on_by_a_reconnect(hub: DevHub, source_of: MakeSource) -> None:
    source = source_of(hub, start="latest")
    poll_until(source, source.caught_up)
    hub.refuse_connections()
    hub.abort_connections()
    append(hub, [b"while away"])
    hub.accept_connections()
    assert [m.body for m in take(source, 1)] == [b"while away"]


def test_a_time_means_what_the_hub_took_after_it(hub: DevHub, source_of: MakeSource) -> None:
    hub.append(HUB, b"old", partition=0, enqueued_time=datetime(2026, 11, 21, tzinfo=UTC))
    hub.append(HUB, b"new", partition=0, enqueued_time=datetime(2026, 11, 23, tzinfo=UTC))
    source = source_of(hub, start=NOW)
    assert [m.body for m in take(source, 1)] == [b"new"]
    poll_until(source, source.caught_up)


def test_an_empty_hub_is_caught_up_with(hub: DevHub, source_of: MakeSource) -> None:
    source = source_of(hub)
    assert poll_until(source, source.caught_up) == []


def test_a_source_is_not_caught_up_before_everything_was_handed_out(hub: DevHub, source_of: MakeSource) -> None:
    append(hub, [b"a"], 0)
    append(hub, [b"b"], 1)
    source = source_of(hub)
    assert not source.caught_up()
    assert len(poll_until(source, source.caught_up)) == 2


def test_a_message_of_a_megabyte_arrives_whole(hub: DevHub, source_of: MakeSource) -> None:
    body = b"x" * 1_000_000
    hub.append(HUB, body)
    assert [m.body for m in take(source_of(hub), 1)] == [body]


def test_a_stopped_source_starts_again_from_what_is_stored(
    hub: DevHub, source_of: MakeSource, opening: Opening
) -> None:
    append(hub, [b"a", b"b"])
    source: EventHubSource = source_of(hub)
    take(source, 2)
    source.stop()
    remember(opening, stream(hub, 0), 0)
    source.start()
    assert [m.body for m in take(source, 1)] == [b"b"]


def test_stopping_twice_is_harmless(hub: DevHub, source_of: MakeSource) -> None:
    source = source_of(hub)
    source.stop()
    source.stop()
    assert source.poll(0) == []
