"""Spans and moments: what people write, up to the ends of the calendar."""

from datetime import UTC, datetime, timedelta

import pytest

from acrwatch.core.setting import LONGEST, duration, moment


@pytest.mark.parametrize(
    ("written", "span"),
    [
        ("36500d", LONGEST),
        ("0.5h", timedelta(minutes=30)),
        ("1.5ms", timedelta(microseconds=1500)),
        ("0.0000001ms", timedelta.resolution),
    ],
)
def test_a_span_is_as_long_as_it_says_and_never_nothing(written: str, span: timedelta) -> None:
    assert duration(written) == span


@pytest.mark.parametrize("written", ["36501d", "5300w", "99999999999d", "9" * 400 + "s"])
def test_a_span_longer_than_any_log_is_kept_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="expected a time span of at most 36500d"):
        duration(written)


def test_no_span_leads_out_of_the_calendar() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    assert now - 4 * LONGEST < now < now + 4 * LONGEST


@pytest.mark.parametrize("written", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_utc_has_no_year_for_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="expected a time that UTC has a year for"):
        moment(written)
