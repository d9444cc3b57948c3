"""Node addresses: what a link is attached to."""

from dataclasses import dataclass

from acrwatch.devhub.auth import url_path
from acrwatch.devhub.refusal import INVALID_FIELD, NOT_FOUND, RefusedError
from acrwatch.devhub.wire_types import Described

CBS = "$cbs"
MANAGEMENT = "$management"
_FILTER_FIELD = 7  # index of `filter` in a source, OASIS AMQP 1.0 part 3 section 3.5.3
_SELECTOR = "apache.org:selector-filter:string"


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed node address; parts that an address does not name are None."""

    hub: str
    group: str | None = None
    partition: str | None = None

    @property
    def is_service(self) -> bool:
        """Whether this is one of the two request-response nodes."""
        return self.hub in (CBS, MANAGEMENT)

    @property
    def path(self) -> str:
        """The path that a right is judged by."""
        parts = [self.hub]
        parts += ["consumergroups", self.group] if self.group else []
        parts += ["partitions", self.partition] if self.partition else []
        return "/".join(parts)


def terminus_address(terminus: object) -> Address:
    """Parse the address out of a source or target.

    Raises:
        RefusedError: there is no address, or its path has an unknown shape.
    """
    if not isinstance(terminus, Described) or not isinstance(terminus.value, list) or not terminus.value:
        raise RefusedError(INVALID_FIELD, "The link has no source or target")
    address = terminus.value[0]
    if not isinstance(address, str):
        raise RefusedError(INVALID_FIELD, "The address of the link is not a string")
    return parse_address(address)


def parse_address(address: str) -> Address:
    """Parse `amqps://host/hub`, `hub/Partitions/N`, `hub/ConsumerGroups/G/Partitions/N`, `$cbs`, `$management`."""
    match url_path(address).strip("/").split("/"):
        case [hub] if hub:
            return Address(hub)
        case [_, "$management"]:
            return Address(MANAGEMENT)
        case [hub, partitions, partition] if partitions.casefold() == "partitions":
            return Address(hub, None, partition)
        case [hub, groups, group, partitions, partition] if (groups.casefold(), partitions.casefold()) == (
            *("consumergroups", "partitions"),
        ):
            return Address(hub, group, partition)
    raise RefusedError(NOT_FOUND, f"The messaging entity '{address[:200]}' could not be found.")


def selector_text(source: object) -> str | None:
    """Return the selector expression in a source's filter set, if it has one."""
    fields = source.value if isinstance(source, Described) else None
    filters = fields[_FILTER_FIELD] if isinstance(fields, list) and len(fields) > _FILTER_FIELD else None
    found = filters.get(_SELECTOR) if isinstance(filters, dict) else None
    text = found.value if isinstance(found, Described) else found
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return text if isinstance(text, str) else None
