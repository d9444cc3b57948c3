"""SPL for Splunk, over acrwatch's own events (docs/export.md): fields have the names of its table.

`where` reads a field that is absent as null, which is neither true nor false.
"""

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import ClassVar, Final

from sigma.types import SigmaString

from detections.compile import UnsupportedError
from detections.export.language import Language, pattern_of
from detections.export.sliding import Sliding
from detections.fields import NUMBER_FIELDS
from storage.schema import BY_NAME

SEARCH: Final = "`acr_events`"
"""A macro of the reader's own, which says in which index the events are."""

_DERIVED: Final[Mapping[str, str]] = {
    "actor": (
        'if(identity_kind="user" OR identity_kind="object_id", lower(identity), registry."/".coalesce(identity, ""))'
    ),
    "target": (
        'registry."/".coalesce(repository, "").case(isnotnull(tag), ":".tag, isnotnull(digest), "@".digest, true(), "")'
    ),
}
_ABSENT: Final = frozenset({"event_id", "extra", "ip_key", "event_date"})  # bytes, and what no rule reads
_NUMERIC: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_STREAM: Final = 10_000  # limits.conf, max_stream_window


class Spl(Language):
    """See the module."""

    title: ClassVar[str] = "SPL"
    never: ClassVar[str] = "1==0"
    and_token, or_token, not_token = "AND", "OR", "NOT"

    def search(self, where: str) -> str:
        """See Language."""
        derived = [f"| eval {name}={sql}" for name, sql in _DERIVED.items() if name in self._used]
        return "\n".join([SEARCH, *derived, f"| where {where}"])

    def windows(self, plan: Sliding) -> str:
        """See Language. Events without a value of a group's field are a group of their own, as in acrwatch."""
        if plan.threshold > _STREAM:
            raise UnsupportedError(f"a window of {plan.threshold} events: Splunk keeps {_STREAM}")
        groups = [f'group_{n}=coalesce({self.field(name)}, "")' for n, name in enumerate(plan.group_by)]
        by = " BY " + " ".join(f"group_{n}" for n in range(len(groups))) if groups else ""
        lines = [self.search(plan.where), *([f"| eval {', '.join(groups)}"] if groups else [])]
        if plan.values:
            value = self.field(plan.values[0])
            lines += [
                f"| where isnotnull({value})",
                "| sort 0 _time",
                f"| streamstats time_window={plan.seconds}s dc({value}) AS distinct_values{by}",
                f"| where distinct_values>={plan.threshold}",
            ]
        else:
            lines += [
                "| sort 0 _time",
                f"| streamstats window={plan.threshold} global=false count AS events min(_time) AS first_time{by}",
                f"| where events>={plan.threshold} AND _time-first_time<={plan.seconds}",
            ]
        return "\n".join(lines)

    def named(self, field: str) -> str:
        """See Language."""
        if field == "event_time":
            return "_time"
        if field in _DERIVED or (field in BY_NAME and field not in _ABSENT):
            return field
        raise UnsupportedError(f"field {field!r}, which acrwatch computes and no event holds")

    def present(self, field: str) -> str:
        """See Language."""
        return f"isnotnull({self.field(field)})"

    def quoted(self, text: str) -> str:
        """See Language."""
        if any(not character.isprintable() for character in text):
            raise UnsupportedError("a text with control characters in SPL")
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    def equals(self, field: str, text: str, *, cased: bool) -> str:
        """See Language. Texts that look like numbers are compared as numbers: `1.0` would equal `1`."""
        if _NUMERIC.fullmatch(text):
            return self._matches(field, f"^{re.escape(text)}$")
        if cased:
            return f"{self.field(field)}=={self.quoted(text)}"
        return f"lower({self.field(field)})=={self.quoted(text.lower())}"

    def like(self, field: str, value: SigmaString, *, cased: bool) -> str:
        """See Language. LIKE has no escape for its own wildcards; a regular expression has."""
        return self._matches(field, pattern_of(value, cased=cased))

    def regex(self, field: str, pattern: str) -> str:
        """Refuse: Splunk reads PCRE, where some expressions of RE2 mean something else."""
        raise UnsupportedError(f"a regular expression on field {field!r}: Splunk reads PCRE, acrwatch RE2: {pattern}")

    def within(self, field: str, network: IPv4Network | IPv6Network) -> str:
        """See Language."""
        return f"cidrmatch({self.quoted(str(network))}, {self.field(field)})"

    def truth(self, field: str, value: str) -> str:
        """See Language. Truth of JSON arrives as text."""
        return f"{self.field(field)}=={self.quoted(value)}"

    def same(self, field: str, other: str) -> str:
        """See Language."""
        return f"lower({self.field(field)})==lower({self.field(other)})"

    def _matches(self, field: str, pattern: str) -> str:
        words = f"tostring({self.field(field)})" if field in NUMBER_FIELDS else self.field(field)
        return f"match({words}, {self.quoted(pattern)})"
