"""By which road and as whom an event hub is reached: what the Azure client offers beyond an address."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from acrwatch.core.errors import ConfigError
from acrwatch.core.setting import Secret, text

DEFAULT, MANAGED, WORKLOAD, ENVIRONMENT = "default", "managed_identity", "workload_identity", "environment"
CREDENTIALS: Final = (DEFAULT, MANAGED, WORKLOAD, ENVIRONMENT)
AMQP, WEBSOCKET = "amqp", "websocket"
TRANSPORTS: Final = (AMQP, WEBSOCKET)
PROXY_FORM: Final = "http://[USER:PASSWORD@]HOST:PORT"
_ENDPOINT_FORM: Final = "sb://HOST or sb://HOST:PORT"


@dataclass(frozen=True, slots=True)
class Access:
    """`credential` counts only where there is no connection string; `client_id` None means the one that Azure assigns.

    `endpoint` is where connections go instead of the namespace's own host, which stays the name; `ca_file` is what
    signs its certificate, None for the system's authorities; `proxy` is of the form http://[USER:PASSWORD@]HOST:PORT.
    """

    credential: str = DEFAULT
    client_id: str | None = None
    endpoint: str | None = None
    transport: str = AMQP
    ca_file: Path | None = None
    proxy: Secret | None = None

    def proxy_options(self) -> dict[str, object] | None:
        """Return the client's `http_proxy`. Its asyncio half cannot parse the host's name without a scheme."""
        if self.proxy is None:
            return None
        url = urlsplit(self.proxy.reveal())
        found: dict[str, object] = {"proxy_hostname": f"http://{_host(url)}", "proxy_port": url.port}
        if url.username is not None:
            found |= {"username": unquote(url.username), "password": unquote(url.password or "")}
        return found


def from_settings(values: Mapping[str, object]) -> Access:
    """Return the access that parsed settings name; what they leave out is as usual. Raises ConfigError."""
    given: dict[str, Any] = {name: values[key] for name, key in _KEYS.items() if values.get(key) is not None}
    access = Access(**given)
    if access.proxy is not None and access.transport != WEBSOCKET:
        raise ConfigError(
            "http_proxy works with WebSockets only: the client's plain AMQP goes past every proxy",
            remedy=f'Set transport = "{WEBSOCKET}"',
        )
    if access.client_id is not None and access.credential == ENVIRONMENT:
        raise ConfigError(
            "client_id does not go with credential = 'environment'", remedy="That one reads AZURE_CLIENT_ID instead"
        )
    if access.ca_file is not None and not access.ca_file.is_file():
        raise ConfigError(f"connection_verify: there is no file {access.ca_file}", remedy="Name a file in PEM form")
    return access


_KEYS: Final = {
    "credential": "credential",
    "client_id": "client_id",
    "endpoint": "custom_endpoint_address",
    "transport": "transport",
    "ca_file": "connection_verify",
    "proxy": "http_proxy",
}


def parse_credential(value: object) -> str:
    """One of CREDENTIALS."""
    return _one_of(CREDENTIALS, value)


def parse_transport(value: object) -> str:
    """One of TRANSPORTS."""
    return _one_of(TRANSPORTS, value)


def parse_file(value: object) -> Path:
    """The path of a file; relative ones are relative to the configuration's folder."""
    return Path(text(value))


def parse_endpoint(value: object) -> str:
    """`HOST`, `HOST:PORT` or either after sb://; returned with the scheme, without which the client reads it anew."""
    written = text(value)
    url = _split(written if "://" in written else f"sb://{written}", _ENDPOINT_FORM)
    if url.scheme not in ("sb", "amqps", "https") or not _is_place(url) or url.path.strip("/"):
        raise ValueError(f"expected {_ENDPOINT_FORM}")
    return f"sb://{url.netloc}"


def parse_proxy(value: object) -> Secret:
    """http://[USER:PASSWORD@]HOST:PORT; secret, for it may hold a password."""
    url = _split(text(value), PROXY_FORM)
    if url.scheme != "http" or not _is_place(url) or url.port is None or url.path.strip("/"):
        raise ValueError(f"expected {PROXY_FORM}")
    return Secret(text(value))


def _one_of(words: tuple[str, ...], value: object) -> str:
    if not isinstance(value, str) or value not in words:
        raise ValueError(f"expected {', '.join(words[:-1])} or {words[-1]}")
    return value


def _split(written: str, form: str) -> SplitResult:
    try:
        return urlsplit(written)
    except ValueError:  # its text may quote a password
        raise ValueError(f"expected {form}") from None


def _is_place(url: SplitResult) -> bool:
    try:
        return bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:  # the port is no number up to 65535
        return False


def _host(url: SplitResult) -> str:
    host = url.hostname or ""
    return f"[{host}]" if ":" in host else host


USUAL: Final = Access()
