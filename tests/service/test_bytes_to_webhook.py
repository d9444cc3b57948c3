"""From the bytes of one record, through the Azure client and everything between, to the bytes of one webhook."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.eventhub import EventData, EventHubProducerClient
from standardwebhooks import Webhook

from acrwatch.cli.session import Session
from acrwatch.core.clock import SystemClock
from acrwatch.devhub import DevHub
from scheduler import Parts, Service
from tests.service.process import HUB, write_config
from tests.service.receiver import SECRET, Receiver

GOLDEN = Path(__file__).with_name("webhook_of_one_pull.json")
# The twin of a real record: member order, capitals, text for numbers, seven digits of a second, trailing RegionStamp.
MESSAGE = (
    b'{"records":[{ "time": "%TIME%1931730Z", "category": "ContainerRegistryRepositoryEvents", "resourceId": '
    b'"/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000009/RESOURCEGROUPS/DOCKER/PROVIDERS/MICROSOFT.CONTAINERREGISTRY'
    b'/REGISTRIES/CONTOSO", "operationName": "Pull", "identity": "user@example.com", "location": "westeurope", '
    b'"resultType": "HttpStatusCode", "resultDescription": "200", "durationMs": "38.212784", "callerIpAddress": '
    b'"203.0.113.18", "correlationId": "00000000-0000-0000-0000-000000000021", "properties": {"tag":"v1.4",'
    b'"digest":"sha256:2a871364028e4fcc58cb139239390bc242fa7acee3aaa22ab200422d7682084c",'
    b'"mediaType":"application/vnd.oci.image.index.v1+json","repository":"tipster-service",'
    b'"artifactType":"acr.docker","tenantId":"00000000-0000-0000-0000-000000000011",'
    b'"loginServer":"contoso.azurecr.io","userAgent":"acr-cleanup azsdk-go-azcontainerregistry/v0.2.2 '
    b'(go1.23.5; linux)"}, "RegionStamp": "weu-3"}]}'
)
VARYING = {
    "id",
    "url",
    "rule_version",
    "context_version",
    "created_at",
    "updated_at",
    "raised_at",
    "evidence",
}


@pytest.fixture
def five_minutes_ago() -> datetime:
    """Recent, so that the alert is not historical; the fraction is that of MESSAGE."""
    return (datetime.now(UTC) - timedelta(minutes=5)).replace(microsecond=193173)


def test_one_pull_from_outside_becomes_exactly_this_webhook(
    receiver: Receiver, five_minutes_ago: datetime, tmp_path: Path
) -> None:
    with DevHub(hubs={HUB: 2}) as hub:
        destination = (
            f'[[destinations]]\nname = "siem"\ntype = "webhook"\nurl = "{receiver.url}"\nsecret = "{SECRET}"\n'
        )
        ranges = {"contoso": ["198.51.100.0/24", "2001:db8::/32"]}
        config = write_config(tmp_path, hub.connection_string, allowed_ranges=ranges, destinations=destination)
        _send(hub, MESSAGE.replace(b"%TIME%", f"{five_minutes_ago:%Y-%m-%dT%H:%M:%S.}".encode()))
        session = Session(config, clock=SystemClock(), environ={})
        with Parts(session.config, clock=SystemClock(), rng=random.Random(1)) as parts:
            service = Service(parts)
            service.start()
            try:
                receiver.wait_for(1)
            finally:
                service.stop()
    assert len(receiver.received) == 1
    headers, body = receiver.received[0]
    Webhook(SECRET).verify(body, headers)
    assert headers["content-type"] == "application/json"
    document = json.loads(body)
    assert headers["webhook-id"] == f"alr_{document['data']['id']}_1_siem_created"
    assert document["timestamp"] == document["data"]["updated_at"]
    assert document["data"]["evidence"] == [document["data"]["evidence_rows"][0]["event_id"]]
    assert document["data"]["url"].endswith(f"/alerts/{document['data']['id']}")
    assert _comparable(document) == _golden(five_minutes_ago)


def _send(hub: DevHub, body: bytes) -> None:
    producer = EventHubProducerClient.from_connection_string(hub.connection_string, eventhub_name=HUB)
    with producer:
        producer.send_batch([EventData(body)])


def _comparable(document: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {name: "*" if name in VARYING else value for name, value in document["data"].items()}
    data["evidence_rows"] = [{**row, "event_id": "*"} for row in document["data"]["evidence_rows"]]
    return {**document, "timestamp": "*", "data": data}


def _golden(moment: datetime) -> Any:
    text = GOLDEN.read_text().replace("%Z%", f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z")
    return json.loads(text.replace("%SAID%", f"{moment:%Y-%m-%d %H:%M:%S} UTC"))
