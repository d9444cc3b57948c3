"""Our own event hub source as it runs against Azure: namespace, Entra-style credential, TLS.

Nothing of ours is replaced. Only the Azure packages' two entry points are led here: the client is told which address to
connect to and which authority to trust, and `DefaultAzureCredential` is a credential of the hub's own issuer.
"""

import dataclasses
import functools
import gc
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.eventhub.aio
import azure.identity.aio
import pytest

from acrwatch.core.clock import SystemClock
from acrwatch.core.errors import AuthError
from acrwatch.devhub import RECEIVER, AsyncLocalCredential, DevHub
from acrwatch.devhub.entra import SCOPE
from ingest.eventhub.address import from_settings
from ingest.opening import Opening
from ingest.sources import eventhub
from storage.lake import Lake
from storage.state.database import Database
from tests.devhub.conftest import HUB, OffsetClock, over_tls, until
from tests.ingest_sources.reading import QUICK, error_of, take

NAMESPACE = "audit.servicebus.windows.net"
NO_LOOKS = dataclasses.replace(QUICK, look=60.0)  # each look is a connection with a token of its own
Start = Callable[..., tuple[eventhub.EventHubSource, list[AsyncLocalCredential]]]

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
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    database.migrate()
    yield Opening(Lake.open(tmp_path / "lake"), database, SystemClock())
    database.close()


@pytest.fixture
def start(tls_hub: DevHub, ca: Path, opening: Opening, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start the source with a credential of some roles; it is stopped at the end."""
    sources: list[eventhub.EventHubSource] = []
    there = over_tls(tls_hub, ca)
    del there["retry_backoff_factor"]  # the source sets its own
    client: Any = functools.partial(azure.eventhub.aio.EventHubConsumerClient, **there)
    monkeypatch.setattr(azure.eventhub.aio, "EventHubConsumerClient", client)

    def started(*roles: str) -> tuple[eventhub.EventHubSource, list[AsyncLocalCredential]]:
        made: list[AsyncLocalCredential] = []

        def credential() -> AsyncLocalCredential:
            made.append(AsyncLocalCredential(lambda: tls_hub.issue_token(*roles)))
            return made[-1]

        monkeypatch.setattr(azure.identity.aio, "DefaultAzureCredential", credential)
        values: dict[str, Any] = {setting.name: setting.default for setting in eventhub.SETTINGS}
        values |= {"fully_qualified_namespace": NAMESPACE, "eventhub": HUB}
        sources.append(eventhub.EventHubSource(from_settings(values), opening, timing=NO_LOOKS))
        sources[-1].start()
        return sources[-1], made

    yield started
    for source in sources:
        source.stop()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_all_partitions_are_read_by_namespace_and_credential(tls_hub: DevHub, start: Start) -> None:
    for number in range(10):
        tls_hub.append(HUB, f"{number}".encode(), partition=number % 2)
    source, credentials = start(RECEIVER)
    assert sorted(message.body for message in take(source, 10)) == [f"{number}".encode() for number in range(10)]
    assert source.name == f"eventhub/{NAMESPACE}/{HUB}"
    assert {scope for credential in credentials for scope in credential.scopes} == {SCOPE}


def test_tokens_are_renewed_in_time_and_links_outlive_the_first_ones(
    tls_hub: DevHub, start: Start, moved: OffsetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("cbs", "aio._cbs_async"):  # the client's clock goes with the hub's
        monkeypatch.setattr(f"azure.eventhub._pyamqp.{module}.utc_now", moved.now)
    for partition in (0, 1):
        tls_hub.append(HUB, b"before", partition=partition)
    source, credentials = start(RECEIVER)
    assert len(take(source, 2)) == 2
    links, asked = tls_hub.connections_made, len(credentials[0].scopes)
    moved.advance(timedelta(minutes=57))  # within the last tenth of the hour
    until(lambda: len(credentials[0].scopes) >= asked + 2)
    source.poll(0.2)  # the new tokens are on their way
    moved.advance(timedelta(minutes=30))
    assert not source.poll(0.6)  # two looks at the tokens
    tls_hub.append(HUB, b"after", partition=0)
    assert [message.body for message in take(source, 1)] == [b"after"]
    assert tls_hub.connections_made == links


def test_an_identity_without_a_role_is_told_which_one_it_needs(start: Start) -> None:
    source, _ = start()
    error = error_of(source)
    assert isinstance(error, AuthError)
    assert "Azure Event Hubs Data Receiver" in str(error)
