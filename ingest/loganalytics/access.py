"""Which workspaces, and by whose leave: judged before anything connects."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from acrwatch.core.errors import ConfigError
from acrwatch.core.setting import text, texts
from ingest.eventhub import access as entra
from ingest.eventhub.access import USUAL, Access

PUBLIC_CLOUD: Final = "https://api.loganalytics.io"
ENDPOINT_FORM: Final = "https://HOST or https://HOST:PORT"
_GUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class LogsAccess:
    """`workspaces` are their ids, GUIDs in lower case. `entra` holds whose tokens are used, and what authority signs
    the endpoint's certificate; `audience` is what the tokens are for, None for the endpoint itself."""

    workspaces: tuple[str, ...]
    endpoint: str = PUBLIC_CLOUD
    audience: str | None = None
    entra: Access = USUAL


def from_settings(values: Mapping[str, object]) -> LogsAccess:
    """Return the access that parsed settings name. Raises ConfigError where they contradict each other."""
    workspaces, audience = values["workspaces"], values.get("audience")
    assert isinstance(workspaces, tuple)
    if not workspaces:
        raise ConfigError("no workspace is named", remedy="Set workspaces to their ids")
    return LogsAccess(
        tuple(dict.fromkeys(workspaces)),
        str(values.get("endpoint") or PUBLIC_CLOUD),
        None if audience is None else str(audience),
        entra.from_settings(values),
    )


def parse_workspaces(value: object) -> tuple[str, ...]:
    """A list of workspace ids; from the environment, comma separated."""
    return tuple(map(parse_workspace, texts(value)))


def parse_workspace(value: object) -> str:
    """The id of a workspace, in lower case."""
    folded = text(value).casefold()
    if not _GUID.fullmatch(folded):
        raise ValueError(
            "expected the id of a workspace, such as 00000000-0000-0000-0000-000000000000 "
            "(az monitor log-analytics workspace show --query customerId)"
        )
    return folded


def parse_endpoint(value: object) -> str:
    """An address of the query API, without a path; https alone, for a token goes with every question."""
    written = text(value).rstrip("/").removesuffix("/v1")
    try:
        url = urlsplit(written)
        usable = url.scheme == "https" and bool(url.hostname) and not url.path and url.username is None
        usable = usable and (url.port is None or url.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"expected {ENDPOINT_FORM}")
    return written
