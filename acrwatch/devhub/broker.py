"""What all connections share: the hubs, the key, the clock, the receivers."""

from collections.abc import Iterable, Mapping

from acrwatch.core.clock import Clock
from acrwatch.core.errors import AuthError, NotFoundError
from acrwatch.devhub.addresses import Address
from acrwatch.devhub.auth import SAS_TOKEN_TYPE, Grant, SasVerifier, resource_path
from acrwatch.devhub.hub import Hub
from acrwatch.devhub.log import PartitionLog, Retention
from acrwatch.devhub.receivers import ReceiverRegistry
from acrwatch.devhub.refusal import NOT_FOUND, OUT_OF_RANGE, UNAUTHORIZED, RefusedError


class Broker:
    """The namespace: finds hubs, groups and partitions, and judges tokens."""

    def __init__(
        self, hubs: Mapping[str, int], groups: Iterable[str], verifier: SasVerifier, clock: Clock, retention: Retention
    ) -> None:
        now = clock.now()
        self.clock = clock
        self.receivers = ReceiverRegistry()
        self._hubs = {name.casefold(): Hub(name, count, retention, now) for name, count in hubs.items()}
        self._groups = {group.casefold() for group in groups}
        self._verifier = verifier

    def hub(self, name: str) -> Hub:
        """Return a hub by name, case ignored.

        Raises:
            NotFoundError: there is none of that name.
        """
        try:
            return self._hubs[name.casefold()]
        except KeyError:
            known = ", ".join(sorted(hub.name for hub in self._hubs.values()))
            raise NotFoundError(
                f"The messaging entity '{name}' could not be found", remedy=f"Known hubs: {known}"
            ) from None

    def linked_hub(self, address: Address) -> Hub:
        """Return the hub that a link wants.

        Raises:
            RefusedError: there is none of that name.
        """
        try:
            return self.hub(address.hub)
        except NotFoundError as error:
            raise RefusedError(NOT_FOUND, str(error)) from error

    def linked_partition(self, address: Address) -> PartitionLog:
        """Return the partition that a link wants, having looked at hub and consumer group.

        Raises:
            RefusedError: one of them does not exist.
        """
        hub = self.linked_hub(address)
        if address.group is not None and address.group.casefold() not in self._groups:
            raise RefusedError(NOT_FOUND, f"The messaging entity '{hub.name}|{address.group}' could not be found.")
        try:
            return hub.partition(address.partition or "")
        except NotFoundError as error:
            message = f"The specified partition is invalid for an EventHub partition sender or receiver. {error}"
            raise RefusedError(OUT_OF_RANGE, message) from error

    def grant(self, token_type: object, token: object) -> Grant:
        """Judge a token from `$cbs`.

        Raises:
            AuthError: it is not a valid shared access signature of this endpoint.
            NotFoundError: it is for a hub that does not exist.
        """
        if token_type != SAS_TOKEN_TYPE or not isinstance(token, str):
            raise AuthError(
                f"InvalidIssuer: this endpoint cannot check tokens of type '{token_type}'",
                remedy="Connect with its connection string",
            )
        grant = self._verifier.verify(token, self.clock.now())
        if grant.path:
            self.hub(grant.path.split("/")[0])
        return grant


class Access:
    """What one connection may do: the grants its tokens gave."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._grants: dict[str, Grant] = {}

    def put_token(self, audience: object, token_type: object, token: object) -> None:
        """Take a token for an audience.

        Raises:
            AuthError: the token is not valid, or does not cover its audience.
            NotFoundError: it is for a hub that does not exist.
        """
        grant = self._broker.grant(token_type, token)
        if not isinstance(audience, str) or not grant.covers(resource_path(audience), self._broker.clock.now()):
            raise AuthError("InvalidAudience: the token does not cover the entity it was put for")
        self._grants[grant.path] = grant

    def allows(self, path: str) -> bool:
        """Tell whether some unexpired grant covers `path`."""
        now = self._broker.clock.now()
        return any(grant.covers(path, now) for grant in self._grants.values())

    def require(self, path: str) -> None:
        """Insist on `allows`.

        Raises:
            RefusedError: no grant covers `path`.
        """
        if not self.allows(path):
            raise RefusedError(UNAUTHORIZED, f"Unauthorized access. A valid token is required for '{path}'.")
