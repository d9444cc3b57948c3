"""ES|QL for Elasticsearch, over acrwatch's own events (docs/export.md): fields have the names of its table.

An absent field is null, and what is compared with it neither true nor false.
"""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import ClassVar, Final

from sigma.types import SigmaString, SpecialChars

from detections.compile import UnsupportedError
from detections.export.language import Language
from detections.export.sliding import Sliding
from detections.fields import NUMBER_FIELDS
from storage.schema import BY_NAME

SOURCE: Final = "FROM acr-events*"

_DERIVED: Final[Mapping[str, str]] = {
    "actor": (
        'CASE(identity_kind IN ("user", "object_id"), TO_LOWER(identity), '
        'CONCAT(registry, "/", COALESCE(identity, "")))'
    ),
    "target": (
        'CONCAT(registry, "/", COALESCE(repository, ""), '
        'CASE(tag IS NOT NULL, CONCAT(":", tag), digest IS NOT NULL, CONCAT("@", digest), ""))'
    ),
}
_ABSENT: Final = frozenset({"event_id", "extra", "ip_key", "event_date"})  # bytes, and what no rule reads
_PARTS: Final = {"minute": "minute_of_hour", "hour": "hour_of_day", "day": "day_of_month", "month": "month_of_year"}


class Esql(Language):
    """See the module."""

    title: ClassVar[str] = "ES|QL"
    and_token, or_token, not_token = "AND", "OR", "NOT"

    def search(self, where: str) -> str:
        """See Language."""
        derived = [f"| EVAL {name} = {sql}" for name, sql in _DERIVED.items() if name in self._used]
        return "\n".join([SOURCE, *derived, f"| WHERE {where}"])

    def windows(self, plan: Sliding) -> str:
        """Refuse: buckets of the clock are no sliding windows."""
        raise UnsupportedError(
            f"a window of {plan.seconds} s: ES|QL knows buckets of the clock, which miss what crosses their edge"
        )

    def named(self, field: str) -> str:
        """See Language."""
        if field == "event_time":
            return "@timestamp"
        if field in _DERIVED or (field in BY_NAME and field not in _ABSENT):
            return field
        raise UnsupportedError(f"field {field!r}, which acrwatch computes and no event holds")

    def present(self, field: str) -> str:
        """See Language."""
        return f"{self.field(field)} IS NOT NULL"

    def quoted(self, text: str) -> str:
        """See Language."""
        for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
            text = text.replace(plain, escaped)
        return f'"{text}"'

    def equals(self, field: str, text: str, *, cased: bool) -> str:
        """See Language."""
        return f"{self._words(field, cased=cased)} == {self.quoted(text if cased else text.lower())}"

    def like(self, field: str, value: SigmaString, *, cased: bool) -> str:
        """See Language."""
        pattern = "".join(_wild(part) for part in value.s)
        return f"{self._words(field, cased=cased)} LIKE {self.quoted(pattern if cased else pattern.lower())}"

    def regex(self, field: str, pattern: str) -> str:
        """Refuse: RLIKE reads Lucene's expressions, over the whole text and without anchors or classes."""
        raise UnsupportedError(f"a regular expression on field {field!r}: RLIKE reads another language: {pattern}")

    def within(self, field: str, network: IPv4Network | IPv6Network) -> str:
        """See Language."""
        return f"CIDR_MATCH(TO_IP({self.field(field)}), {self.quoted(str(network))})"

    def same(self, field: str, other: str) -> str:
        """See Language."""
        return f"{self._words(field, cased=False)} == {self._words(other, cased=False)}"

    def part(self, field: str, part: str) -> str:
        """See Language. Its weeks are not those of ISO 8601."""
        if part not in _PARTS:
            return super().part(field, part)
        return f'DATE_EXTRACT("{_PARTS[part]}", {self.field(field)})'

    def _words(self, field: str, *, cased: bool) -> str:
        words = f"TO_STRING({self.field(field)})" if field in NUMBER_FIELDS else self.field(field)
        return words if cased else f"TO_LOWER({words})"


def _wild(part: object) -> str:
    if isinstance(part, SpecialChars):
        return "*" if part is SpecialChars.WILDCARD_MULTI else "?"
    return str(part).replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")
