"""Where actors write what they do; the tape turns each deed into a wire record, oddities included."""

from collections.abc import Mapping
from random import Random
from typing import Any, Final, NamedTuple, NotRequired, TypedDict, Unpack

from acrwatch.simulate.activity_wire import STARTED, SUCCEEDED, activity_record
from acrwatch.simulate.chance import guid
from acrwatch.simulate.images import Image
from acrwatch.simulate.registry import Registry
from acrwatch.simulate.wire import (
    CREATED,
    NIL,
    OK,
    PULL,
    PUSH,
    TICKS_PER_SECOND,
    Record,
    login_record,
    repository_record,
)

# Seen in vendors' parsers for these logs, rates are ours: most callers arrive as a bare address, few with a port
# (`192.0.2.7:50123`, `[2001:db8::1]:50123`), and fewer as an IPv4 address mapped into IPv6.
_WITH_PORT: Final = 0.01
_MAPPED: Final = 0.005

_THROTTLED: Final = 0.004
"""Share of image pulls that meet a 429 and are retried, as clients do."""


class Caller(NamedTuple):
    """Who speaks to which registry, from where, with what."""

    registry: Registry
    identity: str
    address: str
    user_agent: str


class Told(TypedDict):
    """What a record of the Activity Log says beside when, who and what; see `activity_record`."""

    below: str
    result: str
    correlation: str
    request: NotRequired[Mapping[str, Any] | str | None]
    signature: NotRequired[str | None]
    app: NotRequired[str]
    above: NotRequired[bool]
    noted: NotRequired[Mapping[str, Any] | None]


class Draft(NamedTuple):
    """A record that has not yet found its place in time. `label` names the attack it belongs to, if any."""

    ticks: int
    registry: str
    record: Record
    label: str | None


def seconds(value: float) -> int:
    """Return seconds as ticks."""
    return int(value * TICKS_PER_SECOND)


class Tape:
    """Collects drafts. All chance comes from the one generator given, so equal generators write equal tapes."""

    def __init__(self, random: Random, *, label: str | None = None) -> None:
        self.random = random
        self.drafts: list[Draft] = []
        self._label = label

    def login(self, ticks: int, caller: Caller, status: str = OK) -> None:
        """Write a login. A refused one carries no token id."""
        ticks += self._lag()
        record = login_record(
            caller.registry,
            ticks=ticks,
            identity=caller.identity,
            address=self._odd(caller.address),
            status=status,
            duration=self._duration(),
            correlation=self._guid(),
            user_agent=caller.user_agent,
            jwt_id=self._guid() if status == OK else "",
        )
        self.drafts.append(Draft(ticks, caller.registry.name, record, self._label))

    def act(
        self,
        ticks: int,
        caller: Caller,
        operation: str,
        repository: str,
        *,
        tag: str = NIL,
        digest: str = NIL,
        media_type: str = NIL,
        status: str = OK,
    ) -> None:
        """Write any other operation; what it does not name or resolve stays `<nil>`."""
        ticks += self._lag()
        record = repository_record(
            caller.registry,
            ticks=ticks,
            operation=operation,
            identity=caller.identity,
            address=self._odd(caller.address),
            status=status,
            duration=self._duration(),
            correlation=self._guid(),
            user_agent=caller.user_agent,
            repository=repository,
            tag=tag,
            digest=digest,
            media_type=media_type,
        )
        self.drafts.append(Draft(ticks, caller.registry.name, record, self._label))

    def control(
        self,
        ticks: int,
        caller: Caller,
        operation: str,
        *,
        below: str = "",
        request: Mapping[str, Any] | None = None,
        result: str = SUCCEEDED,
    ) -> None:
        """Write an action on the control plane: that it was started, with the request, and how it ended seconds later.

        Of a caller's address the Activity Log is not known to add ports or mapped forms.
        """
        correlation = self.correlation()
        for outcome, body in ((STARTED, request), (result, None)):
            self.activity(ticks, caller, operation, below=below, result=outcome, correlation=correlation, request=body)
            ticks += seconds(1.0 + 20.0 * self.random.random())

    def activity(self, ticks: int, caller: Caller, operation: str, **told: Unpack[Told]) -> None:
        """Write one record of the Activity Log; what is `told` goes into it as it is."""
        record = activity_record(
            caller.registry,
            ticks=ticks,
            operation=operation,
            identity=caller.identity,
            address=caller.address,
            **told,
        )
        self.drafts.append(Draft(ticks, caller.registry.name, record, self._label))

    def correlation(self) -> str:
        """Return the id that one action's records share."""
        return self._guid()

    def failed_pull(self, ticks: int, caller: Caller, repository: str, reference: str, status: str) -> None:
        """Write a pull that resolved nothing: the reference in `tag`, `<nil>` for digest and media type."""
        self.act(ticks, caller, PULL, repository, tag=reference, status=status)

    def pull(self, ticks: int, caller: Caller, image: Image, *, by_digest: bool = False) -> None:
        """Write a multi-architecture pull: the index, by tag or digest, then the platform's manifest by digest.

        What `tag` holds on a successful pull by digest is not established; here it is the digest, as on a failed one.
        """
        reference = image.index_digest if by_digest else image.tag
        if self.random.random() < _THROTTLED:
            self.failed_pull(ticks, caller, image.repository, reference, "429")
            ticks += seconds(1.0 + 4.0 * self.random.random())
        index, platform = image.index_digest, image.amd64_digest
        self.act(ticks, caller, PULL, image.repository, tag=reference, digest=index, media_type=image.index_type)
        ticks += seconds(0.05 + 0.3 * self.random.random())
        self.act(ticks, caller, PULL, image.repository, tag=platform, digest=platform, media_type=image.manifest_type)

    def push(self, ticks: int, caller: Caller, image: Image) -> None:
        """Write a multi-architecture push: both platforms by digest, then the index by tag."""
        name = image.repository
        for tag, digest, kind in (
            (image.amd64_digest, image.amd64_digest, image.manifest_type),
            (image.arm64_digest, image.arm64_digest, image.manifest_type),
            (image.tag, image.index_digest, image.index_type),
        ):
            self.act(ticks, caller, PUSH, name, tag=tag, digest=digest, media_type=kind, status=CREATED)
            ticks += seconds(0.4 + 3.0 * self.random.random())

    def _lag(self) -> int:
        """Return up to 40 ms of network, so that no two records lie whole seconds apart."""
        return int(400_000 * self.random.random())

    def _guid(self) -> str:
        return guid(f"{self.random.getrandbits(128):032x}")

    def _duration(self) -> str:
        return f"{4.0 + 320.0 * self.random.random() ** 4:.6f}"

    def _odd(self, address: str) -> str:
        draw = self.random.random()
        if draw >= _WITH_PORT + _MAPPED or not address:
            return address
        if ":" in address:
            return f"[{address}]:{30000 + int(draw * 1e6)}"
        return f"{address}:{30000 + int(draw * 1e6)}" if draw < _WITH_PORT else f"::ffff:{address}"
