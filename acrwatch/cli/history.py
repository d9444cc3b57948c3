"""The history of an alert as people read it: who did what, when, from which value to which."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from acrwatch.cli.output import Column, counted
from acrwatch.cli.times import utc

HISTORY: Final = (
    Column("WHEN", lambda line: line["when"]),
    Column("WHO", lambda line: line["who"]),
    Column("WHAT", lambda line: line["what"], wrap=True),
)
# A burst extends its alert with every pass; what people did must not drown in that.
_OFTEN: Final = "extended"


def history_lines(history: Sequence[Mapping[str, Any]]) -> list[Mapping[str, str]]:
    """Return one line per change, oldest first; extensions that follow each other are one line."""
    lines: list[Mapping[str, str]] = []
    for often, group in groupby(history, key=lambda line: line["change"] == _OFTEN):
        these = list(group)
        lines += _joined(these) if often else [_line(line, _said(line)) for line in these]
    return lines


def _joined(extensions: Sequence[Mapping[str, Any]]) -> Iterable[Mapping[str, str]]:
    last = extensions[-1]
    events = counted(last["detail"]["count"], "event")
    times = "" if len(extensions) == 1 else f" {len(extensions)} times since {utc(extensions[0]['at'])},"
    return [_line(last, f"extended{times} to {events}")]


def _line(line: Mapping[str, Any], what: str) -> Mapping[str, str]:
    return {"when": utc(line["at"]), "who": line["actor"], "what": what}


def _said(line: Mapping[str, Any]) -> str:
    """Return a change in words: `closed: status active → closed, verdict - → test. "Tried it"`."""
    detail = line["detail"]
    fields = detail.get("fields", {})
    moved = [f"{name.replace('_', ' ')} {one['from'] or '-'} → {one['to'] or '-'}" for name, one in fields.items()]
    engine = {"into": "into alert {}", "why": "{}", "count": "with {} matching event(s)"}
    moved += [words.format(detail[name]) for name, words in engine.items() if name in detail]
    said = f"{line['change']}: {', '.join(moved)}" if moved else line["change"]
    return f'{said}. "{detail["comment"]}"' if "comment" in detail else said
