"""Events and changes in the words that people read, the same on a terminal and in a report."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final

# A digest, or the version of a context or a rule, is told from its neighbours by this much of it.
DIGEST_DIGITS: Final = 12

# A burst extends its alert with every pass; what people did must not drown in that.
_OFTEN: Final = "extended"
# What the engine did, by the details that it gives; the whole of these is there for what says more of one of them.
_ENGINE: Final[Mapping[str, Callable[[Any, Mapping[str, Any]], str]]] = {
    "into": lambda alert, _: f"into alert {alert}",
    "why": lambda why, _: str(why),
    "count": lambda number, detail: f"with {at_least(number, detail)} {noun_of(number, 'matching event')}",
}
# What a detail of the history says beside `count`: as many at least.
_MINIMUM: Final = "count_is_minimum"


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Return a number with its noun: `1 event`, `1,204 events`; `nouns` where an s does not make more of it."""
    return f"{number:,} {noun_of(number, noun, nouns)}"


def noun_of(number: int, noun: str, nouns: str = "") -> str:
    """Return what so many of something are called: `event` or `events`, or else `nouns`."""
    return noun if number == 1 else nouns or f"{noun}s"


def image(row: Mapping[str, Any]) -> str:
    """Return `repository:tag`, `repository@digest` (cut), or as much of it as the event says."""
    repository, tag, digest = row.get("repository"), row.get("tag"), row.get("digest")
    reference = tag if tag and ":" in tag else digest if not tag else None
    if reference is None:
        return f"{repository or ''}:{tag}" if tag else repository or "-"
    algorithm, _, digits = reference.partition(":")
    return f"{repository or ''}@{algorithm}:{digits[:DIGEST_DIGITS]}"


def at_least(count: int, said: Mapping[str, Any]) -> str:
    """Return the count of an alert with what `said`, the alert as JSON or a line of its history, knows of its kind."""
    return f"at least {count:,}" if said.get(_MINIMUM) else f"{count:,}"


def evidence_heading(alert: Mapping[str, Any]) -> str:
    """Return what stands over the evidence rows of an alert (as JSON)."""
    shown, count = len(alert["evidence_rows"]), alert["count"]
    if shown >= count and not alert.get(_MINIMUM):
        return "Evidence"
    # What the parts of an alert do not keep may lie between what they do: these are not its first.
    first = "" if alert["parts"] else "the first "
    return f"Evidence, {first}{shown} of {at_least(count, alert)} events"


def told(history: Sequence[Mapping[str, Any]]) -> Iterator[tuple[datetime, str, str]]:
    """Yield when, who and what of each change in an alert's history, as `storage.state.alerts.history` gives it.

    Extensions that follow each other are one: when the last was, how many there were, and since when (UTC).
    """
    for often, group in groupby(history, key=lambda line: line["change"] == _OFTEN):
        these = list(group)
        if often:
            yield these[-1]["at"], these[-1]["actor"], _extended(these)
        else:
            yield from ((line["at"], line["actor"], _said(line)) for line in these)


def _extended(extensions: Sequence[Mapping[str, Any]]) -> str:
    detail = extensions[-1]["detail"]
    events = f"{at_least(detail['count'], detail)} {noun_of(detail['count'], 'event')}"
    since = f"{extensions[0]['at']:%Y-%m-%d %H:%M:%S}Z"
    times = "" if len(extensions) == 1 else f" {len(extensions)} times since {since},"
    return f"extended{times} to {events}"


def _said(line: Mapping[str, Any]) -> str:
    """Return a change in words: `closed: status active → closed, verdict - → test. "Tried it"`."""
    detail = line["detail"]
    fields = detail.get("fields", {})
    moved = [f"{name.replace('_', ' ')} {one['from'] or '-'} → {one['to'] or '-'}" for name, one in fields.items()]
    moved += [words(detail[name], detail) for name, words in _ENGINE.items() if name in detail]
    said = f"{line['change']}: {', '.join(moved)}" if moved else line["change"]
    return f'{said}. "{detail["comment"]}"' if "comment" in detail else said
