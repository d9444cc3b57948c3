"""From a message body to the bytes of its records, whichever of Azure's envelopes they came in.

Accepted: an object with `records`, a list of such objects, a bare record, a list of records, and lines each of which is
any of these. Which shape comes by which road: Event Hubs sends the first, the storage archive lines of bare
records, and Microsoft's documentation prints the first wrapped in a list.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import msgspec

from ingest.rows import shown
from ingest.scan import elements

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

WHOLE_LIMIT: Final = 4 * 1024 * 1024
"""Bytes up to which a body is parsed in one go. A hostile body of small values makes some 20 times its size in Python
objects; Event Hubs carries 1 MB per message (20 MB in the dedicated tier). Longer ones are scanned piece by piece."""

# What may be opened depends on where a value stands: at the top a list or an envelope, in a list an envelope, and among
# an envelope's records nothing, so that an odd record is judged as one.
_TOP, _LISTED, _RECORD = range(3)

SAMPLE_LINES: Final = 1_000
"""Lines looked at to tell lines from a broken document; more would only cost time."""

_RAW_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_LINE: Final = re.compile(rb"[^\n]++")  # a bare carriage return is white space between members, as JSON has it
_RECORDS_MEMBER: Final = re.compile(rb'"records"\s*+:\s*+\[')
_ENVELOPE_END: Final = re.compile(rb"\]\s*+(?:,\s*+\"[^{}\[\]]*+)?\}?\s*+")
_BLANK: Final = b" \t\r\n"
_OPENING: Final = (b"{", b"[")
_ANY: Final = msgspec.json.Decoder(msgspec.Raw)


class _Envelope(msgspec.Struct):
    records: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes in which no record can be found, and why. `whole` says that they are the message, not a part of it."""

    reason: str
    detail: str
    body: bytes
    whole: bool = False


def unwrap(body: bytes) -> Iterator[bytes | Damage]:
    """Yield the bytes of each record, in order, and the damage between; nothing is yielded for an empty envelope.

    A record's bytes need not be valid JSON. Never raises, whatever the bytes.
    """
    text = body.removeprefix(BYTE_ORDER_MARK).strip(_BLANK)
    nothing = True
    for piece in _pieces(text):
        nothing = False
        if isinstance(piece, Damage) and len(piece.body) == len(text):
            yield replace(piece, body=body, whole=True)
        else:
            yield piece
    if nothing and not _is_json(text):
        yield Damage("invalid_json", f"{shown(text)} is neither JSON nor holds any", body, whole=True)


def _pieces(text: bytes) -> Iterator[bytes | Damage]:
    if not text:
        yield Damage("invalid_json", "the message is empty", text)
    elif _is_json(text) and text[:1] in _OPENING:
        yield from _opened(text, _TOP)
    elif _is_lines(text):
        for line in _LINE.finditer(text):
            yield from _opened(line[0].removeprefix(BYTE_ORDER_MARK).strip(_BLANK), _TOP)
    elif text[:1] not in _OPENING:
        yield _not_json(text)
    else:
        yield from _values(text, 0, _TOP)


def _not_json(text: bytes) -> Damage:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        where = f"byte {error.start}, in {shown(text)}"
        return Damage("invalid_utf8", f"the message is not UTF-8 at {where}", text)
    return Damage(
        "invalid_json", f"the message starts with {shown(text)} where a JSON object or array is expected", text
    )


def _is_json(text: bytes) -> bool:
    try:
        _ANY.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_lines(text: bytes) -> bool:
    """Return whether half the lines or more are JSON of their own, so that a damaged line can be told from the next."""
    lines = closed = 0
    for line in islice(_LINE.finditer(text), SAMPLE_LINES):
        lines += 1
        closed += _is_json(line[0])
    return lines > 1 and closed * 2 >= lines


def _opened(value: bytes, level: int) -> Iterator[bytes | Damage]:
    """Yield the records inside one value: of a list its elements, of an envelope its `records`, else the value."""
    if not value:
        return
    if value[:1] == b"[" and level == _TOP:
        yield from _listed(value, _LISTED)
    elif value[:1] == b"{" and level != _RECORD:
        yield from _enveloped(value)
    else:
        yield value


def _listed(value: bytes, level: int) -> Iterator[bytes | Damage]:
    if len(value) <= WHOLE_LIMIT:
        try:
            items = _RAW_LIST.decode(value)
        except (ValueError, RecursionError):
            pass
        else:
            for item in items:
                yield from _opened(bytes(item), level)
            return
    yield from _values(value, 1, level, b"]")


def _enveloped(value: bytes) -> Iterator[bytes | Damage]:
    try:
        records = _ENVELOPE.decode(value).records
    except (ValueError, RecursionError):
        yield from _searched(value)
        return
    if isinstance(records, msgspec.UnsetType):
        yield value
    elif bytes(records)[:1] == b"[":
        yield from _listed(bytes(records), _RECORD)
    else:
        yield Damage(
            "wrong_type", f"records is {shown(bytes(records), quoted=False)} where an array is expected", value
        )


def _searched(value: bytes) -> Iterator[bytes | Damage]:
    """Open an object that is not JSON as a whole: an envelope with a bad record in it, or itself a bad record."""
    match = _RECORDS_MEMBER.search(value)
    if match is None:
        yield value
    else:
        yield from _values(value, match.end(), _RECORD, b"]")


def _values(data: bytes, start: int, level: int, closing: bytes = b"") -> Iterator[bytes | Damage]:
    """Open each value from `start` to the closing bracket; what never ends, or follows oddly, is damage."""
    end = start
    for begin, end, whole in elements(data, start, closing):
        yield from _opened(data[begin:end], level) if whole else _cut_off(data[begin:end], level)
    rest = data[end:].strip(_BLANK + b",")
    # After an envelope's `]` come its closing brace and perhaps members of its own, which describe transport.
    if rest and not _ENVELOPE_END.fullmatch(rest):
        yield Damage("invalid_json", f"{shown(rest)} follows the end of the records", rest)


def _cut_off(value: bytes, level: int) -> Iterator[bytes | Damage]:
    """Yield the whole records before the place where a body breaks off, then the rest as damage."""
    envelope = _RECORDS_MEMBER.search(value) if value[:1] == b"{" and level != _RECORD else None
    if envelope is not None:
        yield from _values(value, envelope.end(), _RECORD, b"]")
    elif value[:1] == b"[" and level == _TOP:
        yield from _values(value, 1, _LISTED, b"]")
    else:
        yield Damage("invalid_json", f"{shown(value)} never ends: the message is cut off or unbalanced", value)
