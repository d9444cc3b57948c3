"""Lost links, hubs that are away, credentials and names that are wrong."""

import time

import pytest

from acrwatch.core.errors import AcrWatchError, AuthError, NotFoundError, RemoteUnreachableError
from acrwatch.core.model import Message
from acrwatch.core.setting import Secret
from acrwatch.devhub import DevHub
from tests.ingest_sources.reading import HUB, MakeSource, error_of, poll_until, take


def keys(messages: list[Message]) -> list[tuple[str, int]]:
    return [(message.stream, message.sequence_number) for message in messages]


def test_five_lost_connections_cost_and_double_nothing(hub: DevHub, source_of: MakeSource) -> None:
    source = source_of(hub)
    taken: list[Message] = []
    for round_ in range(5):
        for number in range(40):
            hub.append(HUB, b"%d" % (round_ * 40 + number))
        taken += take(source, 10)
        hub.abort_connections()
    taken += take(source, 200 - len(taken))
    assert sorted(int(message.body) for message in taken) == list(range(200))
    assert len(set(keys(taken))) == 200


def test_order_within_a_partition_survives_lost_connections(hub: DevHub, source_of: MakeSource) -> None:
    source = source_of(hub)
    taken: list[Message] = []
    for _ in range(3):
        for _ in range(30):
            hub.append(HUB, b"x", partition=1)
        taken += take(source, 5)
        hub.close_connections()
    taken += take(source, 90 - len(taken))
    assert [message.sequence_number for message in taken] == list(range(90))


def test_a_hub_that_refuses_connections_is_noticed_and_taken_up_again(hub: DevHub, source_of: MakeSource) -> None:
    source = source_of(hub)
    poll_until(source, source.caught_up)
    hub.refuse_connections()
    hub.abort_connections()
    error = error_of(source)
    assert isinstance(error, RemoteUnreachableError)
    assert f"localhost:{hub.port}" in str(error)
    hub.append(HUB, b"a")
    hub.accept_connections()
    source.stop()
    source.start()
    assert [message.body for message in take(source, 1)] == [b"a"]


def test_a_short_outage_is_no_error(hub: DevHub, source_of: MakeSource) -> None:
    source = source_of(hub)
    poll_until(source, source.caught_up)
    hub.refuse_connections()
    hub.abort_connections()
    hub.append(HUB, b"a")
    hub.accept_connections()
    assert [message.body for message in take(source, 1)] == [b"a"]


def test_a_link_that_goes_silent_is_found_dead_and_replaced(hub: DevHub, source_of: MakeSource) -> None:
    source = source_of(hub)
    hub.append(HUB, b"a", partition=0)
    assert len(take(source, 1)) == 1
    hub.freeze_connections()
    hub.append(HUB, b"b", partition=0)
    assert [message.body for message in take(source, 1)] == [b"b"]


def test_a_wrong_key_is_said_once_clearly_and_without_the_key(hub: DevHub, source_of: MakeSource) -> None:
    secret = hub.connection_string.split("SharedAccessKey=")[1].split(";")[0]
    wrong = "A" * 44
    source = source_of(hub, connection_string=Secret(hub.connection_string.replace(secret, wrong)))
    error = error_of(source)
    assert isinstance(error, AuthError)
    assert "Azure Event Hubs Data Receiver" in error.remedy
    assert "Listen" in error.remedy
    assert wrong not in str(error)
    assert "\n" not in str(error)


def test_a_wrong_hub_is_named_with_its_namespace(hub: DevHub, source_of: MakeSource) -> None:
    error = error_of(source_of(hub, eventhub="nope"))
    assert isinstance(error, NotFoundError)
    assert "'nope'" in str(error)
    assert f"localhost:{hub.port}" in str(error)


def test_a_wrong_consumer_group_is_named(hub: DevHub, source_of: MakeSource) -> None:
    error = error_of(source_of(hub, consumer_group="nobody"))
    assert isinstance(error, AcrWatchError)
    assert "'nobody'" in str(error)


def test_stopping_during_an_outage_takes_little_time(hub: DevHub, source_of: MakeSource) -> None:
    source = source_of(hub)
    poll_until(source, source.caught_up)
    hub.refuse_connections()
    hub.abort_connections()
    with pytest.raises(RemoteUnreachableError):
        poll_until(source, lambda: False)
    begun = time.monotonic()
    source.stop()
    assert time.monotonic() - begun < 5
