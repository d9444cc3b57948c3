"""KQL for Log Analytics and Microsoft Sentinel, over the two tables that a registry's diagnostic setting fills.

What acrwatch derives at ingest is derived by the query, from the columns that Log Analytics has. KQL compares texts in
any case by `=~`, `startswith` and so on, and its texts are never null.
"""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import ClassVar, Final

from sigma.types import SigmaString

from acrwatch.core.operation import OPERATIONS
from detections.compile import UnsupportedError
from detections.export.language import Language, affix, pattern_of
from detections.export.sliding import Sliding
from detections.fields import NUMBER_FIELDS, TEXT_FIELDS
from storage.schema import BY_NAME, CATEGORIES

_PORT: Final = r"(:[0-9]{1,5})?$"
_OPERATION: Final = ", ".join(f'OperationName contains "{name}", "{name}"' for name in OPERATIONS)
_GUID: Final = "^[0-9a-z]{8}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{12}$"

_CALLER: Final = (
    f'replace_regex(replace_regex(CallerIpAddress, @"^\\[([^\\]]*)\\]{_PORT}", @"\\1"), '
    f'@"^(?i:::ffff:)?([0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+){_PORT}", @"\\1")'
)
_IS_USER: Final = 'Identity matches regex @"^[^@\\s]+@[^@\\s]+$"'
_IS_OBJECT: Final = f'Identity matches regex @"(?i){_GUID}"'
_ACTOR: Final = f'iff({_IS_USER} or {_IS_OBJECT}, tolower(Identity), strcat(registry, "/", Identity))'
# As acrwatch.core.identity tells them apart; what `{admins}` adds are the names configured for admin users.
_KIND: Final = (
    f'case(isempty(Identity), "anonymous", {_IS_USER}, "user", {_IS_OBJECT}, "object_id", '
    'tolower(Identity) == registry{admins}, "admin", '
    'Identity matches regex @"^[\\p{L}\\p{N}_.~+:/\\\\-]{1,256}$", "token", "unknown")'
)
_TARGET: Final = (
    'strcat(registry, "/", Repository, '
    'case(isnotempty(Tag), strcat(":", Tag), isnotempty(Digest), strcat("@", Digest), ""))'
)
# In the order in which they can be computed: the later ones hold the registry.
_DERIVED: Final[Mapping[str, str]] = {
    "registry": 'tolower(tostring(split(_ResourceId, "/")[-1]))',
    "operation": f'case({_OPERATION}, "other")',
    "status_code": "toint(ResultDescription)",
    "succeeded": "coalesce(toint(ResultDescription) between (200 .. 299), false)",
    "identity_kind": _KIND,
    "caller_ip": _CALLER,
    "actor": _ACTOR,
    "target": _TARGET,
}
_NUMBERS: Final = {"size": "tolong(Size)", "duration_ms": "todouble(DurationMs)"}
_PARTS: Final = {
    "minute": "minute",
    "hour": "hour",
    "day": "day",
    "week": "week_of_year",
    "month": "month",
    "year": "year",
}


class Kql(Language):
    """See the module."""

    title: ClassVar[str] = "KQL"
    unknown_texts: ClassVar[bool] = False

    def search(self, where: str) -> str:
        """See Language."""
        return "\n".join([f"union isfuzzy=true {', '.join(CATEGORIES)}", *self._extended(), f"| where {where}"])

    def windows(self, plan: Sliding) -> str:
        """See Language. The event that many places before, in the same group and no longer ago, makes the window."""
        if plan.values:
            return self._distinct(plan)
        groups, back = [self.field(name) for name in plan.group_by], plan.threshold - 1
        first = [f"first_{n} = prev({name}, {back})" for n, name in enumerate(groups)]
        same = [f"first_{n} == {name}" for n, name in enumerate(groups)]
        within = " and ".join([*same, f"TimeGenerated - first_time <= {plan.seconds}s"])
        lines = [
            self.search(plan.where),
            f"| sort by {', '.join(f'{name} asc' for name in (*groups, 'TimeGenerated'))}",
            f"| extend {', '.join([f'first_time = prev(TimeGenerated, {back})', *first])}",
            f"| where {within}",
        ]
        return "\n".join(lines if back else lines[:1])

    def _distinct(self, plan: Sliding) -> str:
        """Join each event with those of its group in the window that ends with it, and count their values."""
        groups, value = [self.field(name) for name in plan.group_by], self.field(plan.values[0])
        keys = [f"key_{n} = {name}" for n, name in enumerate(groups)] or ["key_0 = 1"]
        names = ", ".join(f"key_{n}" for n in range(len(keys)))
        return "\n".join([
            f"let matches = materialize({self.search(plan.where)}",
            f"| where {self.present(plan.values[0])}",
            f"| project TimeGenerated, value = {value}, {', '.join(keys)});",
            "matches",
            f"| distinct TimeGenerated, {names}",
            f"| join kind=inner (matches | project-rename counted = TimeGenerated) on {names}",
            f"| where counted between ((TimeGenerated - {plan.seconds}s) .. TimeGenerated)",
            f"| distinct TimeGenerated, {names}, value",
            f"| summarize distinct_values = count() by TimeGenerated, {names}",
            f"| where distinct_values >= {plan.threshold}",
        ])  # fmt: skip

    def _extended(self) -> list[str]:
        """Return the lines that derive what the query uses, what others need first."""
        wanted = {*self._used, *(["registry"] if {"actor", "target", "identity_kind"} & self._used.keys() else [])}
        found = {**_DERIVED, "identity_kind": _KIND.replace("{admins}", self._admin_names())}
        return [f"| extend {name} = {sql}" for name, sql in found.items() if name in wanted]

    def _admin_names(self) -> str:
        known = self._lists.configured("identity", "admin_usernames")
        return f" or {self._any_of('identity', known)}" if known else ""

    def named(self, field: str) -> str:
        """See Language."""
        if field in _DERIVED or field in _NUMBERS:
            return _NUMBERS.get(field, field)
        if field == "category":
            return "Type"
        if field in BY_NAME and (found := BY_NAME[field].log_analytics):
            return found
        raise UnsupportedError(f"field {field!r}, which Log Analytics does not have")

    def present(self, field: str) -> str:
        """See Language."""
        return f"isnotempty({self.field(field)})" if field in TEXT_FIELDS else f"isnotnull({self.field(field)})"

    def quoted(self, text: str) -> str:
        """See Language."""
        escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
        return f'"{escaped}"'

    def equals(self, field: str, text: str, *, cased: bool) -> str:
        """See Language."""
        return f"{self._words(field)} {'==' if cased else '=~'} {self.quoted(text)}"

    def like(self, field: str, value: SigmaString, *, cased: bool) -> str:
        """See Language."""
        if found := affix(value):
            return f"{self._words(field)} {found[0]}{'_cs' if cased else ''} {self.quoted(found[1])}"
        return self.regex(field, pattern_of(value, cased=cased))

    def regex(self, field: str, pattern: str) -> str:
        """See Language. Kusto reads the same syntax as acrwatch (RE2), and looks anywhere in the text."""
        return f"{self._words(field)} matches regex {self.quoted(pattern)}"

    def within(self, field: str, network: IPv4Network | IPv6Network) -> str:
        """See Language."""
        function = "ipv4_is_in_range" if isinstance(network, IPv4Network) else "ipv6_is_in_range"
        # Null for an address of the other family, which would make a `not` around it null, too.
        return f"coalesce({function}({self.field(field)}, {self.quoted(str(network))}), false)"

    def same(self, field: str, other: str) -> str:
        """See Language."""
        return f"{self._words(field)} =~ {self._words(other)}"

    def part(self, field: str, part: str) -> str:
        """See Language."""
        return f'datetime_part("{_PARTS[part]}", {self.field(field)})'

    def _words(self, field: str) -> str:
        return f"tostring({self.field(field)})" if field in NUMBER_FIELDS else self.field(field)
