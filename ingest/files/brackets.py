"""Finds the records of a JSON document of any size and layout while it streams by, holding one record at a time.

Records are the elements of `[...]` and of the `records` array in `{"records": [...]}`, the latter also inside a list;
any other object is a record itself. Values may follow one another. Brackets and texts alone are looked at, so that a
damaged record costs nobody else.
"""

import re
from collections.abc import Iterator
from typing import Final

from ingest.files.piece import KEPT, MAX_RECORD, SPACE, Piece, record, too_long

# Possessive quantifiers never backtrack: linear time whatever the input holds.
_TEXT: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TO_TOKEN: Final = re.compile(rb"(?:[^\"{}\[\],]++|" + _TEXT + rb")*+", re.DOTALL)
_TO_BRACKET: Final = re.compile(rb"(?:[^\"{}\[\]]++|" + _TEXT + rb")*+", re.DOTALL)
_IN_TEXT: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
# Not the end of a key like `x"records`.
_RECORDS_KEY: Final = re.compile(rb'(?<!\\)"records"\s*+:\s*+\Z', re.IGNORECASE)
_NESTING: Final = 3  # list, envelope, records: deeper brackets belong to a record


class BracketScanner:
    """Feed it blocks, then ask for `rest`."""

    def __init__(self) -> None:
        self._data = bytearray()  # what is not yet handed out; the value being read begins at 0 after `_compact`
        self._mark = 0  # everything before is done with
        self._at = 0  # everything before has been looked at
        self._opened: list[bytes] = []  # containers whose elements are records, and envelopes around them
        self._depth = 0  # brackets open inside the record that is being read, or the envelope's end that is skipped
        self._skipping = False
        self._in_text = False
        self._start = b""  # of a record that has become too long
        self._dropped = 0

    def feed(self, block: bytes) -> Iterator[Piece]:
        """Yield the pieces that this block completes."""
        self._data += block
        while token := self._next():
            yield from self._inside(token) if self._depth else self._between(token)
        self._compact()

    def _next(self) -> bytes:
        """Go behind the next bracket, or between records also comma, outside of texts; empty at the end of the data.

        A text that is not whole yet is remembered as such, so that nothing is ever looked at twice.
        """
        data = self._data
        while self._at < len(data):
            if self._in_text:
                self._at = _end(_IN_TEXT, data, self._at)
                if data[self._at : self._at + 1] != b'"':  # the end of the data, or half an escape
                    break
                self._at += 1
                self._in_text = False
            self._at = _end(_TO_BRACKET if self._depth else _TO_TOKEN, data, self._at)
            token = bytes(data[self._at : self._at + 1])
            self._at += len(token)
            if token != b'"':
                return token
            self._in_text = True
        return b""

    def rest(self) -> bytes:
        """Return what follows the last whole piece: an unfinished record, or nothing but white space."""
        return b"" if self._skipping else self._start + bytes(self._data[self._mark :]).strip(SPACE)

    @property
    def overlong(self) -> int:
        """Length of the unfinished record if it has passed the limit, else 0."""
        return self._dropped and self._dropped + len(self._data) - self._mark

    def _inside(self, bracket: bytes) -> Iterator[Piece]:
        """Within a record, or behind the records of an envelope."""
        if bracket in b"{[":
            if self._begins_records(bracket):
                self._opened += [b"{", b"["]
                self._depth, self._mark = 0, self._at
            else:
                self._depth += 1
            return
        self._depth -= 1
        if self._depth:
            return
        if self._skipping:
            self._skipping = False
            self._opened.pop()
            self._mark = self._at
        else:
            yield self._cut(self._at)

    def _begins_records(self, bracket: bytes) -> bool:
        return (
            bracket == b"["
            and self._depth == 1
            and not self._skipping
            and not self._dropped
            and len(self._opened) < _NESTING
            and self._data[self._mark : self._mark + 1] == b"{"
            and _RECORDS_KEY.search(self._data, max(self._mark, self._at - 80), self._at - 1) is not None
        )

    def _between(self, token: bytes) -> Iterator[Piece]:
        """Between records: whatever is no bracket or comma here is garbage, and a piece of its own."""
        token_at = self._at - 1
        if self._dropped or self._data[self._mark : token_at].strip(SPACE):
            yield self._cut(token_at)
        self._mark = token_at
        if token == b"{" or (token == b"[" and len(self._opened) >= _NESTING):
            self._depth = 1
            return
        if token == b"[":
            self._opened.append(token)
        elif token == b"]" and self._opened:
            self._opened.pop()
            self._skipping = bool(self._opened) and self._opened[-1] == b"{"
            self._depth = int(self._skipping)
        elif token != b",":
            yield self._cut(self._at)
        self._mark = self._at

    def _cut(self, end: int) -> Piece:
        """Hand out everything from the mark to `end`."""
        body = bytes(self._data[self._mark : end]).strip(SPACE)
        start, dropped = self._start, self._dropped
        self._start, self._dropped, self._mark = b"", 0, end
        length = dropped + len(body)
        return record(body) if length <= MAX_RECORD else too_long(start or body, length)

    def _compact(self) -> None:
        """Forget what is done with, and all but the start of a record that is too long."""
        if self._skipping:
            self._mark = self._at
        del self._data[: self._mark]
        self._at -= self._mark
        self._mark = 0
        if self._dropped or len(self._data) > MAX_RECORD:
            self._start = self._start or bytes(self._data[:KEPT])
            self._dropped += self._at
            del self._data[: self._at]
            self._at = 0


def _end(pattern: re.Pattern[bytes], data: bytearray, start: int) -> int:
    match = pattern.match(data, start)
    return match.end() if match else start
