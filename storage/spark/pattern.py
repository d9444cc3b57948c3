"""Regular expressions of RE2, which DuckDB runs, in the words that Java's (Spark) and Rust's (Sail) take alike.

The three agree on most of a pattern and silently differ on the rest. `\\d`, `\\w` and `\\s` are ASCII in RE2 and Java
but not in Rust; `$` is the end of the text in RE2 and Rust, in Java also before a last newline; `.` leaves out a
newline in RE2 and Rust, in Java every line end; `[` and `&&` within a class are letters in RE2 and operators in the
other two. So all of these are spelled out. Lines of `(?m)` end where each engine ends them: at a newline, in Java at a
carriage return and a few others too. What has no counterpart is refused: word boundaries (ASCII in RE2, not in Rust)
and Unicode scripts.

RE2: https://github.com/google/re2/wiki/Syntax, Java: java.util.regex.Pattern, Rust: https://docs.rs/regex.
"""

import re
from dataclasses import dataclass, field
from typing import Final

_LAST: Final = 0x10FFFF
_WORD: Final = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_SPACE: Final = ((0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20))
_DIGIT: Final = ((0x30, 0x39),)
_CLASSES: Final = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_POSIX: Final = {
    "alnum": ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)),
    "alpha": ((0x41, 0x5A), (0x61, 0x7A)),
    "ascii": ((0x00, 0x7F),),
    "blank": ((0x09, 0x09), (0x20, 0x20)),
    "cntrl": ((0x00, 0x1F), (0x7F, 0x7F)),
    "digit": _DIGIT,
    "graph": ((0x21, 0x7E),),
    "lower": ((0x61, 0x7A),),
    "print": ((0x20, 0x7E),),
    "punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "space": ((0x09, 0x0D), (0x20, 0x20)),
    "upper": ((0x41, 0x5A),),
    "word": _WORD,
    "xdigit": ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66)),
}
# A long s and a Kelvin sign: the letters beyond ASCII that fold to ASCII ones.
_FOLDING: Final = {0x17F: "s", 0x212A: "k"}
_CONTROLS: Final = {"a": 0x07, "f": 0x0C, "t": 0x09, "n": 0x0A, "r": 0x0D, "v": 0x0B}
_REPEAT: Final = re.compile(r"\{\d+(,\d*)?\}")
_GROUP: Final = re.compile(r"\(\?(?:P?<(?P<name>\w+)>|(?P<on>[imsU]*)(?:-(?P<off>[imsU]+))?(?P<end>[:)]))")
_NUMBER: Final = re.compile(r"\\x([0-9A-Fa-f]{2})|\\x\{([0-9A-Fa-f]+)\}|\\(0[0-7]{0,2}|[1-7][0-7]{1,2})")
# General categories; scripts are spelled differently everywhere.
_CATEGORY: Final = re.compile(r"\\[pP](?:[CLMNPSZ]|\{\^?[CLMNPSZ][a-z]?\})")
_NAMED: Final = re.compile(r"\[:(\^?)(\w+):\]")

Ranges = tuple[tuple[int, int], ...]


class PatternError(ValueError):
    """A regular expression, sound in RE2, that cannot be said so that other engines mean the same."""


def portable(pattern: str) -> str:
    """Return a pattern that finds in Java's and Rust's engines what this one, sound in RE2, finds in RE2.

    Raises PatternError naming what has no counterpart.
    """
    return _Writer(pattern).written()


@dataclass(slots=True)
class _Writer:
    text: str
    at: int = 0
    flags: set[str] = field(default_factory=set)

    def written(self) -> str:
        """Go through the text once; a group restores at its end the flags it began with."""
        parts: list[str] = []
        outer: list[set[str]] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "(":
                parts.append(self._group(outer))
            elif char == ")":
                self.flags = outer.pop() if outer else self.flags
                parts.append(self._take(1))
            elif char == "[":
                parts.append(self._class())
            else:
                parts.append(self._simple(char))
        return "".join(parts)

    def _take(self, length: int) -> str:
        self.at += length
        return self.text[self.at - length : self.at]

    def _simple(self, char: str) -> str:
        if repeat := _REPEAT.match(self.text, self.at):
            return self._take(len(repeat[0]))
        if char == "\\":
            return self._escape()
        self._take(1)
        if char in "*+?|":
            return char
        if char == ".":
            return _spelled(((0, _LAST),)) if "s" in self.flags else r"[^\n]"
        if char in "^$" and "m" in self.flags:
            return f"(?m:{char})"
        return {"^": r"\A", "$": r"\z"}.get(char) or _literal(ord(char))

    def _group(self, outer: list[set[str]]) -> str:
        found = _GROUP.match(self.text, self.at)
        if found is None or found["end"] != ")":
            outer.append(set(self.flags))
        if found is None:
            return self._take(1)
        self._take(len(found[0]))
        if found["name"]:
            return "("
        self.flags = (self.flags | set(found["on"])) - set(found["off"] or "")
        folding = "iu" if "i" in found["on"] else "-i" if "i" in (found["off"] or "") else ""
        if found["end"] == ")":
            return f"(?{folding})" if folding else ""
        return f"(?{folding}:"

    def _escape(self) -> str:
        if (code := self._number()) is not None:
            return _literal(code)
        if category := _CATEGORY.match(self.text, self.at):
            return self._take(len(category[0]))
        char = self._take(2)[1:]
        if char.lower() in _CLASSES:
            return f"[{'^' if char.isupper() else ''}{_inner(_CLASSES[char.lower()])}]"
        if char == "Q":
            quoted, _, rest = self.text[self.at :].partition("\\E")
            self.at = len(self.text) - len(rest)
            return "".join(_literal(ord(one)) for one in quoted)
        if char in ("A", "z"):
            return f"\\{char}"
        return _literal(self._plain(char))

    def _class(self) -> str:
        """Return a class with every range of it spelled by its ends."""
        self._take(1)
        negated = self.text[self.at : self.at + 1] == "^"
        self._take(int(negated))
        items: list[str] = []
        while self.at < len(self.text) and (self.text[self.at] != "]" or not items):
            items.append(self._item())
        self._take(1)
        return f"[{'^' if negated else ''}{''.join(items)}]"

    def _item(self) -> str:
        if named := _NAMED.match(self.text, self.at):
            self._take(len(named[0]))
            return self._named(_POSIX[named[2]], negated=bool(named[1]))
        if category := _CATEGORY.match(self.text, self.at):
            return self._take(len(category[0]))
        kind = self.text[self.at + 1 : self.at + 2] if self.text[self.at] == "\\" else ""
        if kind and kind.lower() in _CLASSES:
            self._take(2)
            return self._named(_CLASSES[kind.lower()], negated=kind.isupper())
        low = high = self._letter()
        if self.text[self.at : self.at + 1] == "-" and self.text[self.at + 1 : self.at + 2] not in ("]", ""):
            self._take(1)
            high = self._letter()
        return _inner(((low, high),))

    def _named(self, ranges: Ranges, *, negated: bool) -> str:
        """Return a named class within another. With (?i) RE2 leaves out of a negated one what folds to its letters, so
        what the others would fold is left out here."""
        if not negated:
            return _inner(ranges)
        return _inner(_without(_with_cases(ranges) if "i" in self.flags else ranges))

    def _letter(self) -> int:
        if (code := self._number()) is not None:
            return code
        if self.text[self.at] == "\\":
            return self._plain(self._take(2)[1:])
        return ord(self._take(1))

    def _number(self) -> int | None:
        found = _NUMBER.match(self.text, self.at)
        if found is None:
            return None
        self._take(len(found[0]))
        return int(found[3], 8) if found[3] else int(found[1] or found[2], 16)

    def _plain(self, char: str) -> int:
        """Return the letter that an escape stands for."""
        if char in _CONTROLS:
            return _CONTROLS[char]
        if not char or char.isalnum():
            raise PatternError(f"\\{char} in the regular expression {self.text!r}")
        return ord(char)


def _without(ranges: Ranges) -> Ranges:
    """Return every letter that these ranges leave out."""
    found, low = [], 0
    for first, last in ranges:
        if low < first:
            found.append((low, first - 1))
        low = last + 1
    return (*found, (low, _LAST))


def _with_cases(ranges: Ranges) -> Ranges:
    """Return these ASCII letters in both cases, with the two others that fold to some of them."""
    letters = {code for first, last in ranges for code in range(first, last + 1)}
    both = {ord(case) for code in letters for case in (chr(code).lower(), chr(code).upper())}
    more = {other for other, letter in _FOLDING.items() if ord(letter) in both}
    return tuple((code, code) for code in sorted(both | more))


def _spelled(ranges: Ranges) -> str:
    return f"[{_inner(ranges)}]"


def _inner(ranges: Ranges) -> str:
    return "".join(_code(low) if low == high else f"{_code(low)}-{_code(high)}" for low, high in ranges)


def _code(number: int) -> str:
    return f"\\x{{{number:X}}}"


def _literal(number: int) -> str:
    char = chr(number)
    return char if char.isalnum() or number > 0x7F else _code(number)
