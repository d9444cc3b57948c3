"""The real client over TLS, with a shared access key and with Entra-style tokens; and what TLS refuses."""

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from azure.eventhub import EventData, EventHubConsumerClient, EventHubProducerClient
from azure.eventhub.aio import EventHubConsumerClient as AsyncConsumerClient
from azure.eventhub.exceptions import EventHubError

from acrwatch.core.errors import ConfigError
from acrwatch.devhub import OWNER, RECEIVER, SENDER, AsyncLocalCredential, DevHub, LocalCredential
from acrwatch.devhub.entra import SCOPE
from tests.devhub.conftest import HUB, WAIT, Reader, over_tls

NAMESPACE = "audit.servicebus.windows.net"

# The client leaks its socket when a connection or a link is refused.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


def _send(client: EventHubProducerClient, body: str) -> None:
    with client:
        client.send_batch([EventData(body)], partition_id="0")


def test_the_sync_client_sends_and_receives_with_a_connection_string(
    tls_hub: DevHub, ca: Path, reading: Reader
) -> None:
    options = over_tls(tls_hub, ca)
    _send(
        EventHubProducerClient.from_connection_string(tls_hub.connection_string, eventhub_name=HUB, **options),
        "over tls",
    )
    consumer = EventHubConsumerClient.from_connection_string(
        tls_hub.connection_string, "$Default", eventhub_name=HUB, **options
    )
    with reading(tls_hub, client=consumer, partition_id="0") as received:
        assert received.wait(1)[0].body_as_str() == "over tls"


def test_the_sync_client_sends_and_receives_with_namespace_and_credential(
    tls_hub: DevHub, ca: Path, reading: Reader
) -> None:
    credential: Any = LocalCredential(lambda: tls_hub.issue_token(OWNER))
    options = over_tls(tls_hub, ca)
    _send(EventHubProducerClient(NAMESPACE, HUB, credential, **options), "by token")
    consumer = EventHubConsumerClient(NAMESPACE, HUB, "$Default", credential, **options)
    with reading(tls_hub, client=consumer, partition_id="0") as received:
        assert received.wait(1)[0].body_as_str() == "by token"
    assert set(credential.scopes) == {SCOPE}


async def _receive_one(hub: DevHub, ca: Path) -> tuple[list[str], int]:
    """Return the partition ids and the sequence number of the first event of partition 0."""
    arrived: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def on_event(_context: Any, event: Any) -> None:
        if not arrived.done():
            arrived.set_result(event.sequence_number)

    credential: Any = AsyncLocalCredential(lambda: hub.issue_token(RECEIVER))
    async with AsyncConsumerClient(NAMESPACE, HUB, "$Default", credential, **over_tls(hub, ca)) as client:
        partitions = await client.get_partition_ids()
        work = asyncio.create_task(client.receive(on_event, partition_id="0", starting_position="-1"))
        number = await asyncio.wait_for(arrived, WAIT)
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    return partitions, number


def test_the_aio_client_receives_with_namespace_and_credential(tls_hub: DevHub, ca: Path) -> None:
    tls_hub.append(HUB, bytes(180_000), partition=0)
    assert asyncio.run(_receive_one(tls_hub, ca)) == (["0", "1"], 0)


def test_a_sender_may_not_receive(tls_hub: DevHub, ca: Path, reading: Reader) -> None:
    credential: Any = LocalCredential(lambda: tls_hub.issue_token(SENDER))
    consumer = EventHubConsumerClient(NAMESPACE, HUB, "$Default", credential, retry_total=0, **over_tls(tls_hub, ca))
    with reading(tls_hub, client=consumer, partition_id="0") as received:
        assert "Unauthorized access. 'Listen' claim(s) are required" in str(received.wait_error())


def test_a_receiver_may_not_send(tls_hub: DevHub, ca: Path) -> None:
    credential: Any = LocalCredential(lambda: tls_hub.issue_token(RECEIVER))
    client = EventHubProducerClient(NAMESPACE, HUB, credential, retry_total=0, **over_tls(tls_hub, ca))
    with pytest.raises(EventHubError, match=r"'Send' claim\(s\) are required"):
        _send(client, "never stored")
    assert tls_hub.last_sequence_number(HUB, 0) == -1


def test_a_token_of_another_issuer_is_refused_with_401(tls_hub: DevHub, ca: Path) -> None:
    credential: Any = LocalCredential(lambda: DevHub().issue_token(OWNER))
    client = EventHubProducerClient(NAMESPACE, HUB, credential, retry_total=0, **over_tls(tls_hub, ca))
    with pytest.raises(EventHubError, match="401"):
        _send(client, "never stored")


def test_a_client_that_trusts_another_authority_does_not_connect(tls_hub: DevHub) -> None:
    strangers = ssl.create_default_context()
    with (
        socket.create_connection(("127.0.0.1", tls_hub.port), WAIT) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        strangers.wrap_socket(plain, server_hostname="localhost")
    assert tls_hub.connection_count == 0


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_the_certificate_holds_for_every_name_of_loopback_under_strict_rules(
    tls_hub: DevHub, ca: Path, name: str
) -> None:
    context = ssl.create_default_context(cafile=str(ca))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with (
        socket.create_connection(("127.0.0.1", tls_hub.port), WAIT) as plain,
        context.wrap_socket(plain, server_hostname=name) as secured,
    ):
        assert secured.version() in ("TLSv1.2", "TLSv1.3")


def test_the_authority_outlives_a_restart(tls_hub: DevHub, ca: Path) -> None:
    tls_hub.stop()
    tls_hub.start()
    assert tls_hub.ca_pem == ca.read_bytes()


def test_without_tls_there_is_no_authority() -> None:
    with pytest.raises(ConfigError, match="without TLS"):
        _ = DevHub().ca_pem


def test_an_authority_that_cannot_be_written_is_an_error(tls_hub: DevHub, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Cannot write the certificate"):
        tls_hub.write_ca(tmp_path / "missing" / "ca.pem")


def test_a_tls_connection_string_does_not_claim_to_be_an_emulators(tls_hub: DevHub) -> None:
    assert "UseDevelopmentEmulator" not in tls_hub.connection_string
