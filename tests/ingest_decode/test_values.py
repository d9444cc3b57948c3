from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.rows import UnfitError
from ingest.values import (
    microseconds,
    operation_of,
    parse_duration,
    parse_resource,
    parse_size,
    parse_status,
    parse_time,
)

SECOND = datetime(2025, 1, 30, 14, 19, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ("2025-01-30T14:19:15Z", 0),
        ("2025-01-30T14:19:15.1Z", 100_000),
        ("2025-01-30T14:19:15.193173Z", 193_173),
        ("2025-01-30T14:19:15.1931730Z", 193_173),
        ("2025-01-30T14:19:15.9999999Z", 999_999),
        ("2025-01-30T14:19:15.999999999Z", 999_999),
        ("2025-01-30t14:19:15z", 0),
        ("2025-01-30 14:19:15", 0),
        ("2025-01-30T14:19:15.5", 500_000),
        ("2025-01-30T16:49:15+02:30", 0),
        ("2025-01-29T23:19:15-15:00", 0),
    ],
)
def test_a_time_is_cut_to_microseconds_and_turned_to_utc(text: str, added: int) -> None:
    assert parse_time(text) == microseconds(SECOND) + added


@given(
    st.datetimes(
        min_value=datetime(1971, 1, 1),  # noqa: DTZ001  # hypothesis wants the bound naive
        timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))),
    )
)
def test_any_time_python_writes_is_read_back(moment: datetime) -> None:
    assert parse_time(moment.isoformat()) == microseconds(moment)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "1/30/2025, 2:19:15.193 PM",
        "2025-02-30T14:19:15Z",
        "2025-01-30T24:00:00Z",
        "2025-01-30T14:19:60Z",
        "2025-01-30T14:19Z",
        "2025-01-30",
        "2025-W05-4T14:19:15Z",
        "2025-01-30T14:19:15.Z",
        "2025-01-30T14:19:15.1234567890Z",
        "2025-01-30T14:19:15,5Z",
        "2025-01-30T14:19:15+24:00",
        "2025-01-30T14:19:15+05:60",
        "2025-01-30T14:19:15Z\n",
        "\u0662025-01-30T14:19:15Z",
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UnfitError, match="invalid_time"):
        parse_time(text)


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("Pull", "pull"),
        ("PUSH", "push"),
        ("Login", "login"),
        ("importImage", "import"),
        ("Delete", "delete"),
        ("DeleteRepository", "delete"),
        ("Untag", "untag"),
        ("PurgeTag", "purge"),
        ("PurgeDelete", "purge"),
        ("UntagAndDelete", "untag"),
        ("Quarantine", "other"),
    ],
)
def test_an_operation_is_classified_by_what_its_name_contains(name: str, operation: str) -> None:
    assert operation_of(name) == operation


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("200", 200),
        ("200.0", 200),
        ("404", 404),
        ("099", None),
        ("600", None),
        ("OK", None),
        ("20", None),
        ("2000", None),
    ],
)
def test_a_status_is_a_number_between_100_and_599(text: str, status: int | None) -> None:
    assert parse_status(text) == status


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (0, 0),
        ("528", 528),
        (528.0, 528),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        (-1, None),
        ("-1", None),
        (1.5, None),
        (True, None),
        ("9" * 19, None),
        ("many", None),
        ([1], None),
    ],
)
def test_a_size_is_a_whole_number_of_bytes(value: object, size: int | None) -> None:
    assert parse_size(value) == size


@pytest.mark.parametrize(("text", "value"), [("38.5", 38.5), ("0", 0.0), ("nan", None), ("inf", None), ("1,5", None)])
def test_a_duration_is_a_finite_number(text: str, value: float | None) -> None:
    assert parse_duration(text) == value


def test_a_resource_id_is_folded_and_ends_in_the_registry() -> None:
    resource = parse_resource("/SUBSCRIPTIONS/S/PROVIDERS/MICROSOFT.CONTAINERREGISTRY/REGISTRIES/Example/")
    assert resource == ("/subscriptions/s/providers/microsoft.containerregistry/registries/example", "example")


@pytest.mark.parametrize(
    "text", ["/subscriptions/s", "example", "/s/registries/", "/s/registries/a b", "/s/registries/a/webhooks/w"]
)
def test_what_does_not_end_in_a_registry_is_refused(text: str) -> None:
    with pytest.raises(UnfitError, match="not_a_registry"):
        parse_resource(text)
