"""Which event hub, and by whose leave: judged before anything connects."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal
from urllib.parse import urlsplit

from acrwatch.core.errors import ConfigError
from acrwatch.core.setting import Secret, moment
from ingest.eventhub import access as access_settings
from ingest.eventhub.access import USUAL, Access

SERVICE_PORT: Final = 5671
FORM: Final = "Endpoint=sb://NAMESPACE.servicebus.windows.net/;SharedAccessKeyName=NAME;SharedAccessKey=KEY"

Start = Literal["earliest", "latest"] | datetime


@dataclass(frozen=True, slots=True)
class Address:
    """One event hub as one consumer group sees it.

    `namespace` is the host in lower case, with its port where one is given (only a local development hub has one);
    `connection_string` is None where Entra ID is used.
    """

    namespace: str
    eventhub: str
    consumer_group: str
    connection_string: Secret | None = None
    access: Access = USUAL

    @property
    def name(self) -> str:
        """What messages and incidents call it."""
        return f"eventhub/{self.namespace}/{self.eventhub}"


def from_settings(values: Mapping[str, object]) -> Address:
    """Return the address that parsed settings name. Raises ConfigError with what is missing or contradicts."""
    secret, namespace = values.get("connection_string"), values.get("fully_qualified_namespace")
    eventhub, group = values.get("eventhub"), str(values["consumer_group"])
    if (secret is None) == (namespace is None):
        raise ConfigError(
            "an eventhub source needs either connection_string or fully_qualified_namespace",
            remedy="The first carries a key; the second means Entra ID, as `credential` says",
        )
    access = access_settings.from_settings(values)
    if isinstance(secret, Secret):
        return replace(
            _from_connection_string(secret, None if eventhub is None else str(eventhub), group), access=access
        )
    if eventhub is None:
        raise ConfigError("an eventhub source with fully_qualified_namespace needs eventhub", remedy="Name the hub")
    return Address(_host(str(namespace)), str(eventhub).casefold(), group, access=access)


def _from_connection_string(secret: Secret, eventhub: str | None, group: str) -> Address:
    parts = {}
    for part in filter(None, secret.reveal().strip().split(";")):
        key, _, value = part.partition("=")
        parts[key.strip().casefold()] = value.strip()
    try:
        host = urlsplit(parts.get("endpoint", "")).netloc.casefold()
    except ValueError:
        host = ""
    if not host or not ({"sharedaccesskey", "sharedaccesskeyname"} <= parts.keys() or "sharedaccesssignature" in parts):
        raise ConfigError("connection_string is not one of Event Hubs", remedy=f"Expected {FORM}")
    hub = eventhub or parts.get("entitypath")
    if not hub:
        raise ConfigError("the event hub is not named", remedy="Set eventhub, or add ;EntityPath=HUB to the string")
    _refuse_silent_traps(host, parts.get("usedevelopmentemulator"))
    return Address(host, hub.casefold(), group, secret)


def _refuse_silent_traps(host: str, emulator: str | None) -> None:
    """Without a word the client (5.15) takes only the literal `true`, and drops a port unless that flag stands."""
    if emulator not in (None, "true", "false"):
        raise ConfigError(f"UseDevelopmentEmulator={emulator} in connection_string", remedy="Write true, in lower case")
    port = host.partition(":")[2]
    if port not in ("", str(SERVICE_PORT)) and emulator != "true":
        raise ConfigError(
            f"the endpoint {host} in connection_string names a port, which Azure does not",
            remedy="Remove it; for a local development hub add ;UseDevelopmentEmulator=true",
        )


def _host(namespace: str) -> str:
    if "/" in namespace or "." not in namespace:
        raise ConfigError(
            f"fully_qualified_namespace is {namespace!r}", remedy="Expected a host: NAMESPACE.servicebus.windows.net"
        )
    return namespace.casefold()


def parse_start(value: object) -> Start:
    """`earliest`, `latest`, or an ISO 8601 time with a zone."""
    if value == "earliest":
        return "earliest"
    if value == "latest":
        return "latest"
    try:
        return moment(value)
    except ValueError:
        raise ValueError("expected earliest, latest or a time with a zone such as 2026-11-22T00:00:00Z") from None
