"""Lost links, hubs that are away, credentials and names that are wrong."""

import time
from dataclasses import replace

import pytest

from acrwatch.core.errors import AuthError, NotFoundError, RemoteUnreachableError
from acrwatch.core.model import Message
from acrwatch.core.setting import Secret
from acrwatch.devhub import DevHub
from acrwatch.devhub.refusal import UNAUTHORIZED
from tests.ingest_sources.reading import HUB, NEVER, QUICK, MakeSource, error_of, poll_until, take


def test_five_lost_connections_cost_double_and_reorder_nothing(hub: DevHub, source_of: MakeSource) -> None:
    source = source_of(hub)
    taken: list[Message] = []
    for _ in range(5):
        for number in range(40):
            hub.append(HUB, b"x", partition=number % 2)
        taken += take(source, 10)
        hub.abort_connections()
    taken += take(source, 200 - len(taken))
    for partition in ("0", "1"):
        assert [m.sequence_number for m in taken if m.partition_id == partition] == list(range(100))


def test_a_hub_that_refuses_connections_is_noticed_and_taken_up_again(hub: DevHub, source_of: MakeSource) -> None:
    source = source_of(hub, timing=replace(QUICK, outage=1.0))
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
    assert isinstance(error, NotFoundError)
    assert "'nobody'" in str(error)


def test_a_link_that_goes_silent_with_nothing_to_read_is_closed_after_the_idle_time(
    hub: DevHub, source_of: MakeSource
) -> None:
    source = source_of(hub, timing=replace(QUICK, look=NEVER, idle=1.0))
    hub.append(HUB, b"a", partition=0)
    assert len(take(source, 1)) == 1
    hub.freeze_connections()
    made = hub.connections_made
    poll_until(source, lambda: hub.connections_made > made)
    hub.append(HUB, b"b", partition=0)
    assert [message.body for message in take(source, 1)] == [b"b"]


def test_links_that_are_denied_once_are_opened_again_with_another_token(hub: DevHub, source_of: MakeSource) -> None:
    source = source_of(hub)
    for partition in (0, 1):
        hub.append(HUB, b"before", partition=partition)
    assert len(take(source, 2)) == 2
    assert hub.detach_links(HUB, condition=UNAUTHORIZED) == 2
    hub.append(HUB, b"after")
    assert [message.body for message in take(source, 1)] == [b"after"]


def test_stopping_during_an_outage_takes_little_time(hub: DevHub, source_of: MakeSource) -> None:
    source = source_of(hub, timing=replace(QUICK, outage=0.0, first_retry=NEVER, last_retry=NEVER))
    poll_until(source, source.caught_up)
    hub.refuse_connections()
    hub.abort_connections()
    with pytest.raises(RemoteUnreachableError):
        poll_until(source, lambda: False)
    begun = time.monotonic()
    source.stop()
    assert time.monotonic() - begun < 10  # `stop` gives up on a reader that does not end after 15
