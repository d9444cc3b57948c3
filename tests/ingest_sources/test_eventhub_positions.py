"""Gaps, hubs made anew, epochs: what is done where positions and hub disagree."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from acrwatch.core.errors import ConfigError
from acrwatch.devhub import DevHub, Retention
from ingest.eventhub.address import Address
from ingest.eventhub.positions import Stored, current_epoch, reset, stored, stream_name
from ingest.opening import Opening
from ingest.sources import eventhub
from storage.lake import Lake
from storage.schema import ARROW_SCHEMA
from storage.state import incidents
from storage.state.incidents import Incident
from storage.state.positions import Position
from tests.ingest_sources.reading import HUB, MakeSource, poll_until, settings_of, take

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ADDRESS = Address("ns.example.com", "audit", "$Default")
STREAM = "eventhub/ns.example.com/audit/0/0"


class Positions:
    """A lake that knows nothing but positions."""

    def __init__(self, held: Mapping[str, int]) -> None:
        self.held = dict(held)

    def position(self, stream: str) -> int | None:
        return self.held.get(stream)


def remember(opening: Opening, stream: str, number: int) -> None:
    assert isinstance(opening.lake, Lake)
    opening.lake.commit(ARROW_SCHEMA.empty_table(), {stream: number})


def local_stream(hub: DevHub, epoch: int = 0) -> str:
    return f"eventhub/localhost:{hub.port}/{HUB}/0/{epoch}"


def current(opening: Opening) -> dict[str, Incident]:
    with opening.database.connect() as connection:
        return {incident.kind: incident for incident in incidents.current(connection)}


def test_the_stream_name_leaves_the_consumer_group_out() -> None:
    assert stream_name(ADDRESS, "0", 0) == STREAM
    assert stream_name(Address("ns.example.com", "audit", "other"), "0", 0) == STREAM


def test_nothing_stored_is_no_position_in_epoch_0() -> None:
    assert stored(Positions({}), {}, ADDRESS, "0") == Stored(STREAM, None)


def test_a_hint_counts_only_where_its_number_is_the_stored_one() -> None:
    lake = Positions({STREAM: 7})
    assert stored(lake, {STREAM: Position("4096", 7)}, ADDRESS, "0").offset == "4096"
    assert stored(lake, {STREAM: Position("4096", 8)}, ADDRESS, "0").offset is None


def test_the_highest_epoch_counts_even_where_the_first_was_never_stored() -> None:
    lake = Positions({f"eventhub/ns.example.com/audit/0/{epoch}": -1 for epoch in (1, 2)})
    assert current_epoch(lake, ADDRESS, "0") == 2


def test_reset_opens_the_next_epoch_of_the_named_partitions_only(opening: Opening) -> None:
    assert isinstance(opening.lake, Lake)
    remember(opening, STREAM, 7)
    assert reset(opening.lake, ADDRESS, ["0"]) == {"0": STREAM[:-1] + "1"}
    assert stored(opening.lake, {}, ADDRESS, "0") == Stored(STREAM[:-1] + "1", -1)
    assert stored(opening.lake, {}, ADDRESS, "1").position is None


def test_reset_takes_every_partition_that_has_a_position(opening: Opening, hub: DevHub) -> None:
    assert isinstance(opening.lake, Lake)
    remember(opening, local_stream(hub), 7)
    assert eventhub.reset(settings_of(hub), opening.lake) == {"0": local_stream(hub, 1)}


def test_reset_of_a_hub_that_nothing_is_stored_of_is_refused(opening: Opening, hub: DevHub) -> None:
    assert isinstance(opening.lake, Lake)
    with pytest.raises(ConfigError, match="nothing is stored"):
        eventhub.reset(settings_of(hub), opening.lake)


def test_reset_of_a_partition_that_nothing_is_stored_of_is_refused_and_resets_no_other(
    opening: Opening, hub: DevHub
) -> None:
    assert isinstance(opening.lake, Lake)
    remember(opening, local_stream(hub), 7)
    with pytest.raises(ConfigError, match=r"nothing is stored of partition 00, 7.*Something is stored of: 0"):
        eventhub.reset(settings_of(hub), opening.lake, ["0", "7", "00"])
    assert opening.lake.position(local_stream(hub, 1)) is None


def test_messages_that_are_gone_are_a_gap_of_known_size_and_reading_goes_on(
    opening: Opening, source_of: MakeSource
) -> None:
    with DevHub(hubs={HUB: 1}, retention=Retention(max_messages=3)) as hub:
        for number in range(10):
            hub.append(HUB, b"%d" % number)
        remember(opening, local_stream(hub), 1)
        source = source_of(hub)
        assert [message.body for message in take(source, 3)] == [b"7", b"8", b"9"]
        gap = current(opening)["gap"]
        assert gap.message.startswith("5 messages")
        assert "(2 to 6)" in gap.message
        source.stop()


def test_a_hub_made_anew_stops_its_partition_until_a_reset(opening: Opening, source_of: MakeSource) -> None:
    with DevHub(hubs={HUB: 1}) as hub:
        hub.append(HUB, b"new")
        remember(opening, local_stream(hub), 41)
        source = source_of(hub)
        assert poll_until(source, lambda: "sequence_went_back" in current(opening)) == []
        incident = current(opening)["sequence_went_back"]
        assert "acrwatch ingest reset" in incident.remedy
        assert "41" in incident.message
        with opening.database.begin() as connection:
            incidents.resolve(connection, incident.key, now=opening.clock.now())
        poll_until(source, lambda: "sequence_went_back" in current(opening))  # a person's word does not end it
        assert isinstance(opening.lake, Lake)
        eventhub.reset(settings_of(hub), opening.lake)
        (message,) = take(source, 1)
        assert (message.stream, message.body) == (local_stream(hub, 1), b"new")
        poll_until(source, lambda: current(opening) == {})
        source.stop()


def test_one_partition_made_anew_does_not_stop_the_others(opening: Opening, source_of: MakeSource, hub: DevHub) -> None:
    remember(opening, local_stream(hub), 41)
    hub.append(HUB, b"other", partition=1)
    source = source_of(hub)
    assert [message.body for message in take(source, 1)] == [b"other"]
    poll_until(source, source.caught_up)
