"""One process and its claims: how soon it has all, what an outage of the database does, who may take over, the link."""

import gc
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from azure.eventhub._pyamqp.aio._receiver_async import ReceiverLink
from sqlalchemy import text

from acrwatch.devhub import DevHub
from ingest.eventhub import owner
from ingest.eventhub.address import Address
from ingest.eventhub.balancer import Balancer
from ingest.opening import Opening
from storage.lake import Lake
from storage.schema import ARROW_SCHEMA
from storage.state import ownership
from storage.state.ownership import Claim, Group
from tests.ingest_sources.reading import HUB, NEVER, QUICK, MakeSource, poll_until, take

BRISK = replace(QUICK, tick=0.2)
ADDRESS = Address("ns.example.com", HUB, "$Default")
IDS = ["0", "1", "2", "3"]


def group(hub: DevHub) -> Group:
    return Group(f"localhost:{hub.port}", HUB, "$Default")


def owned(opening: Opening, hub: DevHub) -> list[str]:
    with opening.database.connect() as connection:
        return [one.owner_id for one in ownership.listed(connection, group(hub))]


@pytest.fixture
def living() -> Iterator[Callable[[], str]]:
    """Make names of owners that nobody may take for dead."""
    names: list[str] = []

    def make() -> str:
        names.append(owner.enter())
        return names[-1]

    yield make
    for name in names:
        owner.leave(name)


@contextmanager
def outage(opening: Opening) -> Iterator[None]:
    """Take the table of owners away."""
    with opening.database.begin() as connection:
        connection.execute(text("ALTER TABLE partition_owners RENAME TO away"))
    yield
    with opening.database.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO partition_owners"))


def test_a_lone_process_owns_every_partition_after_its_first_tick(opening: Opening) -> None:
    balancer = Balancer(opening.database, ADDRESS, expiry=20)
    assert balancer.tick(IDS) == {"0", "1", "2", "3"}
    balancer.release()


def test_a_restart_after_a_release_owns_every_partition_after_its_first_tick(opening: Opening) -> None:
    first = Balancer(opening.database, ADDRESS, expiry=20)
    first.tick(IDS)
    first.release()
    second = Balancer(opening.database, ADDRESS, expiry=20)
    assert second.tick(IDS) == {"0", "1", "2", "3"}
    second.release()


def test_two_processes_come_to_equal_shares_by_one_theft_a_tick(opening: Opening) -> None:
    first, second = (Balancer(opening.database, ADDRESS, expiry=20) for _ in range(2))
    first.tick(IDS)
    assert [len(second.tick(IDS)) for _ in range(3)] == [1, 2, 2]
    assert len(first.tick(IDS)) == 2
    first.release()
    second.release()


def test_a_process_that_has_not_renewed_doubts_its_claims(opening: Opening) -> None:
    balancer = Balancer(opening.database, ADDRESS, expiry=0)
    assert not balancer.fresh()
    balancer.tick(IDS)
    assert not balancer.fresh()
    balancer.release()


def test_an_outage_of_the_database_costs_no_partition(
    hub: DevHub, source_of: MakeSource, opening: Opening, caplog: pytest.LogCaptureFixture
) -> None:
    source = source_of(hub, timing=BRISK)
    poll_until(source, source.caught_up)
    with outage(opening):
        poll_until(source, lambda: "cannot renew its partitions, keeps them" in caplog.text)
        for number in range(2):
            hub.append(HUB, b"meanwhile", partition=number)
        assert len(take(source, 2)) == 2
    before = owned(opening, hub)
    hub.append(HUB, b"after", partition=0)
    assert [m.body for m in take(source, 1)] == [b"after"]
    assert owned(opening, hub) == before


def test_what_another_process_takes_is_read_no_more(
    hub: DevHub, source_of: MakeSource, opening: Opening, living: Callable[[], str]
) -> None:
    source = source_of(hub, timing=replace(BRISK, expiry=NEVER))
    poll_until(source, source.caught_up)
    thief = living()
    with opening.database.begin() as connection:
        for one in ownership.listed(connection, group(hub)):
            ownership.claim(connection, group(hub), thief if one.partition_id == "0" else one.owner_id, [_of(one)])
    poll_until(source, lambda: len(source._reader.partitions) == 1)
    poll_until(source, lambda: source._reader._tasks["0"].done())
    hub.append(HUB, b"theirs", partition=0)
    hub.append(HUB, b"ours", partition=1)
    assert [m.body for m in take(source, 1)] == [b"ours"]
    assert owned(opening, hub)[0] == thief


def test_a_link_taken_over_by_a_stranger_is_taken_back_from_what_is_stored(
    hub: DevHub, source_of: MakeSource, opening: Opening
) -> None:
    source = source_of(hub, timing=BRISK)
    hub.append(HUB, b"a", partition=0)
    assert len(take(source, 1)) == 1
    assert isinstance(opening.lake, Lake)
    opening.lake.commit(ARROW_SCHEMA.empty_table(), {f"{source.name}/0/0": 0})
    with _stranger(hub):
        hub.append(HUB, b"b", partition=0)
        assert {m.body for m in take(source, 1)} == {b"b"}  # perhaps twice: the stranger may come back, too


def test_latest_means_the_same_to_the_next_owner(hub: DevHub, source_of: MakeSource) -> None:
    hub.append(HUB, b"old", partition=0)
    source = source_of(hub, start="latest")
    poll_until(source, source.caught_up)
    source.stop()
    hub.append(HUB, b"new", partition=0)
    source.start()
    assert [m.body for m in take(source, 1)] == [b"new"]


def test_no_link_keeps_more_than_its_share_of_tags_however_much_is_read(hub: DevHub, source_of: MakeSource) -> None:
    source = source_of(hub, timing=replace(QUICK, link_messages=20), prefetch=10)
    for number in range(80):
        hub.append(HUB, b"%d" % number, partition=0)
    kept = came = 0
    while came < 80:
        came += len(take(source, 1))
        kept = max([kept, *(len(link._received_delivery_tags) for link in _links())])
    assert 0 < kept <= 60  # a link's 20, the batch that passes them, and what the client fetches ahead


def test_a_link_is_replaced_after_many_messages_and_costs_none(
    hub: DevHub, source_of: MakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "ingest.eventhub.supervision")
    source = source_of(hub, timing=replace(QUICK, link_messages=20), prefetch=10)
    for number in range(80):
        hub.append(HUB, b"%d" % number, partition=0)
    taken = take(source, 80)
    assert [m.body for m in taken] == [b"%d" % number for number in range(80)]
    assert caplog.text.count("/0: a new link after many messages") >= 2


def _links() -> list[ReceiverLink]:
    return [one for one in gc.get_objects() if isinstance(one, ReceiverLink)]


def _of(one: ownership.Ownership) -> Claim:
    return Claim(one.partition_id, one.etag)


@contextmanager
def _stranger(hub: DevHub) -> Iterator[None]:
    """Read partition 0 with the client alone, as a process that knows nothing of our state."""
    from azure.eventhub import EventHubConsumerClient

    client = EventHubConsumerClient.from_connection_string(
        hub.connection_string, "$Default", eventhub_name=HUB, retry_total=0
    )
    attached = threading.Event()
    thread = threading.Thread(
        target=client.receive,
        kwargs={
            "on_event": lambda _context, _event: attached.set(),
            "on_error": lambda _context, _error: None,
            "partition_id": "0",
            "owner_level": 0,
            "starting_position": "-1",
        },
        daemon=True,
    )
    thread.start()
    assert attached.wait(30)
    yield
    client.close()
    thread.join(30)
    assert not thread.is_alive()
