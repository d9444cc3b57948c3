"""What a suppression hides is judged by event time, recorded, and never rewritten; on every database."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from acrwatch.core.errors import ConflictError
from detections.suppressing import drafted
from storage.state import alerts, suppressions
from storage.state.alerts import Alert
from storage.state.suppressions import Suppression
from tests.detections.conftest import START, Bench, Happening

ADMIN: Final = {"identity": "Contoso"}
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def _login(number: int, minutes: int, **more: Any) -> Happening:
    return Happening(number, at=minutes * MINUTE, operation="login", identity="contoso", tag=None, **more)


def _suppress(
    bench: Bench, first: int, last: int, conditions: Mapping[str, str] = ADMIN, *, now: datetime = START - HOUR
) -> Suppression:
    """Suppress from one minute of the bench's day to another."""
    times = {"starts_at": START + first * MINUTE, "expires_at": START + last * MINUTE}
    draft = drafted(conditions, owner="ana", reason="drill", by="ana", now=now, **times)
    with bench.database.begin() as connection:
        return suppressions.add(connection, draft)


def _suppressed(bench: Bench) -> list[Alert]:
    with bench.database.connect() as connection:
        return sorted(alerts.find(connection, status=alerts.SUPPRESSED), key=lambda alert: alert.first_seen)


def test_what_is_suppressed_is_recorded_and_not_told(bench: Bench) -> None:
    one = _suppress(bench, 0, 60)
    bench.judge(_login(1, 5), _login(2, 6))
    (hidden,) = _suppressed(bench)
    assert (hidden.count, hidden.suppressed_by, hidden.status) == (2, one.id, "suppressed")
    assert (bench.standing(), bench.notices()) == ([], [])
    with bench.database.connect() as connection:
        assert alerts.hidden_by(connection) == {one.id: (1, 2)}


def test_the_time_of_the_event_decides_and_not_that_of_its_arrival(bench: Bench) -> None:
    _suppress(bench, 10, 20)
    bench.judge(_login(1, 9), _login(2, 20))
    bench.judge(_login(3, 10), _login(4, 19, delay=20 * HOUR))
    assert bench.only().count == 2
    assert [alert.count for alert in _suppressed(bench)] == [2]


def test_the_end_of_a_suppression_releases_nothing(bench: Bench) -> None:
    one = _suppress(bench, 0, 600)
    bench.judge(_login(1, 5))
    with bench.database.begin() as connection:
        suppressions.end(connection, one, by="ben", now=START + 30 * MINUTE)
    bench.judge(_login(2, 29), _login(3, 31))
    assert (bench.only().count, _suppressed(bench)[0].count) == (1, 2)
    with pytest.raises(ConflictError, match="is over since"), bench.database.begin() as connection:
        suppressions.end(connection, one, by="ben", now=START + 40 * MINUTE)


def test_what_was_told_before_a_suppression_stays_told(bench: Bench) -> None:
    bench.judge(_login(1, 5))
    told = bench.only()
    _suppress(bench, 0, 60, now=bench.clock.now())
    bench.judge(_login(2, 6))
    assert bench.only() == told
    assert [alert.count for alert in _suppressed(bench)] == [1]


def test_of_two_that_hide_an_event_the_older_one_does(bench: Bench) -> None:
    older, _ = _suppress(bench, 0, 60), _suppress(bench, 0, 120)
    bench.judge(_login(1, 5), _login(2, 61))
    assert [alert.suppressed_by for alert in _suppressed(bench)] == [older.id, older.id + 1]
