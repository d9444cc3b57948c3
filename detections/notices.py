"""What destinations are told of an alert, written to the outbox in the transaction that changes it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from storage.state import alerts, outbox
from storage.state.alerts import Alert

# What receivers take: chat and pager gateways cut or refuse bodies beyond some 20 kB.
BODY_BYTES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Publishing:
    """Where notices go: names of destinations, and the prefix of links to alerts."""

    destinations: Sequence[str] = ()
    public_url: str = ""


def notify(
    connection: Connection,
    alert: Alert,
    type: str,  # noqa: A002
    publishing: Publishing,
    *,
    now: datetime,
    change: Mapping[str, Any] | None = None,
) -> None:
    """Tell every destination of an alert as it is now; nobody is told of a historical one, or of one
    set apart.

    `change` says what a person did to it: actor, change and detail as in the alert's history.
    """
    if alert.historical or alert.status in alerts.SET_APART or not publishing.destinations:
        return
    data = alerts.as_json(alert, public_url=publishing.public_url)
    # An update that waits is folded into the next, so the next one of a short while says it as well.
    fresh = now - alert.raised_at < outbox.UPDATE_INTERVAL
    raised_again = type != outbox.CREATED and alert.raised_at > alert.created_at and fresh
    data = {**data, "raised_again": raised_again, **({"change": dict(change)} if change else {})}
    outbox.enqueue(
        connection,
        destinations=publishing.destinations,
        alert_id=alert.id,
        type=type,
        revision=alert.revision,
        body=_fitted({"type": type, "timestamp": data["updated_at"], "data": data}),
        now=now,
    )


def _fitted(body: Mapping[str, Any]) -> str:
    """Return a notice as JSON within BODY_BYTES: evidence rows go first, the last ones before the earlier, then
    entities, then ids of evidence, which it says. The alert itself keeps them all."""
    data = dict(body["data"])
    while True:
        text = json.dumps({**body, "data": data}, ensure_ascii=False, separators=(",", ":"))
        longest = next((name for name in ("evidence_rows", "entities", "evidence") if data[name]), None)
        if longest is None or len(text.encode()) < BODY_BYTES:
            return text
        data[longest] = data[longest][:-1]
        data["evidence_truncated"] = data["evidence_truncated"] or longest == "evidence"
