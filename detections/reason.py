"""The one sentence that says why: a rule's template filled with the real values of its alert."""

import re
import string
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from detections.detection import Group, Metadata
from detections.episode import Episode
from detections.fields import readable

# Values come from logs, where clients choose them: a name must not flood or break the sentence.
_MAX_VALUE: Final = 120
# A sentence of ours has at most 300.
_LONGEST: Final = 2_000
_NOUN: Final = re.compile(r"[^\W\d_](?:[^\W\d_]|[ '-]){0,39}")

# The note that holds what an identity did in the registry around what it did to the registry: number by operation.
AROUND: Final = "around_by_operation"

_FACTS: Final = frozenset(
    {"count", "span", "operations", "peak", "threshold", "window", "nearby", "addresses",
     "repositories", "registries", "identities", "tags", "history", "account", "details", "resources", "around"}
)  # fmt: skip

_SAMPLES: Final = {
    "addresses": "caller_ip",
    "repositories": "repository",
    "registries": "registry",
    "identities": "identity",
    "tags": "tag",
    "details": "details",
    "resources": "resource_name",
}
_ABSENT: Final = {"details": "what was written is not in the log"}


class _Counted(int):
    """A number that a template may give a noun: `{count:call}` is `1 call`, `2 calls`."""

    def __format__(self, noun: str) -> str:
        plural = "" if self == 1 else "es" if noun.endswith("h") else "s"
        return f"{int(self)} {noun}{plural}" if noun else str(int(self))


def template_mistake(template: str, group_by: Sequence[str]) -> str | None:
    """Return why no alert of this grouping can fill a reason template; None where each can.

    A value stands in it as it is: no conversion, and no format, which the first match would trip over. Only `count` may
    have a noun.
    """
    if len(template) > _LONGEST:
        return f"has {len(template):,} characters, at most {_LONGEST:,} are taken"
    try:
        fields = [(name, spec, how) for _, name, spec, how in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        return f"is no template: {error}"
    known = {name for name in _FACTS | set(group_by) if name.isidentifier()}
    if unknown := sorted({name for name, _, _ in fields} - known):
        return f"uses unknown names: {', '.join(unknown)}"
    for name, spec, how in fields:
        counted = name == "count" and name not in group_by
        if how or (spec and not (counted and _NOUN.fullmatch(spec))):
            shaped = f"{{{name}{'!' + how if how else ''}{':' + spec if spec else ''}}}"
            return f"shapes a value, {shaped[:40]!r}: write {{{name}}}; only count takes a noun, as in {{count:call}}"
    return None


def reason(metadata: Metadata, group: Group, episode: Episode) -> str:
    """Return the sentence for one alert."""
    facts = episode.facts
    values: dict[str, object] = {
        **dict.fromkeys(_FACTS, "-"),
        "count": _Counted(episode.count),
        "span": _span(episode),
        "operations": _operations(facts.totals),
        **facts.peaks,
        **{name: _listed(facts.samples.get(field, ()), _ABSENT.get(name, "-")) for name, field in _SAMPLES.items()},
        **facts.notes,
        "around": counted_operations(facts.notes.get(AROUND, {})) or "nothing",
        "account": shorten(str(facts.notes.get("account", "-"))),
        **{name: shorten(readable(name, value)) for name, value in group},
    }
    return metadata.reason.format_map(values)


def _span(episode: Episode) -> str:
    first, last = moment(episode.first), moment(episode.last)
    return f"at {first}" if first == last else f"between {first} and {last}"


def moment(time: datetime) -> str:
    """Return a UTC time to the second, as people compare it with their logs."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def shorten(value: str) -> str:
    """Return a value fit for a sentence: control characters shown escaped, cut with an ellipsis."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in value[: _MAX_VALUE + 1])
    return shown if len(shown) <= _MAX_VALUE else shown[: _MAX_VALUE - 1] + "…"


def _operations(totals: Mapping[str, Any]) -> str:
    return counted_operations(
        {name.removeprefix("operation."): n for name, n in totals.items() if name.startswith("operation.")}
    )


def counted_operations(counts: Mapping[str, int]) -> str:
    """Return numbers by operation as words, the largest first: `3 pull, 1 push`."""
    return ", ".join(f"{n} {name}" for name, n in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _listed(values: Sequence[str], absent: str) -> str:
    shown = [shorten(value) for value in values[:3]]
    return (", ".join(shown) or absent) + (" and others" if len(values) > len(shown) else "")
