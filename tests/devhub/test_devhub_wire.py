"""What the hub does with peers that the real client is not: hostile, unauthorised, silent, or from another time."""

import base64
import gc
import hashlib
import hmac
import socket
import struct
from collections.abc import Callable
from urllib.parse import quote_plus

import pytest

from acrwatch.devhub import DevHub
from acrwatch.devhub.encoder import encode
from acrwatch.devhub.frames import AMQP_HEADER, SASL_HEADER, frame_bytes
from acrwatch.devhub.performatives import Attach, Begin, Close, Detach, Flow, Open, SaslInit, Transfer
from acrwatch.devhub.wire_types import Described, Symbol, ULong
from tests.devhub.conftest import RawClient

HUB = "acr-audit"


def _terminus(code: int, address: str) -> Described:
    return Described(ULong(code), [address])


def _producer_attach(address: str) -> Attach:
    target = _terminus(0x29, address)
    return Attach(name="p", handle=0, role=False, source=_terminus(0x28, "me"), target=target, initial_delivery_count=0)


def _consumer_attach(address: str) -> Attach:
    return Attach(name="c", handle=0, role=True, source=_terminus(0x28, address), target=_terminus(0x29, "me"))


def _condition(performative: object) -> str:
    assert isinstance(performative, Close | Detach)
    assert isinstance(performative.error, Described)
    assert isinstance(performative.error.value, list)
    return str(performative.error.value[0])


@pytest.mark.parametrize(
    "attach",
    [
        _producer_attach(HUB),
        _producer_attach(f"amqps://localhost/{HUB}/Partitions/0"),
        _consumer_attach(f"{HUB}/ConsumerGroups/$Default/Partitions/0"),
    ],
)
def test_a_link_without_a_token_is_refused(raw: RawClient, attach: Attach) -> None:
    raw.open()
    raw.send(attach)
    refusal = raw.receive()
    assert isinstance(refusal, Attach)
    assert (refusal.source, refusal.target) == (None, None)
    assert _condition(raw.receive()) == "amqp:unauthorized-access"


@pytest.mark.parametrize("address", ["", "a/b/c/d", f"{HUB}/ConsumerGroups/g", "amqps://[h/hub/d"])
def test_a_link_to_nowhere_is_refused(raw: RawClient, address: str) -> None:
    raw.open()
    raw.send(_producer_attach(address))
    assert isinstance(raw.receive(), Attach)
    assert _condition(raw.receive()) == "amqp:not-found"


def test_a_link_without_source_or_target_is_refused(raw: RawClient) -> None:
    raw.open()
    raw.send(Attach(name="p", handle=0, role=False))
    assert isinstance(raw.receive(), Attach)
    assert _condition(raw.receive()) == "amqp:invalid-field"


@pytest.mark.parametrize(
    ("bad", "condition"),
    [
        (frame_bytes(0, b"\xff\xff\xff"), "amqp:decode-error"),
        (frame_bytes(0, b"\x00" * 1000), "amqp:decode-error"),
        (struct.pack(">IBBH", 2**31, 2, 0, 0), "amqp:connection:framing-error"),
        (frame_bytes(0, Close().encode(), kind=1), "amqp:connection:framing-error"),
        (frame_bytes(0, Open(container_id="again").encode()), "amqp:not-allowed"),
        (frame_bytes(0, Begin().encode()), "amqp:not-allowed"),
        (frame_bytes(999, Begin().encode()), "amqp:not-allowed"),
    ],
)
def test_a_broken_frame_closes_the_connection_and_says_why(
    hub: DevHub, raw: RawClient, bad: bytes, condition: str
) -> None:
    raw.open()
    raw.send(bad)
    assert _condition(raw.receive()) == condition
    assert raw.receive() is None


def test_the_hub_serves_on_after_a_hostile_peer(hub: DevHub, raw: RawClient) -> None:
    raw.send(b"\x00" * 64)
    assert raw.receive_raw(8) == SASL_HEADER
    assert raw.receive_raw(1) == b""
    with socket.create_connection(("127.0.0.1", hub.port), 10) as other:
        other.sendall(AMQP_HEADER)
        assert other.recv(8) == AMQP_HEADER


def test_another_sasl_mechanism_is_refused(raw: RawClient) -> None:
    plain = frame_bytes(0, SaslInit(mechanism="PLAIN", initial_response=b"\x00u\x00p").encode(), kind=1)
    raw.send(SASL_HEADER, plain)
    answer = raw.receive_raw(200)
    assert answer.startswith(SASL_HEADER)
    assert encode(Symbol("ANONYMOUS"))[2:] in answer
    assert b"\x00\x53\x44\xc0\x04\x02\x50\x01\x40" in answer  # SaslOutcome with code 1: authentication failed


def test_a_frame_size_below_the_minimum_is_refused(raw: RawClient) -> None:
    raw.send(AMQP_HEADER, Open(container_id="raw", max_frame_size=100))
    raw.receive_raw(8)
    assert _condition(raw.receive()) == "amqp:invalid-field"


def test_frames_for_unknown_channels_and_handles_are_ignored(raw: RawClient) -> None:
    raw.open()
    raw.send(
        frame_bytes(5, Detach(handle=0).encode()), Detach(handle=7), Transfer(handle=7, delivery_id=0), Flow(echo=True)
    )
    assert isinstance(raw.receive(), Flow)


def test_a_message_above_the_limit_detaches_the_link(raw: RawClient) -> None:
    raw.open()
    raw.send(_producer_attach("$cbs"))
    assert isinstance(raw.receive(), Attach)
    assert isinstance(raw.receive(), Flow)
    part = Transfer(handle=0, delivery_id=0, delivery_tag=b"1", more=True).encode() + bytes(60_000)
    for _ in range(18):  # 18 x 60 000 is above 1 048 576
        raw.send(frame_bytes(0, part))
    assert _condition(raw.receive()) == "amqp:link:message-size-exceeded"


def test_an_unreadable_message_is_rejected_and_the_link_lives_on(raw: RawClient) -> None:
    raw.open()
    raw.send(_producer_attach("$cbs"))
    raw.receive()
    raw.receive()
    raw.send(frame_bytes(0, Transfer(handle=0, delivery_id=4, delivery_tag=b"1").encode() + b"\xffgarbage"))
    disposition = raw.receive()
    assert disposition is not None
    assert b"amqp:decode-error" in disposition.encode()
    raw.send(Detach(handle=0, closed=True))
    assert raw.receive() == Detach(handle=0, closed=True)


def test_a_silent_peer_gets_heartbeats_and_is_closed_in_the_end() -> None:
    with DevHub(idle_timeout=0.2) as hub, socket.create_connection(("127.0.0.1", hub.port), 10) as peer:
        peer.sendall(AMQP_HEADER + frame_bytes(0, Open(container_id="raw").encode()))
        received = b""
        while part := peer.recv(4096):
            received += part
    assert b"\x00\x00\x00\x08\x02\x00\x00\x00" in received
    assert b"amqp:connection:forced" in received


def _authorise(hub: DevHub, raw: RawClient) -> None:
    """Put a token as the real client would, without waiting for the reply."""
    key = hub.connection_string.split("SharedAccessKey=")[1].split(";")[0]
    resource = f"sb://localhost/{HUB}"
    signed = f"{quote_plus(resource)}\n4102444800"  # until the year 2100
    signature = base64.b64encode(hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest()).decode()
    token = (
        f"SharedAccessSignature sr={quote_plus(resource)}&sig={quote_plus(signature)}"
        "&se=4102444800&skn=RootManageSharedAccessKey"
    )
    raw.put_token(HUB, "servicebus.windows.net:sastoken", token)


def test_a_delivery_goes_on_where_the_clients_window_stopped_it(hub: DevHub, raw: RawClient) -> None:
    hub.append(HUB, bytes(180_000), partition=0)
    raw.open(incoming_window=2)
    _authorise(hub, raw)
    raw.send(_consumer_attach(f"{HUB}/ConsumerGroups/$Default/Partitions/0"))
    assert isinstance(raw.receive(), Attach)
    raw.send(Flow(handle=0, delivery_count=0, link_credit=10, next_incoming_id=0, incoming_window=2))
    first, second = raw.receive(), raw.receive()
    assert isinstance(first, Transfer)
    assert isinstance(second, Transfer)
    assert (first.more, second.more) == (True, True)
    raw.send(Flow(next_incoming_id=2, incoming_window=0, echo=True))
    assert isinstance(raw.receive(), Flow)  # nothing but the echo: the window is shut
    raw.send(Flow(next_incoming_id=2, incoming_window=2))
    third = raw.receive()
    assert isinstance(third, Transfer)
    assert (third.delivery_id, third.more) == (0, False)


def test_a_consumer_gets_no_more_than_its_credit(hub: DevHub, raw: RawClient) -> None:
    for _ in range(5):
        hub.append(HUB, b"x", partition=0)
    raw.open()
    _authorise(hub, raw)
    raw.send(_consumer_attach(f"{HUB}/ConsumerGroups/$Default/Partitions/0"))
    assert isinstance(raw.receive(), Attach)
    for delivery_count in (0, 2):
        raw.send(Flow(handle=0, delivery_count=delivery_count, link_credit=2, incoming_window=100, echo=True))
        received = [raw.receive() for _ in range(3)]
        assert [type(performative) for performative in received] == [Transfer, Transfer, Flow]


def test_each_append_reaches_a_waiting_consumer_without_being_asked_for(hub: DevHub, raw: RawClient) -> None:
    raw.open()
    _authorise(hub, raw)
    raw.send(_consumer_attach(f"{HUB}/ConsumerGroups/$Default/Partitions/0"))
    assert isinstance(raw.receive(), Attach)
    raw.send(Flow(handle=0, delivery_count=0, link_credit=10, incoming_window=100))
    for _ in range(3):
        hub.append(HUB, b"x", partition=0)
        assert isinstance(raw.receive(), Transfer)


def test_a_frozen_connection_neither_sends_nor_answers(hub: DevHub, raw: RawClient) -> None:
    raw.open()
    _authorise(hub, raw)
    raw.send(_consumer_attach(f"{HUB}/ConsumerGroups/$Default/Partitions/0"))
    assert isinstance(raw.receive(), Attach)
    raw.send(Flow(handle=0, delivery_count=0, link_credit=10, incoming_window=100, echo=True))
    assert isinstance(raw.receive(), Flow)
    hub.freeze_connections()
    hub.append(HUB, b"x", partition=0)
    raw.send(Flow(echo=True))
    assert raw.is_silent(0.3)


def test_a_producers_credit_is_topped_up_at_half(raw: RawClient) -> None:
    raw.open()
    raw.send(_producer_attach("$cbs"))
    raw.receive()
    first = raw.receive()
    for _ in range(150):
        raw.send(Transfer(handle=0, delivery_id=0, delivery_tag=b"1", settled=True))
    second = raw.receive()
    assert isinstance(first, Flow)
    assert isinstance(second, Flow)
    assert [(flow.delivery_count, flow.link_credit) for flow in (first, second)] == [(0, 300), (150, 300)]


def test_the_sessions_window_is_announced_again_at_half(raw: RawClient) -> None:
    raw.open()
    for _ in range(2048):
        raw.send(Transfer(handle=7))
    flow = raw.receive()
    assert isinstance(flow, Flow)
    assert (flow.handle, flow.next_incoming_id, flow.incoming_window) == (None, 2048, 4096)


def test_a_drained_link_uses_its_credit_up(raw: RawClient) -> None:
    raw.open()
    raw.send(_consumer_attach("$cbs"))
    raw.receive()
    raw.send(Flow(handle=0, delivery_count=0, link_credit=5, incoming_window=100, drain=True))
    flow = raw.receive()
    assert isinstance(flow, Flow)
    assert (flow.delivery_count, flow.link_credit) == (5, 0)


@pytest.mark.parametrize("fault", [DevHub.refuse_connections, DevHub.stop])
def test_a_connection_that_is_just_being_opened_is_not_leaked(hub: DevHub, fault: Callable[[DevHub], None]) -> None:
    """What asyncio.Server does with it: an unclosed transport, here an error."""
    for _ in range(60):
        hub.start()
        hub.accept_connections()
        with socket.create_connection(("127.0.0.1", hub.port)):
            fault(hub)
    gc.collect()
