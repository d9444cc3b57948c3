"""Partition logs, retention, selectors, and the hub's own methods without AMQP."""

import itertools
import threading
from datetime import UTC, datetime, timedelta

import pytest

from acrwatch.core.errors import ConfigError, NotFoundError
from acrwatch.devhub import DevHub, Retention
from acrwatch.devhub.addresses import Address
from acrwatch.devhub.log import PartitionLog
from acrwatch.devhub.message import simple_message
from acrwatch.devhub.refusal import RefusedError
from acrwatch.devhub.selector import parse_selector
from tests.devhub.conftest import MovableClock

HUB = "acr-audit"
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def _log(times: list[int], retention: Retention | None = None) -> PartitionLog:
    log = PartitionLog(retention or Retention())
    for moment in times:
        log.append([simple_message(b"x")], moment)
    return log


def test_sequence_numbers_count_from_zero_per_partition() -> None:
    hub = DevHub(hubs={HUB: 2})
    assert hub.last_sequence_number(HUB, 0) == -1
    assert [hub.append(HUB, b"x", partition=0) for _ in range(3)] == [0, 1, 2]
    assert hub.append(HUB, b"x", partition=1) == 0
    assert hub.last_sequence_number(HUB, 0) == 2


def test_offsets_grow_by_the_size_of_what_was_stored() -> None:
    log = _log([1, 1, 1])
    stored = [log.read(number) for number in range(3)]
    assert all(stored)
    for before, after in itertools.pairwise(stored):
        assert before is not None
        assert after is not None
        assert after.offset == before.offset + len(before.payload)


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_retention_by_count_keeps_the_newest_readable_under_their_numbers(keep: int) -> None:
    log = _log(list(range(20)), Retention(max_messages=keep))
    oldest = log.read(0)
    assert oldest is not None
    assert oldest.sequence_number == 20 - keep
    assert [log.read(number).sequence_number for number in range(20 - keep, 20)] == list(range(20 - keep, 20))  # type: ignore[union-attr]
    assert log.read(20) is None


def test_retention_by_bytes_keeps_within_the_bound_but_never_drops_the_newest() -> None:
    log = PartitionLog(Retention(max_bytes=1000))
    for size in (400, 400, 400, 5000):
        log.append([simple_message(bytes(size))], 0)
        state = log.state()
        kept = [log.read(n) for n in range(state.first_sequence_number, state.last_sequence_number + 1)]
        assert len(kept) == 1 or sum(len(message.payload) for message in kept if message) <= 1000
    assert log.state().first_sequence_number == 3


def test_dropped_messages_do_not_pile_up() -> None:
    log = _log(list(range(1000)), Retention(max_messages=10))
    assert len(log._messages) <= 20


def test_a_start_time_finds_the_first_later_message_even_after_back_dating() -> None:
    log = _log([100, 300, 200, 400])  # 200 was injected late
    assert [log.after_time(moment, inclusive=False) for moment in (50, 100, 299, 300, 400)] == [0, 1, 1, 3, 4]


def test_a_start_offset_below_retention_starts_at_the_oldest() -> None:
    log = _log(list(range(10)), Retention(max_messages=3))
    assert log.after_offset(0, inclusive=False) == 7


def test_listeners_are_called_per_append_until_they_leave() -> None:
    log, calls = _log([]), []
    listener = lambda: calls.append(1)  # noqa: E731
    log.subscribe(listener)
    log.append([simple_message(b"a"), simple_message(b"b")], 0)
    log.unsubscribe(listener)
    log.append([simple_message(b"c")], 0)
    assert calls == [1]


def test_appends_from_many_threads_are_all_kept_under_distinct_numbers() -> None:
    hub = DevHub(hubs={HUB: 1})
    numbers: list[int] = []
    threads = [
        threading.Thread(target=lambda: numbers.extend([hub.append(HUB, b"x") for _ in range(200)])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(800))


@pytest.mark.parametrize(
    ("expression", "start"),
    [
        ("amqp.annotation.x-opt-offset > '-1'", 7),
        ("amqp.annotation.x-opt-offset > '@latest'", 10),
        ("amqp.annotation.x-opt-offset >= '@latest'", 10),
        ("amqp.annotation.x-opt-sequence-number > '-1'", 7),
        ("amqp.annotation.x-opt-sequence-number > '8'", 9),
        ("amqp.annotation.x-opt-sequence-number >= '8'", 8),
        ("amqp.annotation.x-opt-sequence-number > '9'", 10),
        ("amqp.annotation.x-opt-enqueued-time > '8'", 9),
        ("amqp.annotation.x-opt-enqueued-time >= '8'", 8),
        ("amqp.annotation.x-opt-enqueued-time > '99'", 10),
    ],
)
def test_a_selector_names_a_position(expression: str, start: int) -> None:
    assert parse_selector(expression).resolve(_log(list(range(10)), Retention(max_messages=3))) == start


@pytest.mark.parametrize("expression", ["", "amqp.annotation.x-opt-offset > no offset", "x = 1", "a" * 10_000])
def test_another_selector_is_refused(expression: str) -> None:
    with pytest.raises(RefusedError, match="not a valid amqp filter"):
        parse_selector(expression)


def test_a_position_in_an_empty_log_is_refused_unless_it_is_the_start() -> None:
    assert parse_selector("amqp.annotation.x-opt-offset > '-1'").resolve(_log([])) == 0
    with pytest.raises(RefusedError, match="last offset in the system is '-1'"):
        parse_selector("amqp.annotation.x-opt-offset > '0'").resolve(_log([]))


@pytest.mark.parametrize(
    ("address", "condition"),
    [
        (Address("other", "$default", "0"), "amqp:not-found"),
        (Address(HUB, "other", "0"), "amqp:not-found"),
        (Address(HUB, "$default", "4"), "com.microsoft:argument-out-of-range"),
        (Address(HUB, "$default", "x"), "com.microsoft:argument-out-of-range"),
        (Address(HUB, "$default", "²"), "com.microsoft:argument-out-of-range"),
    ],
)
def test_a_link_to_something_unknown_is_refused_with_azures_condition(address: Address, condition: str) -> None:
    with pytest.raises(RefusedError) as caught:
        DevHub()._broker.linked_partition(address)
    assert caught.value.condition == condition


def test_enqueued_times_come_from_the_clock_unless_given(clock: MovableClock) -> None:
    hub = DevHub(hubs={HUB: 1}, clock=clock)
    log = hub._broker.hub(HUB).partition(0)
    hub.append(HUB, b"x")
    clock.advance(timedelta(seconds=1.5))
    hub.append(HUB, b"x")
    hub.append(HUB, b"x", enqueued_time=NOON)
    times = [log.read(number).enqueued_ms for number in range(3)]  # type: ignore[union-attr]
    assert (times[1] - times[0], times[2]) == (1500, int(NOON.timestamp() * 1000))


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ConfigError, match="no time zone"):
        DevHub().append(HUB, b"x", enqueued_time=datetime(2026, 3, 1))  # noqa: DTZ001


@pytest.mark.parametrize(("name", "partition"), [("other", 0), (HUB, 4), (HUB, -1)])
def test_an_unknown_hub_or_partition_is_said_to_be_unknown(name: str, partition: int) -> None:
    with pytest.raises(NotFoundError):
        DevHub().append(name, b"x", partition=partition)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.com", ""])
def test_only_loopback_is_listened_on(host: str) -> None:
    with pytest.raises(ConfigError, match="loopback only"):
        DevHub(host=host)


@pytest.mark.parametrize("hubs", [{"": 1}, {"a/b": 1}, {"$cbs": 1}, {"a": 0}, {"a": 33}])
def test_impossible_hubs_are_refused(hubs: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        DevHub(hubs=hubs)


def test_a_taken_port_is_said_to_be_taken(hub: DevHub) -> None:
    with pytest.raises(ConfigError, match="Cannot listen on"):
        DevHub(port=hub.port).start()


def test_the_connection_string_names_port_and_key_and_the_key_shows_nowhere_else(
    hub: DevHub, caplog: pytest.LogCaptureFixture
) -> None:
    text = hub.connection_string
    key = text.split("SharedAccessKey=")[1].split(";")[0]
    assert text == (
        f"Endpoint=sb://localhost:{hub.port};SharedAccessKeyName=RootManageSharedAccessKey;"
        f"SharedAccessKey={key};UseDevelopmentEmulator=true"
    )
    assert len(key) == 44
    assert key not in repr(hub)
    assert key not in caplog.text


def test_serve_forever_ends_when_the_hub_is_stopped() -> None:
    hub = DevHub()
    server = threading.Thread(target=hub.serve_forever)
    server.start()
    deadline = threading.Event()
    while hub.port == 0 or hub._listener is None:
        deadline.wait(0.01)
    hub.stop()
    server.join(10)
    assert not server.is_alive()
