"""Our own event hub source as it runs against Azure, by settings alone: namespace, credential, TLS, WebSockets, proxy.

The managed identity is real, too: azure-identity asks the endpoint that its environment names, which here is ours. Only
where a test moves the clock do tokens come from elsewhere, for azure-identity keeps them by its own.
"""

import dataclasses
import gc
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from acrwatch.core.clock import SystemClock
from acrwatch.core.config import load
from acrwatch.core.errors import AuthError
from acrwatch.devhub import RECEIVER, SENDER, AsyncLocalCredential, DevHub
from acrwatch.devhub.entra import AUDIENCE, SCOPE
from acrwatch.devhub.refusal import UNAUTHORIZED
from ingest.eventhub.address import from_settings
from ingest.eventhub.credentials import MakeTokenSource
from ingest.eventhub.reader import Timing
from ingest.opening import Opening
from ingest.sources import eventhub
from storage.lake import Lake
from tests.devhub.conftest import HUB, OffsetClock, until
from tests.devhub.gateway import Gateway, Proxy
from tests.devhub.managed_identity import ManagedIdentity
from tests.ingest_sources.reading import QUICK, error_of, poll_until, take
from tests.sqlite import database_in

NAMESPACE = "audit.servicebus.windows.net"
NO_LOOKS = dataclasses.replace(QUICK, look=60.0)  # each look is a connection with a token of its own
Start = Callable[..., eventhub.EventHubSource]

# The client leaks its socket when a link is refused or cut short.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


@pytest.fixture
def moved() -> OffsetClock:
    return OffsetClock()


@pytest.fixture
def tls_hub(moved: OffsetClock) -> Iterator[DevHub]:
    with DevHub(hubs={HUB: 2}, clock=moved, tls=True) as running:
        yield running


@pytest.fixture
def opening(tmp_path: Path) -> Iterator[Opening]:
    database = database_in(tmp_path / "state.db")
    yield Opening(Lake.open(tmp_path / "lake"), database, SystemClock())
    database.close()


@pytest.fixture
def identity(tls_hub: DevHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagedIdentity]:
    """The managed identity of this machine, a receiver unless the test says otherwise."""
    with ManagedIdentity(lambda roles: tls_hub.issue_token(*roles), [RECEIVER]) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def start(tls_hub: DevHub, ca: Path, opening: Opening) -> Iterator[Start]:
    """Start the source as the environment configures it; it is stopped at the end."""
    sources: list[eventhub.EventHubSource] = []

    def started(
        token_source: MakeTokenSource | None = None, timing: Timing = NO_LOOKS, **settings: str
    ) -> eventhub.EventHubSource:
        given = {
            "type": "eventhub",
            "fully_qualified_namespace": NAMESPACE,
            "eventhub": HUB,
            "credential": "managed_identity",
            "custom_endpoint_address": tls_hub.endpoint,
            "connection_verify": str(ca),
            **settings,
        }
        environ = {f"ACRWATCH__SOURCES__0__{name.upper()}": value for name, value in given.items()}
        config = load(None, environ, source_settings={"eventhub": eventhub.SETTINGS}, destination_settings={})
        address = from_settings(config.sources[0].values)
        sources.append(eventhub.EventHubSource(address, opening, timing=timing, token_source=token_source))
        sources[-1].start()
        return sources[-1]

    yield started
    for source in sources:
        source.stop()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def fill(hub: DevHub) -> list[bytes]:
    bodies = [f"{number}".encode() for number in range(10)]
    for number, body in enumerate(bodies):
        hub.append(HUB, body, partition=number % 2)
    return bodies


def test_all_partitions_are_read_by_namespace_and_managed_identity(
    tls_hub: DevHub, start: Start, identity: ManagedIdentity
) -> None:
    bodies = fill(tls_hub)
    source = start(client_id="00000000-0000-0000-0000-000000000001")
    assert sorted(message.body for message in take(source, 10)) == bodies
    assert source.name == f"eventhub/{NAMESPACE}/{HUB}"
    assert {asked.rstrip("/") for asked in identity.resources} == {AUDIENCE}
    assert identity.clients == {"00000000-0000-0000-0000-000000000001"}


def test_websockets_read_the_same(tls_hub: DevHub, ca: Path, start: Start, identity: ManagedIdentity) -> None:
    bodies = fill(tls_hub)
    with Gateway(tls_hub, ca) as gateway:
        source = start(transport="websocket", custom_endpoint_address=gateway.endpoint)
        assert sorted(message.body for message in take(source, 10)) == bodies
        assert gateway.passed > 0
        source.stop()


@pytest.mark.filterwarnings("ignore:(BasicAuth|The 'proxy_auth').* deprecated:DeprecationWarning")  # the client's doing
def test_a_proxy_is_asked_for_every_connection_and_told_the_password(
    tls_hub: DevHub, ca: Path, start: Start, identity: ManagedIdentity
) -> None:
    bodies = fill(tls_hub)
    with Gateway(tls_hub, ca) as gateway, Proxy() as proxy:
        source = start(
            transport="websocket",
            custom_endpoint_address=gateway.endpoint,
            http_proxy=f"http://bob:p%40ss@127.0.0.1:{proxy.port}",
        )
        assert sorted(message.body for message in take(source, 10)) == bodies
        assert proxy.asked == {(gateway.endpoint.removeprefix("sb://"), "bob:p@ss")}
        source.stop()


def test_a_token_that_is_refused_is_not_used_again(
    tls_hub: DevHub, start: Start, identity: ManagedIdentity, moved: OffsetClock
) -> None:
    """azure-identity keeps it, for by its clock it has not expired."""
    source = start()
    poll_until(source, source.caught_up)
    kept = identity.asked
    tls_hub.abort_connections()
    poll_until(source, lambda: tls_hub.connection_count > 0)
    assert identity.asked == kept
    moved.advance(timedelta(hours=2))
    tls_hub.abort_connections()
    tls_hub.append(HUB, b"after", partition=0)
    assert [message.body for message in take(source, 1)] == [b"after"]


def test_tokens_are_renewed_in_time_and_links_outlive_the_first_ones(
    tls_hub: DevHub, start: Start, moved: OffsetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("cbs", "aio._cbs_async"):  # the client's clock goes with the hub's
        monkeypatch.setattr(f"azure.eventhub._pyamqp.{module}.utc_now", moved.now)
    for partition in (0, 1):
        tls_hub.append(HUB, b"before", partition=partition)
    credential = AsyncLocalCredential(lambda: tls_hub.issue_token(RECEIVER))
    source = start(lambda: credential)
    assert len(take(source, 2)) == 2
    links, asked = tls_hub.connections_made, len(credential.scopes)
    moved.advance(timedelta(minutes=57))  # within the last tenth of the hour
    until(lambda: len(credential.scopes) >= asked + 2)
    source.poll(0.2)  # the new tokens are on their way
    moved.advance(timedelta(minutes=30))
    assert not source.poll(0.6)  # two looks at the tokens
    tls_hub.append(HUB, b"after", partition=0)
    assert [message.body for message in take(source, 1)] == [b"after"]
    assert tls_hub.connections_made == links
    assert set(credential.scopes) == {SCOPE}


def test_an_identity_without_a_role_is_told_which_one_it_needs(start: Start, identity: ManagedIdentity) -> None:
    identity.roles.clear()
    error = error_of(start())
    assert isinstance(error, AuthError)
    assert "Azure Event Hubs Data Receiver" in str(error)


def test_an_identity_that_may_only_send_is_told_what_it_lacks(start: Start, identity: ManagedIdentity) -> None:
    identity.roles[:] = [SENDER]
    error = error_of(start())
    assert isinstance(error, AuthError)
    assert "Listen" in error.message
    assert "Azure Event Hubs Data Receiver" in error.remedy


def test_an_identity_that_has_lost_its_role_is_an_error_once_a_new_token_is_refused_too(
    tls_hub: DevHub, start: Start, identity: ManagedIdentity
) -> None:
    fill(tls_hub)
    source = start()
    assert len(take(source, 10)) == 10
    identity.roles.clear()
    assert tls_hub.detach_links(HUB, condition=UNAUTHORIZED) == 2
    assert isinstance(error_of(source), AuthError)


def test_an_authority_that_is_not_trusted_is_a_failure(
    tls_hub: DevHub, start: Start, identity: ManagedIdentity, tmp_path: Path
) -> None:
    with DevHub(tls=True) as other:
        other.write_ca(tmp_path / "other.pem")
    soon = dataclasses.replace(NO_LOOKS, outage=1.0)
    error = error_of(start(timing=soon, connection_verify=str(tmp_path / "other.pem")))
    assert "certificate" in str(error).casefold()
