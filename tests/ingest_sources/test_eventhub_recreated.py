"""A hub made anew that has come past the stored position already: numbers alone do not show it."""

from collections.abc import Sequence

import pytest

from acrwatch.devhub import DevHub
from ingest.opening import Opening
from ingest.sources import Source, eventhub
from storage.lake import Lake
from storage.schema import ARROW_SCHEMA
from storage.state import incidents, positions
from storage.state.incidents import Incident
from storage.state.positions import Position
from tests.ingest_sources.reading import HUB, MakeSource, poll_until, settings_of, take

# The client leaks its socket when a link is cut short.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


def fill(hub: DevHub, bodies: Sequence[bytes]) -> None:
    for body in bodies:
        hub.append(HUB, body, partition=0)


def stream(hub: DevHub, epoch: int = 0) -> str:
    return f"eventhub/localhost:{hub.port}/{HUB}/0/{epoch}"


def store(opening: Opening, hub: DevHub, number: int, offset: str) -> None:
    """Leave what a process leaves that has stored all up to `number`."""
    assert isinstance(opening.lake, Lake)
    opening.lake.commit(ARROW_SCHEMA.empty_table(), {stream(hub): number})
    with opening.database.begin() as connection:
        positions.remember(connection, {stream(hub): Position(offset, number)}, now=opening.clock.now())


def stopped(opening: Opening) -> Incident | None:
    with opening.database.connect() as connection:
        found = [one for one in incidents.current(connection) if one.kind == "sequence_went_back"]
    return found[0] if found else None


def put_away_and_see_it_said_again(source: Source, opening: Opening, incident: Incident) -> None:
    """A person's word does not end that the partition is not read."""
    with opening.database.begin() as connection:
        incidents.resolve(connection, incident.key, now=opening.clock.now())
    poll_until(source, lambda: stopped(opening) is not None)
    again = stopped(opening)
    assert again is not None
    assert again.message == incident.message


def test_a_hub_made_anew_under_a_running_source_stops_its_partition_until_a_reset(
    hub: DevHub, source_of: MakeSource, opening: Opening
) -> None:
    fill(hub, [b"old"] * 3)
    source = source_of(hub)
    last = take(source, 3)[-1]
    store(opening, hub, last.sequence_number, last.offset or "")
    hub.refuse_connections()
    hub.recreate_hub(HUB)
    fill(hub, [b"new"] * 5)
    hub.accept_connections()
    assert poll_until(source, lambda: stopped(opening) is not None) == []
    incident = stopped(opening)
    assert incident is not None
    assert "message 2 of partition 0" in incident.message
    assert "acrwatch ingest reset" in incident.remedy
    put_away_and_see_it_said_again(source, opening, incident)
    assert isinstance(opening.lake, Lake)
    eventhub.reset(settings_of(hub), opening.lake)
    assert [(m.stream, m.body) for m in take(source, 5)] == [(stream(hub, 1), b"new")] * 5
    poll_until(source, lambda: stopped(opening) is None)


def test_a_hub_made_anew_while_nobody_read_is_known_by_the_stored_offset(
    hub: DevHub, source_of: MakeSource, opening: Opening
) -> None:
    fill(hub, [b"these are longer than those before"] * 5)
    store(opening, hub, 2, "100")
    source = source_of(hub)
    assert poll_until(source, lambda: stopped(opening) is not None) == []
    poll_until(source, source.caught_up)


def test_the_same_hub_goes_on_after_the_stored_message(hub: DevHub, source_of: MakeSource, opening: Opening) -> None:
    fill(hub, [b"a", b"b", b"c"])
    source = source_of(hub)
    second = take(source, 3)[1]
    source.stop()
    store(opening, hub, second.sequence_number, second.offset or "")
    source.start()
    assert [message.body for message in take(source, 1)] == [b"c"]
    assert stopped(opening) is None


def test_a_stored_message_that_retention_took_stops_nothing(
    hub: DevHub, source_of: MakeSource, opening: Opening
) -> None:
    fill(hub, [b"a", b"b", b"c", b"d"])
    store(opening, hub, 1, "100")
    hub.truncate(HUB, 0, before=3)
    assert [message.body for message in take(source_of(hub), 1)] == [b"d"]
    assert stopped(opening) is None
