"""What all connections share: the hubs, the key, the clock, the receivers."""

from collections.abc import Iterable, Mapping

from acrwatch.core.clock import Clock
from acrwatch.core.errors import AuthError, NotFoundError
from acrwatch.devhub.addresses import Address
from acrwatch.devhub.auth import SAS_TOKEN_TYPE, Grant, Right, SasVerifier, resource_path
from acrwatch.devhub.entra import JWT_TOKEN_TYPE, TokenIssuer
from acrwatch.devhub.hub import Hub
from acrwatch.devhub.log import PartitionLog, Retention
from acrwatch.devhub.receivers import ReceiverRegistry
from acrwatch.devhub.refusal import NOT_FOUND, OUT_OF_RANGE, UNAUTHORIZED, RefusedError


class Broker:
    """The namespace: finds hubs, groups and partitions, and judges tokens."""

    def __init__(
        self,
        hubs: Mapping[str, int],
        groups: Iterable[str],
        verifier: SasVerifier,
        issuer: TokenIssuer,
        clock: Clock,
        retention: Retention,
    ) -> None:
        now = clock.now()
        self.clock = clock
        self.receivers = ReceiverRegistry()
        self._hubs = {name.casefold(): Hub(name, count, retention, now) for name, count in hubs.items()}
        self._groups = {group.casefold() for group in groups}
        self._verifier = verifier
        self._issuer = issuer
        self._retention = retention

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

    def recreate(self, name: str) -> None:
        """Put an empty hub in the place of one, with as many partitions. Links to the old one keep reading that.

        Raises:
            NotFoundError: there is none of that name.
        """
        old = self.hub(name)
        self._hubs[name.casefold()] = Hub(old.name, len(old.partitions), self._retention, self.clock.now())

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

    def grant(self, audience: str, token_type: object, token: object) -> Grant:
        """Judge a token that was put to `$cbs` for an audience.

        Raises:
            AuthError: it is neither a valid shared access signature nor a valid token of this endpoint's issuer.
            NotFoundError: it is for a hub that does not exist.
        """
        if token_type == SAS_TOKEN_TYPE and isinstance(token, str):
            grant = self._verifier.verify(token, self.clock.now())
        elif token_type == JWT_TOKEN_TYPE and isinstance(token, str):
            grant = self._issuer.verify(token, self.clock.now(), resource_path(audience))
        else:
            raise AuthError(
                f"InvalidIssuer: this endpoint cannot check tokens of type '{token_type}'",
                remedy="Connect with its connection string, or with tokens that it issued",
            )
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
        if not isinstance(audience, str):
            raise AuthError("InvalidAudience: the token was put for no entity")
        grant = self._broker.grant(audience, token_type, token)
        if not grant.covers(resource_path(audience), self._broker.clock.now()):
            raise AuthError("InvalidAudience: the token does not cover the entity it was put for")
        self._grants[grant.path] = grant

    def knows(self, path: str) -> bool:
        """Tell whether some unexpired grant gives any right to `path`."""
        return any(self.allows(path, right) for right in Right)

    def allows(self, path: str, right: Right) -> bool:
        """Tell whether some unexpired grant gives this right to `path`."""
        now = self._broker.clock.now()
        return any(grant.allows(path, right, now) for grant in self._grants.values())

    def require(self, path: str, right: Right) -> None:
        """Insist on `allows`.

        Raises:
            RefusedError: no grant gives this right to `path`.
        """
        if not self.allows(path, right):
            raise RefusedError(
                UNAUTHORIZED, f"Unauthorized access. '{right.value}' claim(s) are required for '{path}'."
            )
