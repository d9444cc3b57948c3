"""No credential that the Activity Log may hold reaches the disk."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from acrwatch.core.model import Message
from ingest.activity.bodies import without_secrets
from ingest.normalise import Normalised, Normaliser
from ingest.storing import Storing
from storage.state import rejects
from tests.activity.scene import START, Scene

Record = dict[str, Any]
Write = Callable[..., Record]
Decode = Callable[..., Normalised]

SECRET = "hunter2+CanaryThatMustNotStay=="
PASSWORDS = {"username": "contoso", "passwords": [{"name": "password", "value": SECRET}]}
JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlQ2FuYXJ5"


def said(table: pa.Table) -> str:
    return json.dumps(table.to_pylist(), default=str)


@pytest.mark.parametrize(
    "body", [PASSWORDS, json.dumps(PASSWORDS), {"result": SECRET}], ids=["object", "text", "by a name of its own"]
)
@pytest.mark.parametrize("action", ["LISTCREDENTIALS", "REGENERATECREDENTIAL", "GENERATECREDENTIALS"])
def test_answers_that_hand_out_credentials_are_not_stored(
    write: Write, decode: Decode, action: str, body: object
) -> None:
    record = write(f"MICROSOFT.CONTAINERREGISTRY/REGISTRIES/{action}/ACTION", "Success", responseBody=body)
    found = decode(record)
    assert found.events.num_rows == 1
    assert SECRET not in said(found.events)


@pytest.mark.parametrize(
    "request_body",
    [
        {"source": {"registryUri": "docker.io", "credentials": {"username": "u", "password": SECRET}}},
        {"properties": {"serviceUri": f"https://u:{SECRET}@hook.example.com/{SECRET}?code={SECRET}"}},
        {"properties": {"customHeaders": {"Authorization": f"Basic {SECRET}"}}},
        {"properties": {"credentials": {"passwords": [{"value": SECRET}], "certificates": [{"x": SECRET}]}}},
        {"properties": {"encryption": {"accessKey": SECRET}}},
        {"tags": {"note": SECRET}},
        {"properties": {"note": f"Bearer {JWT}"}},
    ],
)
def test_secrets_of_a_request_are_not_stored(write: Write, decode: Decode, request_body: Record) -> None:
    found = decode(write(requestbody=json.dumps(request_body)))
    assert found.events.num_rows == 1
    assert SECRET not in said(found.events)
    assert JWT not in said(found.events)


def test_headers_and_claims_are_not_stored(write: Write, decode: Decode) -> None:
    claims = {"upn": "alice@example.com", "uti": SECRET}
    record = write(httpRequest={"headers": {"authorization": SECRET}, "uri": f"https://x/{SECRET}"})
    assert SECRET not in said(decode(record | {"identity": {"claims": claims, "authorization": {"a": SECRET}}}).events)


def test_a_webhook_keeps_its_host(write: Write, decode: Decode) -> None:
    body = {"properties": {"serviceUri": f"https://u:{SECRET}@hook.example.com:8443/path?code=1"}}
    (row,) = decode(write(requestbody=body)).events.to_pylist()
    assert json.loads(row["extra"])["request"] == {"serviceuri": "https://hook.example.com:8443"}


def test_a_reject_is_kept_without_its_secrets_and_can_still_be_read(write: Write) -> None:
    record = write(time=None, requestbody=json.dumps(PASSWORDS), responseBody=PASSWORDS)
    kept = without_secrets(json.dumps(record).encode())
    assert SECRET.encode() not in kept
    assert json.loads(kept)["operationName"] == record["operationName"]


def test_a_reject_reaches_the_database_without_its_secrets(write: Write, tmp_path: Path) -> None:
    scene = Scene(tmp_path, {})
    body = json.dumps({"records": [write(time=None, responseBody=PASSWORDS)]}).encode()
    messages = [Message("eventhub/ns/hub/0/0", 1, body, "0", "100", START)]
    found = Normaliser().batch(messages, now=START)
    Storing(scene.lake, scene.database).store(messages, found, lambda _: None, START)
    with scene.database.connect() as connection:
        (kept,) = rejects.recent(connection, limit=2)
    assert (kept.reason, kept.whole) == ("missing_member", True)
    assert SECRET.encode() not in kept.body


def test_bytes_that_are_no_json_lose_what_is_named_a_secret(write: Write) -> None:
    for body in (PASSWORDS, json.dumps(PASSWORDS)):
        broken = json.dumps(write(responseBody=body)).encode()[:-5]
        assert SECRET.encode() not in without_secrets(broken)


def test_rejects_of_the_registry_itself_keep_every_byte() -> None:
    record = (
        b'{"category": "ContainerRegistryLoginEvents", "password": "x", "resourceId": "microsoft.containerregistry"}'
    )
    assert without_secrets(record) is record
