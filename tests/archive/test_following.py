"""Which hours are looked at, what a restart goes on with, and what several processes do to each other."""

from datetime import UTC, datetime, timedelta

import pytest

from acrwatch.core.errors import ConfigError, NotFoundError
from ingest.archive.layout import Listed, hour_of
from ingest.archive.look import Hours
from storage.state import forgetting, positions
from tests.archive.conftest import Bench, look
from tests.archive.container import ADDRESS, EXPORT, NOW, ROOT, hourly, lines
from tests.ingest_pipeline.scene import Script

OTHER = ROOT.replace("CONTOSO", "FABRIKAM")


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("latest", ["user12@example.com"]),
        ("earliest", ["user10@example.com", "user11@example.com", "user12@example.com"]),
        (datetime(2026, 11, 22, 11, 40, tzinfo=UTC), ["user11@example.com", "user12@example.com"]),
    ],
)
def test_start_says_which_hour_is_the_first(bench: Bench, start: object, expected: list[str]) -> None:
    for hour in (10, 11, 12):
        bench.container.append(hourly(hour), lines(hour))
    bench.store(bench.source(start=start))
    assert bench.rows() == expected


def test_latest_means_the_first_start(bench: Bench) -> None:
    bench.store(bench.source(start="latest"))  # the container is empty as yet
    bench.clock.forward(hours=30)
    bench.container.append(hourly(13), lines(1))
    bench.store(bench.source(start="latest"))
    assert bench.rows() == ["user1@example.com"]


def test_what_was_stored_is_not_read_again_and_what_was_not_is(bench: Bench) -> None:
    bench.container.append(hourly(12), lines(0, 1))
    source = bench.source()
    source.start()
    look(source, store=False)
    source.stop()
    assert bench.store(bench.source()).events == 2
    assert bench.store(bench.source()).messages == 0


def test_a_restart_looks_again_at_the_hours_that_may_have_grown_and_at_no_others(bench: Bench) -> None:
    for day in (18, 19, 20, 21, 22):
        bench.container.append(hourly(1, day=day), lines(day))
    bench.store(bench.source())
    bench.container.prefixes.clear()
    bench.store(bench.source())
    assert set(bench.container.prefixes) == {f"{ROOT}y=2026/m=11/d=22/"}
    bench.clock.forward(days=2)
    bench.container.append(hourly(9, day=22), lines(100))
    bench.container.append(hourly(8, day=22), lines(200))  # over for more than 3 hours at the last look
    bench.container.append(hourly(9, day=24), lines(300))
    bench.store(bench.source())
    assert {"user100@example.com", "user300@example.com"} <= set(bench.rows())
    assert "user200@example.com" not in bench.rows()


def test_a_clock_that_was_ahead_and_went_back_hides_no_blob(bench: Bench) -> None:
    bench.container.append(hourly(12), lines(0))
    bench.clock.forward(days=2)
    bench.store(bench.source())
    bench.clock.forward(days=-2, hours=1)
    bench.container.append(hourly(12), lines(1))
    bench.container.append(hourly(13), lines(2))
    bench.store(bench.source())
    assert bench.rows() == [f"user{number}@example.com" for number in range(3)]
    bench.container.prefixes.clear()
    bench.store(bench.source())
    assert set(bench.container.prefixes) == {f"{ROOT}y=2026/m=11/d=22/"}


def test_latest_by_a_clock_that_was_ahead_is_no_later_than_now(bench: Bench) -> None:
    bench.clock.forward(days=2)
    bench.container.append(hourly(9), lines(0))
    bench.store(bench.source(start="latest"))
    bench.clock.forward(days=-2)
    bench.container.append(hourly(12), lines(1))
    bench.store(bench.source(start="latest"))
    assert "user1@example.com" in bench.rows()


def test_a_look_that_was_not_stored_is_not_remembered(bench: Bench) -> None:
    bench.container.append(hourly(1, day=18), lines(0))
    source = bench.source()
    source.start()
    look(source, store=False)
    source.stop()
    bench.container.prefixes.clear()
    bench.store(bench.source())
    assert bench.container.prefixes[0] == f"{ROOT}y="


def test_what_is_read_but_not_stored_yet_is_left_alone_by_the_next_look(bench: Bench) -> None:
    bench.container.append(hourly(12), lines(0))
    source = bench.source()
    source.start()
    first = look(source, store=False)
    bench.container.append(hourly(12), lines(1))
    assert look(source, store=False) == []
    source.stored(first)
    assert len(look(source, store=False)) == 1
    source.stop()


def test_a_stream_that_was_put_down_is_taken_up_with_its_numbers(bench: Bench) -> None:
    found = []
    for number in range(3):
        bench.container.append(hourly(12), lines(number))
        source = bench.source()
        source.start()
        found += look(source)
        source.stop()
    assert len({message.stream for message in found}) == 1
    assert found[0].stream.startswith(f"{ADDRESS.name}/")
    assert [message.sequence_number for message in found] == [0, 1, 2]


def test_a_stream_taken_up_from_another_process_counts_only_what_was_stored_of_it(bench: Bench) -> None:
    """Numbers of the stream that was read before say nothing of this one's."""
    long, other = bench.source(), bench.source()
    for number in range(3):
        bench.container.append(hourly(12), lines(number))
        if number == 0:
            long.start()
        look(long)
    other.start()
    bench.container.append(hourly(12), lines(3))
    look(other)
    other.stop()
    long.stop()
    with bench.database.begin() as connection:  # a third process takes up the longer stream
        positions.forget(
            connection, next(name for name, at in positions.hints(connection).items() if at.sequence_number == 2)
        )
    long.start()
    bench.container.append(hourly(12), lines(4))
    assert look(long, store=False)[0].sequence_number == 1
    long.poll(0)  # whatever counts as stored is written down by now
    assert bench.store(bench.source()).events == 1


def test_a_stream_of_which_something_is_not_stored_is_never_taken_up(bench: Bench) -> None:
    """Whoever holds it may be asleep and wake up: rows under numbers that were judged would never be."""
    bench.container.append(hourly(12), lines(0))
    held, other = bench.source(), bench.source()
    held.start()
    (message,) = look(held, store=False)
    held.stop()
    other.start()
    assert look(other)[0].stream != message.stream
    other.stop()


def test_two_at_once_have_streams_of_their_own_and_store_each_event_once(bench: Bench) -> None:
    bench.container.append(hourly(12), lines(*range(10)))
    slow, quick = bench.source(), bench.source()
    for source in (slow, quick):
        source.start()
    taken = look(slow, store=False)
    assert look(quick, store=False)[0].stream != taken[0].stream
    for source in (slow, quick):
        source.stop()
    assert bench.store(bench.source()).events == 10
    late = bench.store(Script(taken))
    assert (late.events, late.duplicates) == (0, 10)


def test_no_position_in_the_lake_can_drop_what_another_process_reads(bench: Bench) -> None:
    """Only messages of a partition have one (ingest.storing.last_positions)."""
    bench.container.append(hourly(12), lines(0))
    source = bench.source()
    source.start()
    assert {message.partition_id for message in look(source)} == {None}
    source.stop()


def test_an_event_arrived_when_azure_filed_it_however_late_it_is_read(bench: Bench) -> None:
    """So an outage of acrwatch makes nothing historical, and neither does copying the container."""
    bench.container.append(hourly(11), lines(0))
    bench.container.append(hourly(12), lines(1))
    source = bench.source()
    source.start()
    bench.container.modified = NOW + timedelta(days=3)
    times = [message.enqueued_time for message in look(source)]
    assert times == [datetime(2026, 11, 22, 12, tzinfo=UTC), datetime(2026, 11, 22, 13, tzinfo=UTC)]
    source.stop()


def test_blobs_come_in_the_order_of_their_hours_over_all_registries(bench: Bench) -> None:
    names = [hourly(hour, root=root) for hour in (10, 11) for root in (ROOT, OTHER)]
    for name in reversed(names):
        bench.container.append(name, lines(1))
    source = bench.source()
    source.start()
    look(source)
    assert [name for name, _, _ in bench.container.asked] == names
    source.stop()


def test_a_backfill_reads_its_hours_of_its_registries_once(bench: Bench) -> None:
    for hour in (8, 9, 10, 11):
        bench.container.append(hourly(hour), lines(hour))
        bench.container.append(hourly(hour, root=OTHER), lines(100 + hour))
    hours = Hours(datetime(2026, 11, 22, 9, tzinfo=UTC), datetime(2026, 11, 22, 11, tzinfo=UTC), ["Contoso"])
    source = bench.source(backfill=hours, road="backfill/")
    source.start()
    found = look(source)
    assert [message.enqueued_time for message in found] == [None, None]
    assert all(message.stream.startswith(f"backfill/{ADDRESS.name}/") for message in found)
    assert [name for name, _, _ in bench.container.asked] == [hourly(9), hourly(10)]
    assert look(source) == []
    assert (source.progress.files_done, source.progress.files_total) == (2, 2)
    source.stop()


def test_after_a_repair_a_backfill_reads_its_hours_again(bench: Bench) -> None:
    bench.container.append(hourly(12), lines(*range(3)))
    hours = Hours(NOW - timedelta(hours=1), NOW + timedelta(hours=1))
    assert bench.store(bench.source(backfill=hours)).events == 3
    with bench.database.begin() as connection:
        assert forgetting.forget_imports(connection) == 1
    again = bench.store(bench.source(backfill=hours))
    assert (again.events, again.duplicates) == (0, 3)


def test_following_goes_on_behind_what_a_backfill_read(bench: Bench) -> None:
    bench.container.append(hourly(12), lines(0))
    bench.store(bench.source(backfill=Hours(None, NOW), road="backfill/"))
    bench.container.append(hourly(12), lines(1))
    counts = bench.store(bench.source())
    assert (counts.events, counts.duplicates) == (1, 0)


def test_a_registry_that_the_container_lacks_is_told_with_those_it_has(bench: Bench) -> None:
    bench.container.append(hourly(12), lines(0))
    source = bench.source(backfill=Hours(None, NOW, ["nosuch"]))
    source.start()
    with pytest.raises(NotFoundError, match=r"nothing of nosuch.*contoso"):
        source.poll(0)
    source.stop()


def test_registries_cannot_be_chosen_in_an_export_of_log_analytics(bench: Bench) -> None:
    bench.container.append(f"{EXPORT}y=2026/m=11/d=22/h=11/m=55/PT05M.json", b"{}")
    source = bench.source(backfill=Hours(None, NOW, ["contoso"]))
    source.start()
    with pytest.raises(ConfigError, match="name no registry"):
        source.poll(0)
    source.stop()


@pytest.mark.parametrize(
    "name",
    [
        "readme.json",
        f"{ROOT}y=2026/m=13/d=22/h=11/m=00/PT1H.json",
        f"{ROOT}y=2026/m=11/d=22/h=11/m=00/",
        "y=2026/PT1H.json",
    ],
)
def test_what_is_filed_otherwise_is_no_blob_of_the_layout(name: str) -> None:
    assert hour_of(name) is None


def test_the_hour_of_a_blob_is_that_of_its_path() -> None:
    found = hour_of(f"{EXPORT}y=2026/m=11/d=22/h=11/m=55/PT05M_1.json")
    assert found == datetime(2026, 11, 22, 11, tzinfo=UTC)
    assert Listed("n", 1, "e", NOW, found).arrived == found + timedelta(hours=1)
