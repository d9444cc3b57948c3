"""Request and response bodies as they may be stored: names folded, and nothing in them that opens a registry.

Azure does not document which bodies the Activity Log carries, so whatever could be a secret is taken out by its name,
its place or its shape, before anything is written.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from acrwatch.core.masking import mask
from ingest.json_object import object_in, object_of
from ingest.rows import UnfitError

REMOVED: Final = "(removed)"
TEXT_CHARACTERS: Final = 2_000
"""Characters kept of one text: a scope map's action or a resource id has some hundred."""

# By name, case folded. Tags are the customer's own words, of which no rule knows anything.
_SECRETS: Final = (
    r"[a-z0-9_.-]*(?:password|secret|credential|certificate|connectionstring|sastoken|signature|customheaders)[a-z0-9_.-]*"
    r"|(?:access|api|private|shared|primary|secondary|account)_?-?keys?|keys?|[a-z0-9_]*token|authorization|cookie|tags"
)
_IS_SECRET: Final = re.compile(_SECRETS)
# The same in JSON that is broken, or lies as text in other JSON: up to the end of what looks like its value.
_BROKEN: Final = re.compile(
    rb'(\\*"(?:' + _SECRETS.encode() + rb')\\*"\s*:\s*)(\[[^\]]*\]?|\{[^}]*\}?|\\*"[^"]*"?|[^,}\]]+)', re.IGNORECASE
)
# What stands in records of the control plane alone: the registry's own keep every byte.
_CONTROL: Final = re.compile(
    rb'"(?:resultsignature|claims|httprequest|re(?:quest|sponse)body|categoryvalue)\\*"', re.IGNORECASE
)


def body_of(given: Any) -> dict[str, Any] | None:
    """Return a body, given as object or as JSON text, with folded names, its `properties` lifted, without secrets.

    None where there is none, or none that is an object.
    """
    body = given if isinstance(given, dict) else object_in(given)
    if not body:
        return None
    folded: dict[str, Any] = _folded(body)
    inner = folded.pop("properties", None)
    return folded | inner if isinstance(inner, dict) else folded


def _folded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name.casefold(): _member(name.casefold(), inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_folded(inner) for inner in value]
    return _plain(value) if isinstance(value, str) else value


def _member(name: str, value: Any) -> Any:
    return REMOVED if _IS_SECRET.fullmatch(name) else _folded(value)


def _plain(text: str) -> str:
    """Return a text without credentials: of a URL the host alone, for paths and queries of webhooks are secrets."""
    parts = urlsplit(text) if text[:8].casefold().startswith(("http://", "https://")) else None
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts else mask(text)
    return shown if len(shown) <= TEXT_CHARACTERS else shown[: TEXT_CHARACTERS - 1] + "…"


def without_secrets(raw: bytes) -> bytes:
    """Return bytes that could not become a row as they may be kept: those that may be of the Activity Log lose their
    secrets, all others stay as they are. What is no JSON is searched for the names of secrets."""
    if not _CONTROL.search(raw):
        return raw
    try:
        return msgspec.json.encode(_shorn(object_of(raw)))
    except (UnfitError, RecursionError):
        return _BROKEN.sub(lambda found: found[1] + b'"' + REMOVED.encode() + b'"', raw)


def _shorn(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: REMOVED if _IS_SECRET.fullmatch(name.casefold()) and not isinstance(inner, Mapping) else _shorn(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_shorn(inner) for inner in value]
    if not isinstance(value, str):
        return value
    inner = object_in(value)
    return mask(value) if inner is None else msgspec.json.encode(_shorn(inner)).decode()
