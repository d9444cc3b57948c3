"""What people do to alerts: take note, assign, comment, close with a verdict, reopen.

Each change is one revision, by compare-and-swap, with a line in the alert's history that says who, when, and from which
value to which; destinations are told as of the engine's own changes. What the engine makes of a closed alert stands in
`detections.alerting`: an event up to its close extends it, a later one opens a new alert.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection

from acrwatch.core.characters import fit
from acrwatch.core.errors import ConfigError, ConflictError
from acrwatch.core.verdict import DUPLICATE, Verdict
from detections.alerting import ENGINE
from detections.notices import Publishing, notify
from storage.state import alerts, outbox
from storage.state.alerts import Alert

# A notice, which carries the comment, must stay within what receivers take.
COMMENT_CHARACTERS: Final = 4_000
# The width of alerts.assignee and alert_history.actor.
_NAME_CHARACTERS: Final = 200
# What history calls the fields that people change.
_FIELDS: Final = {"status": "status", "verdict": "close_reason", "assignee": "assignee", "duplicate_of": "merged_into"}


@dataclass(frozen=True, slots=True)
class Hand:
    """Somebody at work on alerts, in one write transaction. `now` is aware UTC."""

    connection: Connection
    by: str
    now: datetime
    publishing: Publishing

    def __post_init__(self) -> None:
        """Refuse a name that is none. Raises ConfigError."""
        named(self.by)
        if self.by.casefold() == ENGINE:
            raise ConfigError(f"{self.by!r} is what acrwatch calls itself in the history", remedy="Say who you are")

    def take(self, alert_id: str, revision: int | None = None) -> Alert:
        """Return an alert, kept from others until the transaction ends.

        Raises NotFoundError; ConflictError where it is not at `revision` any more, with who changed it last.
        """
        alert = alerts.get(self.connection, alert_id, hold=True)
        if revision is not None and alert.revision != revision:
            last = alerts.history(self.connection, alert.id)[-1:]
            who = "".join(f": {one['actor']} {one['change']} it at {_clock(one['at'])}" for one in last)
            raise ConflictError(
                f"alert {alert.id} is at revision {alert.revision}, not {revision}{who}",
                remedy=f"Read it again (acrwatch alerts show {alert.id}), and repeat the change if it still applies",
            )
        return alert

    def acknowledge(self, alert: Alert) -> Alert:
        """Take note: a new alert becomes active. One that somebody took note of already stays as it is."""
        self._refuse_closed(alert, "acknowledge")
        if alert.acked_at is not None and alert.status in (alerts.ACTIVE, alerts.BUILDING_BLOCK):
            return alert
        return self._change(alert, "acknowledged", status=alerts.ACTIVE, acked_at=alert.acked_at or self.now)

    def assign(self, alert: Alert, assignee: str | None) -> Alert:
        """Make an alert somebody's, or nobody's. Its status stays: being given work is not having seen it."""
        if assignee is not None:
            named(assignee)
        return alert if alert.assignee == assignee else self._change(alert, "assigned", assignee=assignee)

    def comment(self, alert: Alert, text: str) -> Alert:
        """Add a comment to the history; the alert itself stays as it is, at a new revision."""
        if not text.strip():
            raise ConfigError("the comment is empty", remedy="Say something with --comment")
        return self._change(alert, "commented", text)

    def close(
        self, alert: Alert, verdict: Verdict, comment: str | None = None, *, duplicate_of: Alert | None = None
    ) -> Alert:
        """Close an alert with a verdict; give one that a person closed another verdict, as of its first close.

        Raises ConfigError for a duplicate of nothing or of itself, ConflictError for one of an alert that only repeats
        another, and where the engine closed this one.
        """
        if (verdict.name == DUPLICATE) != (duplicate_of is not None):
            raise ConfigError("the verdict duplicate goes with the alert that it repeats", remedy="Name it by --of ID")
        if duplicate_of is not None:
            self._refuse_repeating(alert, duplicate_of)
        if alert.closed_at is not None:
            self._refuse_closed_by_engine(alert)
        return self._change(
            alert,
            "closed" if alert.closed_at is None else "judged again",
            comment,
            status=alerts.CLOSED,
            close_reason=verdict.name,
            merged_into=duplicate_of.id if duplicate_of else None,
            closed_at=alert.closed_at or self.now,
        )

    def reopen(self, alert: Alert, comment: str | None = None) -> Alert:
        """Take a verdict back: the alert is active again. Raises ConflictError for one that no person closed."""
        if alert.closed_at is None:
            raise ConflictError(f"alert {alert.id} is open: its status is {alert.status}")
        self._refuse_closed_by_engine(alert)
        return self._change(
            alert,
            "reopened",
            comment,
            status=alerts.ACTIVE,
            close_reason=None,
            merged_into=None,
            closed_at=None,
            changed_after_close=False,
        )

    def _change(self, alert: Alert, change: str, comment: str | None = None, **fields: Any) -> Alert:
        if alert.status == alerts.BUILDING_BLOCK:  # a verdict takes its points away; its lane stays
            fields.pop("status", None)
        elif fields and alert.status in alerts.SET_APART:
            raise ConflictError(
                f"alert {alert.id} is {alert.status}: nobody was told of it, so there is nothing to do about it",
                remedy="Comments are kept",
            )
        changed = replace(alert, **fields, revision=alert.revision + 1, updated_at=self.now)
        detail: dict[str, Any] = {"fields": _differences(alert, changed)}
        if comment and comment.strip():
            detail["comment"] = _said(comment)
        alerts.save(self.connection, changed)
        alerts.record(self.connection, alert.id, change, detail, actor=self.by, now=self.now)
        about = {"actor": self.by, "change": change, **detail}
        type_ = outbox.CLOSED if "close_reason" in fields and changed.closed_at is not None else outbox.UPDATED
        notify(self.connection, changed, type_, self.publishing, now=self.now, change=about)
        return changed

    def _refuse_closed(self, alert: Alert, verb: str) -> None:
        if alert.closed_at is not None:
            raise ConflictError(
                f"alert {alert.id} is closed as {alert.close_reason}: there is nothing to {verb}",
                remedy=f"acrwatch alerts reopen {alert.id} takes that back, if a person closed it",
            )

    def _refuse_repeating(self, alert: Alert, other: Alert) -> None:
        """Refuse what nobody would read: two alerts that send each other's reader to and fro."""
        if other.id == alert.id:
            raise ConfigError(f"alert {alert.id} cannot be a duplicate of itself", remedy="Name the other one by --of")
        if other.merged_into is not None:
            mine = other.merged_into == alert.id
            raise ConflictError(
                f"alert {other.id} was closed as {other.close_reason}: what it says goes on in {other.merged_into}",
                remedy="Give this one a verdict of its own" if mine else f"Name that one by --of {other.merged_into}",
            )

    def _refuse_closed_by_engine(self, alert: Alert) -> None:
        if alert.close_reason in alerts.ENGINE_REASONS:
            on = f"It goes on in alert {alert.merged_into}" if alert.merged_into else "A new one opens if it comes back"
            raise ConflictError(f"alert {alert.id} was closed by acrwatch itself, as {alert.close_reason}", remedy=on)


def named(name: str) -> str:
    """Return the name of a person. Raises ConfigError where it is none, or longer than the state keeps."""
    if not name.strip() or not name.isprintable() or len(name) > _NAME_CHARACTERS:
        raise ConfigError(f"{name!r} is not a name", remedy=f"A name has 1 to {_NAME_CHARACTERS} printable characters")
    return name


def _said(comment: str) -> str:
    text = fit(comment.strip().replace("\0", ""), "the comment")  # PostgreSQL keeps no NUL
    if len(text) > COMMENT_CHARACTERS:
        raise ConfigError(
            f"the comment has {len(text)} characters", remedy=f"At most {COMMENT_CHARACTERS} are kept; link to the rest"
        )
    return text


def _differences(before: Alert, after: Alert) -> Mapping[str, Mapping[str, Any]]:
    pairs = {name: (getattr(before, field), getattr(after, field)) for name, field in _FIELDS.items()}
    return {name: {"from": old, "to": new} for name, (old, new) in pairs.items() if old != new}


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
