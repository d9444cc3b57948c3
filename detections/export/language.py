"""What all query languages share: conditions taken apart as `detections.compile` does, leaf by leaf, none ignored.

pySigma's TextQueryBackend joins and groups; every leaf is ours, so that nothing falls back to an approximation (its
CIDR as text, say). A leaf is false where its field is absent, also below a `not`, as in acrwatch itself.
"""

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from typing import Any, ClassVar, Final

from sigma.conditions import (
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionValueExpression,
    SigmaCondition,
)
from sigma.conversion.base import TextQueryBackend
from sigma.conversion.state import ConversionState
from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule
from sigma.types import (
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SpecialChars,
)

from detections.compile import UnsupportedError, column
from detections.context import Context
from detections.export.lists import Behind, Lists
from detections.export.sliding import Sliding, sliding
from detections.fields import NUMBER_FIELDS, TEXT_FIELDS, TIME_FIELDS
from detections.placeholders import ADDRESSES
from detections.rule import is_activity
from storage.schema import CATEGORIES

_MAPPED: Final = IPv6Address("::ffff:0:0")
_MULTI: Final = SpecialChars.WILDCARD_MULTI
_OPERATORS: Final = {"LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}
_TABLES: Final = {table.casefold(): table for table in CATEGORIES}


class Language(TextQueryBackend):
    """One query language. A subclass gives the words; what it does not give is refused."""

    group_expression: ClassVar[str | None] = "({expr})"
    and_token, or_token, not_token = "and", "or", "not"
    title: ClassVar[str]
    # A condition that no event meets.
    never: ClassVar[str] = "false"
    # Whether a comparison with an absent text is neither true nor false, so that `not` needs to ask first.
    unknown_texts: ClassVar[bool] = True

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._lists = Lists(context)
        self._negations = 0
        self._used: dict[str, None] = {}

    def query(self, document: SigmaRule | SigmaCorrelationRule) -> str:
        """Return a rule as a query. Raises UnsupportedError, SigmaError."""
        if isinstance(document, SigmaRule):
            return self.search(self._where(document))
        parts = [one.rule for one in document.referenced_rules if isinstance(one.rule, SigmaRule)]
        if len(parts) < len(document.referenced_rules):
            raise UnsupportedError("a correlation over a correlation")
        plan = sliding(document, self._joined(self.or_token, [self._where(rule) for rule in parts]))
        for field in (*plan.group_by, *plan.values):
            self.field(field)
        return self.windows(plan)

    @abstractmethod
    def search(self, where: str) -> str:
        """Return the query for the events that meet a condition."""

    @abstractmethod
    def windows(self, plan: Sliding) -> str:
        """Return the query for a correlation. Raises UnsupportedError where the language has no sliding windows."""

    @abstractmethod
    def named(self, field: str) -> str:
        """Return what the language calls a field. Raises UnsupportedError for one that is not there."""

    @abstractmethod
    def present(self, field: str) -> str:
        """Return the condition that an event has a field."""

    @abstractmethod
    def quoted(self, text: str) -> str:
        """Return a text literal."""

    @abstractmethod
    def equals(self, field: str, text: str, *, cased: bool) -> str:
        """Return the condition that a field is a text."""

    @abstractmethod
    def like(self, field: str, value: SigmaString, *, cased: bool) -> str:
        """Return the condition that a field fits wildcards."""

    @abstractmethod
    def regex(self, field: str, pattern: str) -> str:
        """Return the condition that a regular expression matches somewhere in a field. May refuse."""

    @abstractmethod
    def within(self, field: str, network: IPv4Network | IPv6Network) -> str:
        """Return the condition that an address lies in a network."""

    @abstractmethod
    def same(self, field: str, other: str) -> str:
        """Return the condition that two fields hold the same text in any case."""

    def truth(self, field: str, value: str) -> str:
        """Return the condition that a field is `true`, or `false`."""
        return f"{self.field(field)} == {value}"

    def part(self, field: str, part: str) -> str:
        """Return a part of a time in UTC, as a number."""
        raise UnsupportedError(f"the {part} of field {field!r} in {self.title}")

    def field(self, name: str) -> str:
        """Return what the language calls a field, and remember that it is used."""
        found = self.named(name)
        self._used[name] = None
        return found

    def _where(self, rule: SigmaRule) -> str:
        """Return all that a rule asks of an event: any of its conditions, within its log source."""
        if is_activity(rule):
            raise UnsupportedError("a rule on the Activity Log: only those on registry events are exported")
        parsed = [SigmaCondition(text, rule.detection).parsed for text in rule.detection.condition]
        where = self._joined(self.or_token, [self._condition(one) for one in parsed])
        table = _TABLES.get((rule.logsource.service or "").casefold())
        return (
            where if table is None else self._joined(self.and_token, [self.leaf("category", SigmaString(table)), where])
        )

    def _condition(self, parsed: Any) -> str:
        return str(self.convert_condition(parsed, ConversionState()))

    def _joined(self, token: str, parts: Sequence[str]) -> str:
        return parts[0] if len(parts) == 1 else f" {token} ".join(f"({part})" for part in parts)

    def convert_condition_not(self, cond: ConditionNOT, state: ConversionState) -> str:
        """Return the contrary of a condition, whose leaves must be false where their field is absent."""
        self._negations += 1
        inner = self.convert_condition(cond.args[0], state)
        self._negations -= 1
        return f"{self.not_token} ({inner})"

    def convert_condition_val(self, cond: ConditionValueExpression, _state: ConversionState) -> Any:
        """Refuse keywords."""
        raise UnsupportedError(f"the keyword {str(cond.value)!r} without a field in {self.title}")

    def convert_condition_field_eq_val(self, cond: ConditionFieldEqualsValueExpression, _state: ConversionState) -> str:
        """Return a leaf."""
        return self.leaf(column(cond.field), cond.value)

    def leaf(self, field: str, value: Any) -> str:
        """Return the condition that a field meets a value."""
        match value:
            case SigmaNull():
                return self._absent(field)
            case SigmaExists():
                return self.present(field) if value.exists else self._absent(field)
            case SigmaExpansion():
                return "(" + self._joined(self.or_token, [self.leaf(field, one) for one in value.values]) + ")"
            case SigmaString() if value.contains_placeholder():
                return self._placeholder(field, value)
        words = self._sure(field, value)
        return self._guarded(field, words) if self._negations and self._needs_guard(field) else words

    def _sure(self, field: str, value: Any) -> str:
        """Return a condition on a field that is there."""
        match value:
            case SigmaString():
                return self._text(field, value)
            case SigmaCIDRExpression():
                return self._inside(field, value.network)
            case SigmaRegularExpression():
                flags = "".join(sorted(value.sigma_to_re_flag[flag] for flag in value.flags))
                return self.regex(field, f"(?{flags}){value.regexp}" if flags else str(value.regexp))
            case SigmaBool():
                return self.truth(field, str(value.boolean).lower())
            case SigmaCompareExpression():
                return f"{self._number(field, value.number)} {_OPERATORS[value.op.name]} {value.number.number}"
        if type(value) is SigmaNumber and field not in NUMBER_FIELDS:
            return self._text(field, SigmaString(str(value.number)))
        if isinstance(value, SigmaNumber):
            return f"{self._number(field, value)} == {value.number}"
        if getattr(value, "field", None) and not (value.starts_with or value.ends_with):
            return self._guarded(column(value.field), self.same(field, column(value.field)))
        raise UnsupportedError(f"{type(value).__name__} on field {field!r} in {self.title}")

    def _inside(self, field: str, network: IPv4Network | IPv6Network) -> str:
        if field not in ADDRESSES:
            raise UnsupportedError(f"cidr on field {field!r}: it works on caller_ip and caller_ip_address")
        if _MAPPED in network:
            raise UnsupportedError(f"{network}: in {self.title} it would hold every IPv4 address, mapped into IPv6")
        return self.within("caller_ip", network)

    def _number(self, field: str, number: SigmaNumber) -> str:
        part = getattr(number, "timestamp_part", None)
        if part is not None and field in TIME_FIELDS:
            return self.part(field, part.name.lower())
        if part is None and field in NUMBER_FIELDS:
            return self.field(field)
        raise UnsupportedError(f"a comparison with a number on field {field!r}")

    def _text(self, field: str, value: SigmaString) -> str:
        if field not in TEXT_FIELDS | NUMBER_FIELDS:
            raise UnsupportedError(f"text on field {field!r} in {self.title}")
        cased = isinstance(value, SigmaCasedString)
        if any(isinstance(part, Placeholder) for part in value.s):
            raise UnsupportedError("a placeholder within other text")
        if any(isinstance(part, SpecialChars) for part in value.s):
            return self.like(field, value, cased=cased)
        text = "".join(map(str, value.s))
        return self.equals(field, text, cased=cased) if text else self._absent(field)

    def _absent(self, field: str) -> str:
        return f"{self.not_token} ({self.present(field)})"

    def _needs_guard(self, field: str) -> bool:
        return self.unknown_texts or field not in TEXT_FIELDS or field in ADDRESSES

    def _guarded(self, field: str, words: str) -> str:
        return f"({self.present(field)} {self.and_token} {words})"

    def _placeholder(self, field: str, value: SigmaString) -> str:
        """Return a placeholder with what is configured for it put in its place."""
        if len(value.s) != 1 or not isinstance(value.s[0], Placeholder):
            raise UnsupportedError(f"a placeholder within other text on field {field!r}")
        name = value.s[0].name
        if name == "admin_usernames":
            return self._admins(field)
        if self._negations % 2 and self._lists.is_empty(field, name):
            return self.never  # an exception that nobody made
        return self._any_of(field, self._lists.behind(field, name))

    def _admins(self, field: str) -> str:
        """Return that a text names the admin user: the registry's own name, where no others are configured for it."""
        known = self._lists.configured(field, "admin_usernames")
        own = self.same(field, "registry")
        own = self._guarded(field, own) if self._negations and self.unknown_texts else own
        if not known:
            return own
        named = self._any_of(field, known)
        others = [self.leaf("registry", SigmaString(registry)) for registry, _ in known if registry is not None]
        if len(others) < len(known):
            return named
        elsewhere = f"{own} {self.and_token} {self.not_token} ({self._joined(self.or_token, others)})"
        return f"({named} {self.or_token} ({elsewhere}))"

    def _any_of(self, field: str, alternatives: Sequence[Behind]) -> str:
        found: list[str] = []
        for registry, values in alternatives:
            one = self._joined(self.or_token, [self.leaf(field, given) for given in values]) if values else ""
            here = "" if registry is None else self.leaf("registry", SigmaString(registry))
            found.append(f"{here} {self.and_token} ({one})" if here and one else here or one)
        return "(" + self._joined(self.or_token, found) + ")"


def pattern_of(value: SigmaString, *, cased: bool) -> str:
    """Return a text with wildcards as a regular expression over the whole of a field, lines and all."""
    wild: Mapping[Any, str] = {_MULTI: ".*", SpecialChars.WILDCARD_SINGLE: "."}
    words = "".join(wild[part] if isinstance(part, SpecialChars) else re.escape(str(part)) for part in value.s)
    return f"(?{'' if cased else 'i'}s)^{words}$"


def affix(value: SigmaString) -> tuple[str, str] | None:
    """Return whether a text with wildcards means `startswith`, `endswith` or `contains`, and of what; None else."""
    inner = [part for part in value.s if part is not _MULTI]
    if len(inner) != 1 or not isinstance(inner[0], str):
        return None
    ends = (value.s[0] is _MULTI, value.s[-1] is _MULTI)
    return {(False, True): "startswith", (True, False): "endswith", (True, True): "contains"}[ends], inner[0]
