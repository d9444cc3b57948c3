"""What a file is cut into."""

from dataclasses import dataclass
from typing import Final

# A record is at most a few KB, a message from a hub at most 1 MB. What is longer is no record, and not kept in memory.
MAX_RECORD: Final = 16 * 1024 * 1024
KEPT: Final = 64 * 1024  # how much of what is too long goes into its reject
SPACE: Final = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Piece:
    """Records, each as a line; or, with a reason, the beginning of something that is none.

    `records` counts lines, blank ones among them where a file has such; `length` is in bytes.
    """

    body: bytes
    length: int
    reason: str = ""
    detail: str = ""
    records: int = 1


def record(text: bytes) -> Piece:
    """Return a record as one line. A line break in valid JSON only stands between tokens: a space does as well."""
    return Piece(text.replace(b"\n", b" ").replace(b"\r", b" "), len(text))


def too_long(start: bytes, length: int) -> Piece:
    """Return what to keep of something longer than MAX_RECORD."""
    detail = f"{length} bytes in one record; the limit is {MAX_RECORD}"
    return Piece(start[:KEPT], length, "record_too_long", detail)
