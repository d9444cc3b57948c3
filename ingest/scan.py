"""Finding the elements of JSON that no JSON parser accepts, by brackets and quotes alone.

One record with a lone surrogate, a NaN, a thousand nested arrays or a cut-off end makes every parser refuse the whole
message. This scanner only balances brackets outside of texts, with a counter instead of recursion, so that the
neighbours of such a record can be had.
"""

import re
from collections.abc import Iterator
from typing import Final

# Possessive quantifiers (`*+`) never backtrack, so the time is linear in the input, whatever it holds.
_TEXT: Final = rb'"(?:[^"\\]++|\\.)*+"'
_BRACKET: Final = re.compile(rb'(?:[^"{}\[\]]++|' + _TEXT + rb")*+([{}\[\]])", re.DOTALL)
_SCALAR: Final = re.compile(rb"(?:" + _TEXT + rb"|[^\s,\"{}\[\]]++)", re.DOTALL)
_GAP: Final = re.compile(rb"[\s,]*+")

DEPTH_LIMIT: Final = 100_000
"""Open brackets after which a value counts as never ending; parsers give up at about a thousand."""

_OPENING: Final = b"{["


def elements(data: bytes, start: int, closing: bytes = b"") -> Iterator[tuple[int, int, bool]]:
    """Yield (start, end, whole) of the values that follow each other from `start`, separated by commas or white space.

    Ends at the end of the data, or at the bracket `closing`. What never ends, and any other closing bracket, is yielded
    once, up to the end of the data, with `whole` false.
    """
    position = _skip_gap(data, start)
    while position < len(data) and data[position : position + 1] != closing:
        end = _end_of_value(data, position)
        yield (position, len(data) if end is None else end, end is not None)
        if end is None:
            return
        position = _skip_gap(data, end)


def _skip_gap(data: bytes, position: int) -> int:
    match = _GAP.match(data, position)
    return match.end() if match else position


def _end_of_value(data: bytes, start: int) -> int | None:
    if data[start] not in _OPENING:
        match = _SCALAR.match(data, start)
        return match.end() if match else None
    depth, position = 0, start
    while match := _BRACKET.match(data, position):
        depth += 1 if match[1] in b"{[" else -1
        position = match.end()
        if depth == 0:
            return position
        if depth > DEPTH_LIMIT:
            return None
    return None
