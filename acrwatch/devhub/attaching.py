"""Turning an Attach into a link: which node it names, whether the client may, where reading starts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from acrwatch.devhub.addresses import CBS, Address, selector_text, terminus_address
from acrwatch.devhub.auth import Right
from acrwatch.devhub.broker import Access, Broker
from acrwatch.devhub.consumer import ConsumerLink, ReplyLink
from acrwatch.devhub.hub import milliseconds
from acrwatch.devhub.links import IncomingLink, Link, SessionPort, producer_take, request_take
from acrwatch.devhub.message import Request
from acrwatch.devhub.performatives import Attach
from acrwatch.devhub.refusal import NOT_ALLOWED, RefusedError
from acrwatch.devhub.selector import START, parse_selector
from acrwatch.devhub.services import answer_cbs, answer_management


class ServicePort(SessionPort, Protocol):
    """What attaching needs of a session on top of what links need."""

    def respond(self, node: str, reply: bytes) -> None:
        """Send a reply over the session's reply link of a node."""
        ...


@dataclass(frozen=True, slots=True)
class Attached:
    """A link, the node it is attached to, and the right it needs as long as it lives; service nodes need none."""

    link: Link
    address: Address
    right: Right | None

    def is_allowed(self, access: Access) -> bool:
        """Tell whether the client may still have this link."""
        return self.right is None or access.allows(self.address.path, self.right)


def make_link(session: ServicePort, attach: Attach, broker: Broker, access: Access) -> Attached:
    """Return the link for an Attach.

    Raises:
        RefusedError: no such node, no right to it, or a start position that does not exist.
    """
    address = terminus_address(attach.source if attach.role else attach.target)
    if address.is_service:
        reply = ReplyLink(session, attach) if attach.role else None
        return Attached(reply or _request_link(session, attach, address, broker, access), address, None)
    right = Right.LISTEN if attach.role else Right.SEND
    access.require(address.path, right)
    make = _consumer_link if attach.role else _producer_link
    return Attached(make(session, attach, address, broker), address, right)


def _request_link(session: ServicePort, attach: Attach, address: Address, broker: Broker, access: Access) -> Link:
    answer: Callable[[Request], bytes]
    if address.hub == CBS:
        answer = lambda request: answer_cbs(request, access)  # noqa: E731
    else:
        answer = lambda request: answer_management(request, access, broker)  # noqa: E731
    return IncomingLink(session, attach, request_take(answer, lambda reply: session.respond(address.hub, reply)))


def _producer_link(session: ServicePort, attach: Attach, address: Address, broker: Broker) -> Link:
    if address.group is not None:
        raise RefusedError(NOT_ALLOWED, "A producer cannot attach to a consumer group")
    hub = broker.linked_hub(address)
    if address.partition is None:
        return IncomingLink(session, attach, producer_take(lambda messages: hub.append(messages, broker.clock.now())))
    log = broker.linked_partition(address)
    return IncomingLink(
        session, attach, producer_take(lambda messages: log.append(messages, milliseconds(broker.clock.now())))
    )


def _consumer_link(session: ServicePort, attach: Attach, address: Address, broker: Broker) -> Link:
    if address.group is None or address.partition is None:
        raise RefusedError(NOT_ALLOWED, "A consumer must name a consumer group and a partition")
    log = broker.linked_partition(address)
    selector = selector_text(attach.source)
    start = (parse_selector(selector) if selector is not None else START).resolve(log)
    key = (address.hub.casefold(), address.group.casefold(), address.partition)
    link = ConsumerLink(session, attach, log, start, broker.clock, lambda gone: broker.receivers.leave(key, gone))
    broker.receivers.admit(key, link)
    return link
