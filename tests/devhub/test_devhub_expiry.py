"""A link lives no longer than its token, unless the client puts another in time."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.eventhub import EventHubConsumerClient

from acrwatch.devhub import RECEIVER, DevHub, LocalCredential
from acrwatch.devhub.performatives import Attach, Detach
from acrwatch.devhub.wire_types import Described, ULong
from tests.devhub.conftest import HUB, OffsetClock, RawClient, Reader, over_tls, until


@pytest.fixture
def moved() -> OffsetClock:
    return OffsetClock()


@pytest.fixture
def tls_hub(moved: OffsetClock) -> Iterator[DevHub]:
    with DevHub(hubs={HUB: 1}, clock=moved, tls=True) as running:
        yield running


def _consumer(hub: DevHub, ca: Path, credential: Any) -> EventHubConsumerClient:
    return EventHubConsumerClient("audit.example.com", HUB, "$Default", credential, **over_tls(hub, ca))


def test_the_link_of_an_expired_token_is_detached_and_a_new_token_opens_another(
    tls_hub: DevHub, ca: Path, moved: OffsetClock, reading: Reader
) -> None:
    credential = LocalCredential(lambda: tls_hub.issue_token(RECEIVER))
    tls_hub.append(HUB, b"before", partition=0)
    with reading(tls_hub, client=_consumer(tls_hub, ca, credential), partition_id="0") as received:
        received.wait(1)
        asked = len(credential.scopes)
        moved.advance(timedelta(hours=2))
        until(lambda: len(credential.scopes) > asked)
        tls_hub.append(HUB, b"after", partition=0)
        assert received.wait_for_sequence_number(1)[-1].body_as_str() == "after"


@pytest.fixture
def peer(moved: OffsetClock) -> Iterator[RawClient]:
    """A client with an hour's token and a reading link on handle 0."""
    with DevHub(hubs={HUB: 1}, clock=moved) as hub:
        client = RawClient(hub.port)
        client.open()
        client.put_token(HUB, "jwt", hub.issue_token(RECEIVER))
        source = Described(ULong(0x28), [f"{HUB}/ConsumerGroups/$Default/Partitions/0"])
        client.send(Attach(name="c", handle=0, role=True, source=source, target=Described(ULong(0x29), ["me"])))
        assert isinstance(client.receive(), Attach)
        yield client
        client.close()


def test_an_expired_token_detaches_its_link_and_says_why(peer: RawClient, moved: OffsetClock) -> None:
    moved.advance(timedelta(hours=2))
    detach = peer.receive()
    assert isinstance(detach, Detach)
    assert isinstance(detach.error, Described)
    assert isinstance(detach.error.value, list)
    assert detach.error.value[0] == "amqp:unauthorized-access"
    assert "ExpiredToken" in str(detach.error.value[1])


def test_a_link_stays_while_its_token_holds(peer: RawClient, moved: OffsetClock) -> None:
    moved.advance(timedelta(minutes=59))
    assert peer.is_silent(0.6)  # two looks at the tokens


def test_a_token_renewed_in_time_keeps_the_link(
    tls_hub: DevHub, ca: Path, moved: OffsetClock, reading: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client renews in the last tenth of a token's life; its own clock is moved along with the hub's."""
    monkeypatch.setattr("azure.eventhub._pyamqp.cbs.utc_now", moved.now)
    credential = LocalCredential(lambda: tls_hub.issue_token(RECEIVER))
    tls_hub.append(HUB, b"x", partition=0)
    with reading(tls_hub, client=_consumer(tls_hub, ca, credential), partition_id="0") as received:
        received.wait(1)
        asked, connections = len(credential.scopes), tls_hub.connections_made
        moved.advance(timedelta(minutes=57))
        until(lambda: len(credential.scopes) > asked)
        received.poll(2, 0.2)  # the new token is on its way
        moved.advance(timedelta(minutes=30))
        received.poll(2, 0.6)  # two looks at the tokens
        tls_hub.append(HUB, b"y", partition=0)
        received.wait(2)
        assert tls_hub.connections_made == connections
        assert not received.has_error()
