"""Making suppressions, and what one would have hidden of what was told."""

import ipaddress
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from acrwatch.core.address import parse_address
from acrwatch.core.characters import fit
from acrwatch.core.errors import ConfigError
from acrwatch.core.verdict import TRUE, outcome_of
from detections.fields import VALUE_CHARACTERS
from detections.lanes import asks_for, meets_all
from detections.stored import episode_of
from detections.triage import named
from storage.state import alerts
from storage.state.alerts import Alert
from storage.state.suppressions import CONDITIONS, Suppression

# One that nobody looks at for longer hides what nobody remembers; it can be made anew.
LONGEST: Final = timedelta(days=366)
# As long as most change freezes and pilots last: the default of products that have one.
DEFAULT: Final = timedelta(days=30)


def drafted(
    conditions: Mapping[str, str | None],
    *,
    owner: str,
    reason: str,
    starts_at: datetime,
    expires_at: datetime,
    by: str,
    now: datetime,
) -> Suppression:
    """Return a suppression that is in order and not stored yet. Raises ConfigError with what is wrong with it."""
    given = {name: value.strip() for name, value in conditions.items() if value is not None and name in CONDITIONS}
    if not given:
        raise ConfigError(
            "a suppression of everything would blind acrwatch",
            remedy="Name a rule, a registry, an identity, a network, a repository or a digest",
        )
    if not reason.strip():
        raise ConfigError("the reason is empty", remedy="Say what is expected to happen, and who said so")
    if expires_at <= starts_at:
        raise ConfigError(
            f"the suppression would end at {_spoken(expires_at)}, which is not after its start at {_spoken(starts_at)}",
            remedy="Let it end after its start, or give a span such as 8h, which counts from the start",
        )
    if expires_at - starts_at > LONGEST:
        raise ConfigError(
            f"the suppression would last from {_spoken(starts_at)} to {_spoken(expires_at)}",
            remedy=f"Let it end at most {LONGEST.days} days after its start; it can be made anew then",
        )
    checked = {name: _checked(name, value) for name, value in given.items()}
    return Suppression(
        id=0,
        rule=checked.get("rule"),
        registry=checked.get("registry"),
        identity=checked.get("identity"),
        network=checked.get("network"),
        repository=checked.get("repository"),
        digest=checked.get("digest"),
        owner=named(owner),
        reason=fit(reason.strip(), "the reason"),
        starts_at=starts_at,
        expires_at=expires_at,
        created_at=now,
        created_by=named(by),
    )


def _spoken(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def _checked(name: str, value: str) -> str:
    fit(value, name)
    if name == "network":
        try:
            return str(ipaddress.ip_network(parse_address(value).text or value, strict=False))
        except ValueError as error:
            raise ConfigError(
                f"{value!r} is no address and no range", remedy="Write 203.0.113.9 or 203.0.113.0/24"
            ) from error
    # An alert keeps so much of a value; two longer ones could not be told apart.
    if not value or len(value) >= VALUE_CHARACTERS:
        raise ConfigError(f"{name} {value[:40]!r}", remedy=f"Expected 1 to {VALUE_CHARACTERS - 1} characters")
    return value.casefold() if name == "registry" else value


@dataclass(frozen=True, slots=True)
class Preview:
    """What a suppression would have hidden since a moment, had it been in force: alerts as a whole, newest first, and
    those of which it would have hidden a part; `true` is how many of the first a person called true."""

    since: datetime
    hidden: tuple[Alert, ...]
    partly: tuple[Alert, ...]

    @property
    def true(self) -> int:
        """How many of the hidden ones a person closed as true."""
        return sum(1 for alert in self.hidden if outcome_of(alert.close_reason) == TRUE)

    @property
    def by_rule(self) -> Mapping[str, int]:
        """How many alerts of each rule it would have hidden, most first."""
        return dict(Counter(alert.rule for alert in self.hidden).most_common())


def preview(connection: Connection, suppression: Suppression, *, since: datetime) -> Preview:
    """Return what a suppression would have hidden of the alerts that stand, by the evidence that they keep."""
    found = [alert for alert in alerts.seen_since(connection, since) if suppression.rule in (None, alert.rule)]
    hidden = [alert for alert in found if asks_for(suppression, episode_of(alert))]
    ids = {alert.id for alert in hidden}
    rest = (alert for alert in found if alert.id not in ids)
    partly = [alert for alert in rest if any(meets_all(suppression, row) for _, row in alert.evidence_rows)]
    return Preview(since, tuple(hidden), tuple(partly))


def spoken(suppression: Suppression) -> str:
    """Return in words what a suppression hides: `rule mass-delete, identity cleaner`."""
    said = [f"{name} {value}" for name, value in suppression.conditions.items()]
    return ", ".join(said if suppression.rule else ["any rule", *said])
