"""Events and changes in the words that people read, the same on a terminal and in a report."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final

# A digest, or the version of a context or a rule, is told from its neighbours by this much of it.
DIGEST_DIGITS: Final = 12

# A burst extends its alert with every pass; what people did must not drown in that.
_OFTEN: Final = "extended"
_ENGINE: Final = {"into": "into alert {}", "why": "{}", "count": "with {} matching event(s)"}
# What a detail of the history says beside `count`: as many at least.
_MINIMUM: Final = "count_is_minimum"


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
    events = f"{at_least(detail['count'], detail)} event{'' if detail['count'] == 1 else 's'}"
    since = f"{extensions[0]['at']:%Y-%m-%d %H:%M:%S}Z"
    times = "" if len(extensions) == 1 else f" {len(extensions)} times since {since},"
    return f"extended{times} to {events}"


def _said(line: Mapping[str, Any]) -> str:
    """Return a change in words: `closed: status active → closed, verdict - → test. "Tried it"`."""
    detail = line["detail"]
    fields = detail.get("fields", {})
    moved = [f"{name.replace('_', ' ')} {one['from'] or '-'} → {one['to'] or '-'}" for name, one in fields.items()]
    engine = {**detail, **({"count": at_least(detail["count"], detail)} if "count" in detail else {})}
    moved += [words.format(engine[name]) for name, words in _ENGINE.items() if name in engine]
    said = f"{line['change']}: {', '.join(moved)}" if moved else line["change"]
    return f'{said}. "{detail["comment"]}"' if "comment" in detail else said
