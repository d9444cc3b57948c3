"""The demo's receiver: a genuine webhook is kept, a forged one is refused."""

import json
from datetime import UTC, datetime

import httpx

from acrwatch.cli.demo_receiver import Receiver, receiving
from acrwatch.delivery.signature import signed_headers, signing_keys

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
BODY = json.dumps({"type": "alert.created", "data": {"id": "a1"}}).encode()


def _headers(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return signed_headers(signing_keys(secret), id="alr_a1_1_x_created", at=datetime.now(UTC), body=body)


def test_a_genuine_webhook_is_kept() -> None:
    with receiving(SECRET) as receiver:
        assert httpx.post(receiver.url, content=BODY, headers=_headers(BODY)).status_code == 204
        assert receiver.alert_ids() == {"a1"}


def test_a_changed_body_is_refused() -> None:
    with receiving(SECRET) as receiver:
        assert httpx.post(receiver.url, content=BODY + b" ", headers=_headers(BODY)).status_code == 401
        assert (receiver.alert_ids(), receiver.refused) == (set(), 1)


def test_a_request_without_signature_is_refused() -> None:
    receiver = Receiver(SECRET)
    assert not receiver.take({"webhook-id": "x"}, BODY)
