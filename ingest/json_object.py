"""JSON objects out of bytes that nobody vouches for: strict where databases and UTF-8 are, exact where numbers are."""

import json
import math
import re
from typing import Any, Final

from ingest.rows import UnfitError, shown

INTEGER_DIGITS: Final = 18
"""Longer integers are kept as text, digit by digit: past 64 bits most readers of `extra` would round them."""

RECORD_LIMIT: Final = 1024 * 1024
"""Bytes of one record; Event Hubs allows a whole message no more. Small values take some 20 times that as objects."""

_ESCAPE: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def object_of(raw: bytes) -> dict[str, Any]:
    """Return the object that these bytes are. Raises UnfitError."""
    if len(raw) > RECORD_LIMIT:
        raise UnfitError("record_too_long", f"the record has {len(raw)} bytes, more than {RECORD_LIMIT}")
    record = _json(raw)
    if not isinstance(record, dict):
        raise UnfitError("wrong_type", f"the record is {shown(record)} where an object is expected")
    if _ESCAPE.search(raw):
        _refuse_odd_characters(record)
    return record


def _json(raw: bytes) -> Any:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        bad = shown(raw[error.start : error.end])
        raise UnfitError("invalid_utf8", f"byte {error.start} of the record, {bad}, is not UTF-8") from None
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_float, parse_int=_int)
    except json.JSONDecodeError as error:
        near = shown(text[error.pos : error.pos + 40])
        raise UnfitError("invalid_json", f"{error.msg} at character {error.pos}, near {near}") from None


def _refuse_constant(name: str) -> Any:
    raise UnfitError("invalid_json", f"{name} is not a JSON number")


def _float(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _int(text: str) -> int | str:
    return int(text) if len(text) <= INTEGER_DIGITS else text


def _refuse_odd_characters(record: dict[str, Any]) -> None:
    """Raise UnfitError for U+0000, which databases refuse, and for half a surrogate pair, which UTF-8 cannot hold."""
    pending: list[Any] = [record]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.keys())
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, str):
            _refuse_odd_text(value)


def _refuse_odd_text(text: str) -> None:
    if "\0" in text:
        raise UnfitError("null_character", f"text {shown(text)} holds the character U+0000")
    if _SURROGATE.search(text):
        raise UnfitError("lone_surrogate", f"text {shown(text)} holds half a surrogate pair")


def object_in(text: Any) -> dict[str, Any] | None:
    """Return the object that a text holds as JSON, as some exporters write objects; None where it holds none."""
    if not isinstance(text, str) or not text.startswith("{"):
        return None
    try:
        value = _json(text.encode())
    except UnfitError:
        return None
    if isinstance(value, dict):
        _refuse_odd_characters(value)
        return value
    return None
