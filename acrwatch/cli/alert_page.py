"""One alert as an analyst reads it at three in the morning: why first, then who and where, the evidence, what to do."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from acrwatch.cli.history import HISTORY, history_lines
from acrwatch.cli.output import SEVERITY_STYLE, Column, bullets, cell, note, pairs, render, table
from acrwatch.cli.times import ago, parsed, utc
from acrwatch.core.verdict import DUPLICATE
from acrwatch.core.wording import DIGEST_DIGITS, at_least, evidence_heading, image

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from detections.detection import Metadata
    from storage.state.alerts import Alert

_ALWAYS: Final = (
    Column("TIME", lambda row: utc(parsed(row["event_time"]))),
    Column("OPERATION", lambda row: row.get("operation", "-")),
    Column("IMAGE", lambda row: image(row), wrap=True),
)
_PARTS: Final = (
    Column("FIRST SEEN", lambda part: utc(parsed(part["first_seen"]))),
    Column("SEVERITY", lambda part: part["severity"], lambda part: SEVERITY_STYLE.get(part["severity"], "")),
    Column("RULE", lambda part: part["rule"]),
    Column("ID", lambda part: part["id"]),
)
# Shown once below the table where it is the same in every row, as it mostly is.
_WHERE_DIFFERENT: Final = (
    Column("STATUS", lambda row: str(row.get("status_code", "-"))),
    Column("REGISTRY", lambda row: row.get("registry", "-")),
    Column("IDENTITY", lambda row: row.get("identity", "-")),
    Column("ADDRESS", lambda row: row.get("caller_ip", "-")),
    Column("REGION", lambda row: row.get("region", "-")),
    Column("CLIENT", lambda row: row.get("user_agent", "-"), wrap=True),
)


def write_alert(alert: "Alert", rule: "Metadata | None", history: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Print the alert with what its rule says, where that is installed still, and what was done to it, oldest first;
    `now` (aware) decides how long ago things were."""
    from storage.state.alerts import as_json

    document = as_json(alert)
    render(
        cell(alert.reason, "bold"),
        cell(""),
        *_headline(document, now),
        *_section("Who and where", _pairs(document)),
        *_section("Made of these alerts", _parts(alert)),
        *_section(evidence_heading(document), _evidence(document)),
        *_section("What to do", _steps(alert, rule)),
        *_section(
            "Before you call it an attack", [bullets(rule.falsepositives)] if rule and rule.falsepositives else []
        ),
        *_section("What was done", [table(history_lines(history), HISTORY)]),
    )
    if rule is not None and rule.version != alert.rule_version:
        note("The rule has changed since: this alert was raised by an earlier version of it.")


def _headline(document: Mapping[str, Any], now: datetime) -> "Iterator[Text]":
    severity = cell(f" {document['severity'].upper()} ", SEVERITY_STYLE.get(document["severity"], ""))
    closed = f", {document['close_reason']}" if document["close_reason"] else ""
    yield severity.append_text(cell(f"  {document['title']} ({document['rule']})", "none"))
    yield cell(f"Alert {document['id']}, revision {document['revision']}: {document['status']}{closed}")
    for label, name in (("First seen", "first_seen"), ("Last seen", "last_seen"), ("Raised", "created_at")):
        moment = parsed(document[name])
        if moment is not None:
            yield cell(f"{label:<11}{utc(moment)}, {ago(moment, now)}")
    yield cell(f"{'Events':<11}{at_least(document['count'], document)}")
    yield cell(f"{'Assignee':<11}{document['assignee'] or 'nobody'}")
    if document["context_version"]:
        version = document["context_version"][:DIGEST_DIGITS]
        yield cell(f"{'Judged by':<11}`acrwatch context show --version {version}`")
    if document["merged_into"]:
        says = "It is a duplicate of" if document["close_reason"] == DUPLICATE else "It goes on in"
        yield cell(f"{says} alert {document['merged_into']}.", "yellow")
    if document["suppressed_by"] is not None:
        yield cell(f"Suppressed by suppression {document['suppressed_by']}: it was not delivered.", "yellow")
    if document["status"] == "staged":
        yield cell("Its rule was staged: it was not delivered.", "yellow")
    if document["status"] == "building-block":
        told = "it counts towards entity-risk, and was not delivered"
        yield cell(f"A building block, too weak to be told alone: {told}.", "yellow")
    if document["historical"]:
        yield cell("Historical: its events came too late to be news, so it was not delivered.", "yellow")
    if document["changed_after_close"]:
        yield cell("More events came to light after it was closed.", "yellow")


def _section(heading: str, body: "Iterable[RenderableType]") -> "Iterator[RenderableType]":
    parts = list(body)
    if parts:
        yield cell("")
        yield cell(heading, "bold")
        yield from parts


def _pairs(document: Mapping[str, Any]) -> "Iterator[RenderableType]":
    values: dict[str, list[str]] = {}
    for entity in document["entities"]:
        values.setdefault(entity["type"], []).append(entity["value"])
    yield pairs((kind, _listed(found)) for kind, found in values.items())


def _listed(values: Sequence[str]) -> str:
    """Return the values of one kind; so many were kept and no more, and a full list does not say what it left out."""
    from detections.episode import SAMPLES

    return ", ".join(values) + (", perhaps others" if len(values) >= SAMPLES else "")


def _parts(alert: "Alert") -> "Iterator[RenderableType]":
    from storage.state.alerts import made_of

    if parts := made_of(alert):
        yield table(parts, _PARTS)


def _evidence(document: Mapping[str, Any]) -> "Iterator[RenderableType]":
    rows: Sequence[Mapping[str, Any]] = document["evidence_rows"]
    if not rows:
        return
    different = [column for column in _WHERE_DIFFERENT if len({column.show(row) for row in rows}) > 1]
    yield table(rows, [*_ALWAYS, *different])
    same = [(column.heading.lower(), column.show(rows[0])) for column in _WHERE_DIFFERENT if column not in different]
    if len(rows) > 1 and any(value != "-" for _, value in same):
        yield cell("  In every row shown:")
    yield pairs((name, value) for name, value in same if value != "-")
    if (known := len(document["evidence"])) > len(rows):
        yield cell(f"  --json has the event_id of {known} of them; the lake keeps every event.", "dim")


def _steps(alert: "Alert", rule: "Metadata | None") -> "Iterator[RenderableType]":
    if rule is None:
        yield cell(f"  The rule {alert.rule} is not installed any more; its steps went with it.")
        return
    yield bullets((_filled(step, alert.registries) for step in rule.runbook), numbered=True)
    yield cell(f"  More about the rule, and what it misses: acrwatch rules show {alert.rule}", "dim")


def _filled(step: str, registries: Iterable[str]) -> str:
    """Put the registry's name into the commands of a step, so that they can be pasted; only where there is just one."""
    names = list(registries)
    if len(names) == 1 and re.fullmatch("[a-z0-9]+", names[0]):
        return step.replace("<registry>", names[0])
    return step
