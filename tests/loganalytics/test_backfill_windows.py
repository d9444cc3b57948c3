"""Everything in a stretch of history is read, once, whatever the service's limits make of it."""

from datetime import timedelta

import pytest

from acrwatch.core.errors import AcrWatchError, RemoteUnreachableError
from ingest.sources.loganalytics import History
from tests.loganalytics.conftest import HISTORY, Bench
from tests.loganalytics.kql import TICKS, Parsed
from tests.loganalytics.peer import LOGINS, REPOSITORIES, Peer, unresolved
from tests.loganalytics.scene import BEGIN, OTHER, WORKSPACE, identities, login, logins, pull, ticks

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def test_both_tables_are_read_whole_and_nothing_beside_the_stretch(bench: Bench, peer: Peer) -> None:
    inside = [login(1, BEGIN), login(2, ticks(BEGIN + 2 * DAY) - 1)]
    peer.add(WORKSPACE, LOGINS, [login(0, ticks(BEGIN) - 1), *inside, login(3, BEGIN + 2 * DAY)])
    peer.add(WORKSPACE, REPOSITORIES, [pull(4, BEGIN + HOUR), pull(5, BEGIN - HOUR)])
    assert bench.read().events == 3
    assert bench.events("identity") == identities([1, 2, 4])
    assert bench.tokens.scopes == ["https://api.loganalytics.io/.default"]
    assert peer.prefers == {"wait=120"}


def test_windows_adapt_to_the_rows_there_are(bench: Bench, peer: Peer) -> None:
    """A dense hour in sparse days: few questions where there is little, and none is lost where there is much."""
    dense = [login(1000 + n, BEGIN + 30 * HOUR + n * timedelta(seconds=1)) for n in range(400)]
    peer.add(WORKSPACE, LOGINS, logins(48, HOUR) + dense)
    peer.add(WORKSPACE, REPOSITORIES, [])
    assert bench.read(rows=50).events == 448
    assert bench.events("identity") == identities([*range(48), *range(1000, 1400)])
    asked = [query for _, query in peer.asked if query.table == LOGINS]
    assert len(asked) < 3 * 448 / 50
    assert max(query.length for query in asked) > 4 * min(query.length for query in asked)


def test_rows_of_one_moment_beyond_the_limit_are_asked_for_in_parts(bench: Bench, peer: Peer) -> None:
    burst = ticks(BEGIN + HOUR)
    peer.add(WORKSPACE, LOGINS, [login(n, burst + n % 3) for n in range(300)] + [login(300, burst + HOUR // MINUTE)])
    peer.add(WORKSPACE, REPOSITORIES, [])
    assert bench.read(rows=40).events == 301
    assert {query.parts for _, query in peer.asked} >= {2, 4, 8}


def test_what_cannot_be_divided_is_an_error_that_names_the_moment(bench: Bench, peer: Peer) -> None:
    alike = login(1, BEGIN + HOUR)
    peer.add(WORKSPACE, LOGINS, [login(0, BEGIN), *[alike] * 5])
    with pytest.raises(AcrWatchError, match=r"2026-09-01T01:00:00.*in 1024 parts.*--from"):
        bench.read(rows=4)
    assert bench.events("identity") == identities([0])


def test_an_answer_in_part_is_taken_for_none(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, logins(200))
    peer.add(WORKSPACE, REPOSITORIES, [])
    peer.row_limit = 30
    assert bench.read().events == 200
    assert bench.events("identity") == identities(range(200))


def test_an_answer_of_too_many_bytes_is_asked_for_in_halves(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, [login(n, BEGIN + n * MINUTE, UserAgent="x" * 2000) for n in range(100)])
    peer.add(WORKSPACE, REPOSITORIES, [])
    peer.byte_limit = 50_000
    assert bench.read().events == 100


def test_a_query_that_takes_too_long_is_asked_for_in_halves(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, logins(100))
    peer.add(WORKSPACE, REPOSITORIES, [])
    peer.longest = timedelta(minutes=20)
    history = History(BEGIN, BEGIN + 2 * HOUR)
    assert bench.read(history=history).events == 100
    assert bench.paused == []


def test_a_service_that_never_answers_in_time_is_unreachable_and_what_was_read_stays(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, logins(100))
    peer.add(WORKSPACE, REPOSITORIES, [])

    def soon_overloaded(_query: Parsed) -> None:
        peer.longest = timedelta(0) if len(peer.asked) > 1 else None

    peer.on_asked = soon_overloaded
    with pytest.raises(RemoteUnreachableError, match=r"HTTP 504.*though asked for .* s of logs alone"):
        bench.read()
    assert bench.events("identity") == identities(range(60))
    peer.on_asked, peer.longest = repr, None
    assert bench.read().events == 40


def test_the_seventh_digit_decides_nothing(bench: Bench, peer: Peer) -> None:
    """Rows in each tick around the ends of windows: the client gives their times without the last digit."""
    around = [ticks(BEGIN + n * HOUR) + step for n in range(1, 4) for step in (-1, 0, 1)]
    peer.add(WORKSPACE, LOGINS, [login(n, at) for n, at in enumerate(around)])
    peer.add(WORKSPACE, REPOSITORIES, [])
    assert bench.read(rows=3).events == 9
    assert {moment.microsecond for moment in bench.events("event_time")} == {0, 999_999}


def test_two_workspaces_are_two_histories(bench: Bench, peer: Peer) -> None:
    shared = login(1, BEGIN + HOUR)
    peer.add(WORKSPACE, LOGINS, [shared, login(2, BEGIN)])
    peer.add(OTHER, LOGINS, [shared, login(3, BEGIN)])
    counts = bench.read(WORKSPACE, OTHER)
    assert (counts.events, counts.duplicates) == (3, 1)
    streams = {source.rpartition("/")[0] for source in bench.events("source")}
    assert streams == {f"backfill/loganalytics/{WORKSPACE}", f"backfill/loganalytics/{OTHER}"}


def test_a_table_that_nothing_was_ever_written_to_is_no_error(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, logins(3))
    source = bench.source()
    assert bench.pipeline(source).run_once().events == 3
    assert source.absent == {(WORKSPACE, REPOSITORIES)}
    assert source.progress.seconds_done == source.progress.seconds_total


def test_history_of_a_table_that_appears_later_is_read_by_the_next_run(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, REPOSITORIES, [pull(9, BEGIN)])
    assert bench.read().events == 1
    peer.add(WORKSPACE, LOGINS, logins(3))
    assert bench.read().events == 3
    assert bench.events("identity") == identities([0, 1, 2, 9])


def test_a_table_that_is_gone_in_the_middle_of_its_history_is_gone_on_with(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, logins(100))
    peer.add(WORKSPACE, REPOSITORIES, [])
    peer.faults = [None, unresolved(LOGINS)]
    assert bench.read().events == 60
    asked = len(peer.asked)
    assert bench.read().events == 40
    assert peer.asked[asked][1].times[0] == ticks(BEGIN + HOUR), "where it was, and nothing before once more"


def test_with_alert_the_stream_says_so(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, logins(1))
    bench.read(history=History(HISTORY.since, HISTORY.until, alert=True))
    (source,) = bench.events("source")
    assert source.startswith(f"backfill-alert/loganalytics/{WORKSPACE}/")


def test_a_time_of_ticks_is_cut_as_the_hub_cuts_it(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, [login(1, ticks(BEGIN) + TICKS - 1)])
    bench.read()
    assert bench.events("event_time") == [BEGIN + timedelta(microseconds=999_999)]
