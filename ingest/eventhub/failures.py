"""What the Azure client's errors mean: each becomes one line of ours that names hub and namespace, never a key."""

import re
from typing import Final

from acrwatch.core.errors import AcrWatchError, AuthError, NotFoundError, RemoteUnreachableError
from acrwatch.core.setting import Secret
from ingest.eventhub.address import Address

_REFUSALS: Final = ("AuthenticationError", "ClientAuthenticationError", "CredentialUnavailableError")


class StolenError(RemoteUnreachableError):
    """Another reader of the consumer group has attached to the partition and taken the link over."""


class UnopenedError(RemoteUnreachableError):
    """The hub answers, but no link comes about, and the client does not say why."""


def unopened(address: Address) -> UnopenedError:
    """Return the error for a link that never opened."""
    return UnopenedError(
        f"event hub {address.eventhub!r} at {address.namespace} answers, but opens no receiver",
        remedy=f"Check that the consumer group {address.consumer_group!r} exists and has fewer than 5 readers, and "
        "that the key or role may listen",
    )


def translate(error: BaseException, address: Address) -> AcrWatchError:
    """Return our error for one of the client's."""
    if isinstance(error, AcrWatchError):
        return error
    condition = str(getattr(error, "error", "") or "")
    status = re.search(r"Status code: (\d+)", str(error))  # of the token exchange; the client keeps it in words only
    kind = type(error).__name__
    where = f"event hub {address.eventhub!r} at {address.namespace}"
    words = _first_line(error, address)
    if "link:stolen" in f"{condition} {error}":
        return StolenError(
            f"another reader took over a partition of {where} (consumer group {address.consumer_group!r})",
            remedy="Between processes of one state database that is the balance; give anything else a group of its own",
        )
    missing = condition == "not-found" or (status is not None and status[1] == "404")
    if not missing and (kind in _REFUSALS or condition == "unauthorized-access"):
        return AuthError(
            f"{where} refused our credentials ({words})",
            remedy="Use a key of a rule with the Listen claim, or give our identity the role 'Azure Event Hubs Data "
            "Receiver'",
        )
    if missing:
        return NotFoundError(
            f"{where} or its consumer group {address.consumer_group!r} does not exist ({words})",
            remedy="Check eventhub, consumer_group and the namespace",
        )
    return RemoteUnreachableError(
        f"{where} cannot be reached ({words})",
        remedy="Check the network (port 5671, or 443 for WebSockets) and that the namespace exists; a running service "
        "tries again by itself",
    )


def _first_line(error: BaseException, address: Address) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    words = next((line.removeprefix("Description: ") for line in lines if line.startswith("Description: ")), lines[0])
    for value in _secrets(address):
        words = words.replace(value, "********")
    return words[:300]


def _secrets(address: Address) -> list[str]:
    found = []
    if address.connection_string is not None:
        for part in address.connection_string.reveal().split(";"):
            key, _, value = part.partition("=")
            if key.strip().casefold() in ("sharedaccesskey", "sharedaccesssignature"):
                found.append(value)
    proxy = address.access.proxy_options() or {}
    found.append(str(proxy.get("password", "")))
    if isinstance(address.access.proxy, Secret):
        found.append(address.access.proxy.reveal())
    return [value for value in found if value]
