"""What people said of networks: a benign verdict lets a network join the baseline, from its time on.

A verdict is read when an identity is judged again, and may be taken back. So whatever an earlier judgement made of one
is compared with what verdicts say now; where the two differ, the identity is judged again from that date on.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final

from sqlalchemy import Connection

from detections.alerting import group_key
from detections.behavioural.anomalous_source_ip.judging import joins_baseline
from detections.behavioural.anomalous_source_ip.metadata import METADATA, group_of
from storage.state import alerts
from storage.state.visits import Stay

# Verdicts that let a network join the baseline.
_TRUSTING: Final = ("benign_positive", "false_positive")

# When a person called a network benign, by identity and by network.
Trusted = Mapping[str, Mapping[str, datetime]]


def trusted_networks(connection: Connection, stays: Iterable[Stay]) -> Trusted:
    """Return those of the networks of these stays that a person called benign or a false alarm, with the time."""
    by_key = {group_key(group_of(stay.identity_key, stay.network)): stay for stay in stays}
    found: dict[str, dict[str, datetime]] = {}
    for alert in alerts.closed_by_people(connection, METADATA.slug, list(by_key)):
        if alert.closed_at is not None and (alert.close_reason or "").startswith(_TRUSTING):
            stay = by_key[alert.group_key]
            found.setdefault(stay.identity_key, {})[stay.network] = alert.closed_at
    return found


def overruled(stays: Sequence[Stay], trusted: Trusted) -> dict[str, date]:
    """Return the identities whose judgement contradicts what people say now, each with a date before which none does.

    Usually none: verdicts are given after the events that they are about, and before those that they are applied to.
    """
    found: dict[str, date] = {}
    for stay in stays:
        day = _contradicted(stay, trusted.get(stay.identity_key, {}).get(stay.network))
        if day is not None:
            found[stay.identity_key] = min(day, found.get(stay.identity_key, day))
    return found


def _contradicted(stay: Stay, trusted: datetime | None) -> date | None:
    if trusted is not None and stay.last_day > stay.first_day and stay.last_time > trusted:
        return trusted.astimezone(UTC).date()  # it goes on after a benign verdict
    if stay.next_day is None or stay.next_time is None:
        return None
    ended = joins_baseline(stay.last_day, stay.next_day, stay.next_time, trusted)
    return None if ended else stay.next_day  # it ended without silence, by a verdict that does not hold any more
