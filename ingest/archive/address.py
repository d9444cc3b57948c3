"""Which container, and by whose leave: judged before anything connects."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from acrwatch.core.errors import ConfigError
from acrwatch.core.masking import hide
from acrwatch.core.setting import Secret, Setting, secret, text
from ingest.eventhub import access

FORM: Final = "https://ACCOUNT.blob.core.windows.net"
_LOCAL: Final = ("127.0.0.1", "localhost", "::1")

SETTINGS: Final[tuple[Setting[Any], ...]] = (
    Setting("account_url", text, None, f"{FORM}, reached by Entra ID; or use one of the next two."),
    Setting("sas_url", secret, None, "URL of the account or the container, with a shared access signature behind it."),
    Setting("connection_string", secret, None, "Connection string of the account, with a key or a signature."),
    Setting(
        "credential",
        access.parse_credential,
        access.DEFAULT,
        "Where Entra ID's tokens come from, with account_url: default, managed_identity, workload_identity or "
        "environment.",
    ),
    Setting("client_id", text, None, "Client id of a user-assigned managed identity, or of the workload identity."),
    Setting(
        "connection_verify", access.parse_file, None, "PEM file of the authority to trust instead of the system's."
    ),
)


@dataclass(frozen=True, slots=True)
class Address:
    """One container of one account.

    `account` is the host in lower case, with port and path where a local emulator has them. `key` opens it: the part
    behind the `?` of a SAS URL, or a whole connection string where `url` is None; None where Entra ID is used.
    """

    account: str
    container: str
    url: str | None
    key: Secret | None = None
    credential: str = access.DEFAULT
    client_id: str | None = None
    ca_file: Path | None = None

    @property
    def name(self) -> str:
        """What messages and incidents call it."""
        return f"archive/{self.account}/{self.container}"


def from_settings(values: Mapping[str, object]) -> Address:
    """Return the address that parsed settings name; `container` is one of them. Raises ConfigError."""
    given = [name for name in ("account_url", "sas_url", "connection_string") if values.get(name) is not None]
    if len(given) != 1:
        told = f"has {' and '.join(given)}" if given else "has none of account_url, sas_url and connection_string"
        raise ConfigError(
            f"an archive {told}", remedy="Give one: account_url means Entra ID, the others carry a key or a signature"
        )
    container, value = str(values["container"]), values[given[0]]
    rest: dict[str, Any] = {}
    if values.get("connection_verify") is not None:
        rest["ca_file"] = _existing(Path(str(values["connection_verify"])))
    if isinstance(value, Secret):
        reading = _from_sas_url if given == ["sas_url"] else _from_connection_string
        return reading(value, container, rest)
    url = _split(str(value), "account_url")
    if url.query:
        raise ConfigError("account_url holds a query", remedy="Put a URL with a signature into sas_url, a secret")
    for name in ("credential", "client_id"):
        if values.get(name) is not None:
            rest[name] = values[name]
    if rest.get("client_id") is not None and rest.get("credential") == access.ENVIRONMENT:
        raise ConfigError(
            "client_id does not go with credential = 'environment'", remedy="That one reads AZURE_CLIENT_ID instead"
        )
    return Address(_account(url), container, f"{url.scheme}://{_account(url)}", **rest)


def _from_sas_url(value: Secret, container: str, rest: dict[str, Any]) -> Address:
    url = _split(value.reveal().strip(), "sas_url")
    signature = parse_qs(url.query).get("sig")
    if not signature:
        raise ConfigError("sas_url holds no signature", remedy=f"Expected {FORM}/?sv=…&sig=…, from the portal or az")
    hide(*signature, url.query)
    account = _account(url).removesuffix(f"/{container}")  # a signature for one container comes with its URL
    if "/" in account and not _is_local(url):
        raise ConfigError(
            f"sas_url is for {account.partition('/')[2]!r}, container is {container!r}",
            remedy="Name the container that the signature is for, or take a signature for the account",
        )
    return Address(account, container, f"{url.scheme}://{account}", Secret(url.query), **rest)


def _from_connection_string(value: Secret, container: str, rest: dict[str, Any]) -> Address:
    parts = {}
    for part in filter(None, value.reveal().strip().split(";")):
        key, _, written = part.partition("=")
        parts[key.strip().casefold()] = written.strip()
    name, suffix = parts.get("accountname", ""), parts.get("endpointsuffix", "core.windows.net")
    endpoint = parts.get("blobendpoint") or (f"https://{name}.blob.{suffix}" if name else "")
    if not endpoint or not parts.keys() & {"accountkey", "sharedaccesssignature"}:
        raise ConfigError(
            "connection_string is not one of a storage account",
            remedy="Expected DefaultEndpointsProtocol=https;AccountName=NAME;AccountKey=KEY;EndpointSuffix=SUFFIX",
        )
    return Address(_account(_split(endpoint, "connection_string")), container, None, value, **rest)


def _split(written: str, setting: str) -> SplitResult:
    try:
        url = urlsplit(written)
        valid = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:  # its text may quote a signature
        valid = False
    if not valid or url.username is not None:
        raise ConfigError(f"{setting} is not the URL of a storage account", remedy=f"Expected {FORM}")
    if url.scheme == "http" and not _is_local(url):
        raise ConfigError(f"{setting} begins with http://{url.hostname}", remedy="Use https, or keys would be readable")
    return url


def _is_local(url: SplitResult) -> bool:
    return url.hostname in _LOCAL


def _account(url: SplitResult) -> str:
    return (url.netloc + url.path.rstrip("/")).casefold()


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ConfigError(f"connection_verify: there is no file {path}", remedy="Name a file in PEM form")
    return path
