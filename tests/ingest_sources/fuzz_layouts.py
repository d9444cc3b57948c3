"""Files as people and tools write them: records in every layout and packing; and what may happen to a file."""

import gzip
import io
import json
from collections.abc import Sequence
from random import Random
from typing import Any, Final

_TEXTS: Final = (
    *("", "a", "é", "\U0001f600", "\\", '"', "]}", '{"records": [', '\\"', "\n", "\r\n", "\0", "\ufeff", "null"),
    *("\u2028", "x" * 300, "records", "\ud800", "192.0.2.7"),
)
_NAMES: Final = (
    *("time", "identity", "Records", "records ", 'x"records', 'x\\"records', "é", "", "records\\", "properties"),
    *("{", "[", '"'),
)
_SCALARS: Final = (None, True, 0, -1.5, 2**70, 1e300)
_EDGES: Final = (
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\r",
    b"\0",
    b"\x1f\x8b",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
)


def whole(chance: Random) -> tuple[bytes, list[Any]]:
    """Return a file and the records that it holds."""
    records = [_record(chance) for _ in range(chance.choice((0, 1, 1, 2, 3, 5, 12)))]
    text = _laid_out(records, chance)
    encoding = chance.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-be"))
    content = (("\ufeff" if encoding == "utf-16-be" else "") + text).encode(encoding)
    return (_packed(content, chance) if chance.random() < 0.6 else content), records


def damaged(data: bytes, chance: Random) -> bytes:
    """Return a file to which something has happened."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        place = chance.randrange(len(found) + 1)
        match chance.randrange(8):
            case 0:
                del found[place:]
            case 1:
                found[place : place + 1] = bytes((chance.randrange(256),))
            case 2 if place < len(found):
                found[place] ^= 1 << chance.randrange(8)
            case 3:
                del found[place : place + chance.choice((1, 8, 100))]
            case 4:
                found[place:place] = chance.choice(_EDGES)
            case 5:
                found[place:place] = chance.randbytes(chance.randrange(1, 20))
            case 6:  # as where one file is written over another, or appended to it
                other = whole(chance)[0]
                found[place:] = other[chance.randrange(len(other) + 1) :] if chance.random() < 0.5 else other
            case _:
                found += bytes(chance.choice((1, 8, 512))) + chance.choice((b"", b"\x1f", b"{}\n", whole(chance)[0]))
    return bytes(found)


def _record(chance: Random) -> dict[str, Any]:
    names = chance.sample(_NAMES, chance.choice((0, 1, 2, 4, 8)))
    return {name: _value(chance, 2) for name in names if not (name == "Records" and chance.random() < 0.9)}


def _value(chance: Random, depth: int) -> Any:
    kind = chance.randrange(8)
    if kind == 0:
        return chance.choice(_SCALARS)
    if kind == 1 and depth:
        return [_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind == 2 and depth:
        return {name: _value(chance, depth - 1) for name in chance.sample(_NAMES, chance.randrange(3))}
    return "".join(chance.choices(_TEXTS, k=chance.choice((1, 1, 2, 5))))


def _written(value: Any, chance: Random, indent: int | None = None) -> str:
    """Write a value as JSON. Half a surrogate pair is written as an escape: no encoding holds it."""
    escaped = chance.random() < 0.5
    try:
        text = json.dumps(value, ensure_ascii=escaped, indent=indent)
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text


def _laid_out(records: Sequence[Any], chance: Random) -> str:
    end = chance.choice(("\n", "\r\n", "\n\n", "\n \n"))
    indent = chance.choice((1, 2, 4))
    envelope = {"a": {"b": [1, {}]}, chance.choice(("records", "Records", "RECORDS")): list(records), "id": [{}]}
    middle = chance.randrange(len(records) + 1)
    match chance.randrange(9):
        case 0 | 1:
            text = end.join(_written(one, chance) for one in records) + chance.choice(("", end))
        case 2:
            text = _written(list(records), chance)
        case 3:
            text = _written(list(records), chance, indent)
        case 4:
            text = _written(envelope, chance)
        case 5:
            text = _written(envelope, chance, indent)
        case 6:
            ends = {"z": [{}], "records": list(records[middle:]), "id": 3}
            text = _written([{"records": list(records[:middle])}, ends], chance, chance.choice((None, indent)))
        case 7:
            text = "".join(_written(one, chance) for one in records)
        case _:
            text = end.join(_written({"records": [one]}, chance) for one in records)
    return text.replace("\n", "\r\n") if chance.random() < 0.2 and "\r" not in text else text


def _packed(content: bytes, chance: Random) -> bytes:
    """Pack as gzip: in one member or in several, named or not, with padding between them and behind."""
    members = chance.choice((1, 1, 1, 2, 3, 6))
    cuts = sorted(chance.randrange(len(content) + 1) for _ in range(members - 1))
    found = b""
    for begin, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
        found += _member(content[begin:end], chance)
        if chance.random() < 0.3:
            found += bytes(chance.choice((1, 7, 512, 1_000)))
    return found


def _member(content: bytes, chance: Random) -> bytes:
    file = io.BytesIO()
    name = chance.choice(("", "PT1H.json", "x" * 300))
    with gzip.GzipFile(name, "wb", chance.choice((0, 1, 6, 9)), file, mtime=0) as packer:
        packer.write(content)
    return file.getvalue()
