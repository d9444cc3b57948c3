"""Anomalous source IP: an identity comes from a network that its own history makes surprising.

The profile keeps, per identity, network (/24, /48) and UTC date, what happened; a date is judged by the dates before
it and nothing else, so that late history changes the judgement of exactly those dates that it should. How surprising a
new network is, is the chance of meeting one, estimated from the identity's own last 30 days after Good and Turing: the
share of observations that fell to networks seen once. I. J. Good, "The population frequencies of species and the
estimation of population parameters", Biometrika 40 (1953).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from detections.detection import Group, Judgement, Metadata
from detections.episode import Episode, Evidence, Facts
from detections.events import NewEvents
from detections.fields import EVIDENCE_FIELDS, readable
from detections.match import SAMPLED
from detections.stored import episode_from, stored_episode
from storage.state import alerts
from storage.state.profiles import NetworkDay, network_days_at, network_days_of, save_network_days

# An identity is learned for this long before anything of it is judged.
LEARNING: Final = timedelta(days=14)
# A network that alerted joins the baseline after this long without a match (or by a benign verdict).
QUIET: Final = timedelta(days=14)
# The stretch of history that rarity is estimated from.
HISTORY: Final = timedelta(days=30)
# Below this chance of meeting a new network, meeting one is surprising.
SURPRISING: Final = 0.10
# Someone seen in this many networks within HISTORY travels: one alert per HISTORY is what we say of new ones.
TRAVELLER: Final = 8

# Verdicts that let a network join the baseline.
_TRUSTING: Final = ("benign_positive", "false_positive")

_EVIDENCE_A_DAY: Final = 5
_JUDGED: Final = "e.succeeded AND e.identity IS NOT NULL"
_ROW: Final = ", ".join(f"{name} := e.{name}" for name in EVIDENCE_FIELDS)
_SELECT: Final = (
    "e.actor, e.network, e.event_date, min(e.event_time) AS first, max(e.event_time) AS last, count(*) AS events, "
    "bool_and(e.late) AS late, histogram(e.operation) AS operations, "
    f"list(struct_pack(time := e.event_time, id := e.event_id, {_ROW}) ORDER BY e.event_time, e.event_id)"
    f"[1:{_EVIDENCE_A_DAY}] AS sample, "
    + ", ".join(f"list_sort(list(DISTINCT e.{name}))[1:10] AS all_{name}" for name in SAMPLED)
)

METADATA: Final = Metadata(
    slug="anomalous-source-ip",
    id="7c2e8b0a-9f43-4d1f-8a55-2e4b8f6d3c66",
    version=hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    title="Identity used from a network that is new to it",
    description=(
        "A successful call from a /24 or /48 network that the identity has not used before, where its own history "
        "makes a new network improbable. Identities are learned for 14 days first."
    ),
    level="medium",
    status="stable",
    author="acrwatch",
    date="2026-11-22",
    group_by=("actor", "network"),
    group_for=QUIET,
    entities={"identity": "identity", "ip": "caller_ip", "network": "network", "registry": "registry"},
    reason=(
        "{account} was used from {network}, a network new to it: {count} successful calls ({operations}) from "
        "{addresses} on registry {registries} between {first} and {last}. {history}"
    ),
    tags=("attack.initial_access", "attack.t1078.004", "attack.credential_access", "attack.t1528"),
    references=("https://attack.mitre.org/techniques/T1078/004/",),
    falsepositives=("A new office, home connection or mobile network", "A build pool moved to other egress addresses"),
    blind_spots=(
        "An identity younger than 14 days is only learned.",
        "An attacker within the networks an identity already uses is not new.",
        "Identities shared by many machines (a kubelet, an admin account) hide single machines.",
    ),
    runbook=(
        "Ask the identity's owner whether they work from that network; for a service, whether its runners moved.",
        "Compare the calls with what the identity usually does: operations, repositories, user agents.",
        "If it is not explained, renew the credential and look for other identities used from the same network.",
        "Close as benign to let the network join the baseline; otherwise it does after 14 days without a match.",
    ),
)


@dataclass(slots=True)
class _History:
    """What is known of one identity while its dates are walked through in order."""

    trusted: Mapping[str, date]
    began: date | None = None
    used: dict[str, list[date]] = field(default_factory=dict)
    matched: dict[str, date] = field(default_factory=dict)
    told: list[date] = field(default_factory=list)

    def judge(self, network: str, day: date) -> dict[str, Any] | None:
        """Return why this network is surprising on this date; None where it is not."""
        if self.began is None or day < self.began + LEARNING or self._in_baseline(network, day):
            return None
        recent = {n: [d for d in dates if day - HISTORY <= d < day] for n, dates in self.used.items()}
        recent = {n: dates for n, dates in recent.items() if dates}
        chance = new_network_chance([len(dates) for dates in recent.values()])
        ongoing = network in self.matched
        if not ongoing and (chance >= SURPRISING or self._traveller_was_told(recent, day)):
            return None
        if not ongoing:
            self.told.append(day)
        return {
            "days_known": (day - self.began).days,
            "networks": [[n, len(d)] for n, d in sorted(recent.items(), key=lambda pair: (-len(pair[1]), pair[0]))][:3],
            "networks_total": len(recent),
            "chance": round(chance, 4),
        }

    def note(self, network: str, day: date, *, matched: bool) -> None:
        """Take in a judged date. A date that did not match is part of the baseline from then on."""
        self.began = self.began or day
        if matched:
            self.matched[network] = day
        else:
            self.matched.pop(network, None)
        self.used.setdefault(network, []).append(day)

    def _in_baseline(self, network: str, day: date) -> bool:
        if network in self.matched:
            trusted = self.trusted.get(network)
            return day - self.matched[network] > QUIET or (trusted is not None and day >= trusted)
        return network in self.used

    def _traveller_was_told(self, recent: Mapping[str, Sequence[date]], day: date) -> bool:
        return len(recent) >= TRAVELLER and any(day - told <= HISTORY for told in self.told)


def new_network_chance(days_per_network: Sequence[int]) -> float:
    """Return the Good-Turing chance that the next day of use falls to a network not seen before.

    `days_per_network` counts, for each network seen, the days on which it was. Half an observation of something new is
    added, so that a long history of one network gives a small chance and a short one a larger.
    """
    once = sum(1 for days in days_per_network if days == 1)
    return (once + 0.5) / (sum(days_per_network) + 1)


@dataclass(frozen=True, slots=True)
class AnomalousSourceIp:
    """See the module."""

    metadata: Metadata = METADATA

    def observe(self, events: NewEvents, /) -> tuple[list[NetworkDay], int]:
        """Return the new rows as network days, and the number of calls whose address is unusable."""
        rows = events.grouped(_SELECT, f"{_JUDGED} AND e.network IS NOT NULL", "e.actor, e.network, e.event_date")
        blind = events.new("count(*) AS n", f"{_JUDGED} AND e.network IS NULL")
        return [_network_day(row) for row in rows], blind[0]["n"]

    def judge(self, observed: tuple[list[NetworkDay], int], connection: Connection, /) -> Judgement:
        """See Detection.judge. Only identities with a date not seen before are judged anew."""
        fresh, unjudged = observed
        known = network_days_at(connection, [_key(day) for day in fresh])
        merged = {_key(day): _merged(known.get(_key(day)), day) for day in fresh}
        save_network_days(connection, merged.values())
        grown = sorted({day.identity_key for key, day in merged.items() if key not in known})
        stale = {(d.identity_key, d.network) for d in merged.values() if d.judgement is not None}
        for identity, days in groupby(network_days_of(connection, grown), lambda day: day.identity_key):
            stale |= _rejudge(connection, identity, list(days))
        return self._restate(connection, stale, sum(day.events for day in fresh), unjudged)

    def nearby(self, _events: NewEvents, _group: Group, _episode: Episode, /) -> Mapping[str, Any]:
        """Nothing: the history is stated with each date."""
        return {}

    def _restate(
        self, connection: Connection, stale: Iterable[tuple[str, str]], looked_at: int, unjudged: int
    ) -> Judgement:
        wanted = set(stale)
        days = network_days_of(connection, sorted({identity for identity, _ in wanted}))
        standing: dict[Group, list[Episode]] = {_group(*key): [] for key in wanted}
        for day in days:
            if (day.identity_key, day.network) in wanted and day.judgement is not None:
                standing[_group(day.identity_key, day.network)].append(_episode(day))
        matched = sum(episode.count for episodes in standing.values() for episode in episodes)
        return Judgement(replaced=standing, matched=min(matched, looked_at), unjudged=unjudged)


def _rejudge(connection: Connection, identity: str, days: Sequence[NetworkDay]) -> set[tuple[str, str]]:
    """Walk through all dates of one identity; return its groups in which the judgement of a date changed."""
    history = _History(trusted=_trusted(connection, identity))
    changed: list[NetworkDay] = []
    for day_text, same_day in groupby(days, lambda day: day.date):
        day = date.fromisoformat(day_text)
        judged = [(entry, history.judge(entry.network, day)) for entry in same_day]
        for entry, judgement in judged:
            history.note(entry.network, day, matched=judgement is not None)
            if judgement != entry.judgement:
                changed.append(replace(entry, judgement=judgement))
    save_network_days(connection, changed)
    return {(entry.identity_key, entry.network) for entry in changed}


def _trusted(connection: Connection, identity: str) -> dict[str, date]:
    """Return the networks of an identity that a person called benign or a false alarm, with the date of that word."""
    return {
        json.loads(alert.group_key)["network"]: alert.closed_at.astimezone(UTC).date()
        for alert in alerts.closed_by_people(connection, METADATA.slug, f'{{"actor":{json.dumps(identity)},')
        if alert.closed_at is not None and (alert.close_reason or "").startswith(_TRUSTING)
    }


def _group(identity: str, network: str) -> Group:
    return (("actor", identity), ("network", network))


def _key(day: NetworkDay) -> tuple[str, str, str]:
    return day.identity_key, day.network, day.date


def _network_day(row: Mapping[str, Any]) -> NetworkDay:
    sample = [(Evidence(item["time"].astimezone(UTC), item["id"].hex()), item) for item in row["sample"]]
    episode = Episode(
        row["first"],
        row["last"],
        row["events"],
        row["late"],
        tuple(evidence for evidence, _ in sample),
        tuple((e, {n: item[n] for n in EVIDENCE_FIELDS if item[n] is not None}) for e, item in sample),
        Facts(
            totals={f"operation.{name}": number for name, number in row["operations"]},
            samples={name: [str(v) for v in row[f"all_{name}"] if v is not None] for name in SAMPLED},
        ),
    )
    return _day(row["actor"], row["network"], row["event_date"].isoformat(), episode, None)


def _day(identity: str, network: str, day: str, episode: Episode, judgement: Mapping[str, Any] | None) -> NetworkDay:
    kept = replace(episode, evidence=episode.evidence[:_EVIDENCE_A_DAY], rows=episode.rows[:_EVIDENCE_A_DAY])
    sample = stored_episode(kept)
    return NetworkDay(
        identity, network, day, episode.first, episode.last, episode.count, episode.late, sample, judgement
    )


def _merged(known: NetworkDay | None, fresh: NetworkDay) -> NetworkDay:
    if known is None:
        return fresh
    both = episode_from(known.sample).merge(episode_from(fresh.sample))
    return _day(known.identity_key, known.network, known.date, both, known.judgement)


def _episode(day: NetworkDay) -> Episode:
    judgement = day.judgement or {}
    episode = episode_from(day.sample)
    return episode.with_notes({"history": _sentence(judgement), "baseline": dict(judgement)})


def _sentence(judgement: Mapping[str, Any]) -> str:
    networks = ", ".join(f"{readable('network', name)} on {days} days" for name, days in judgement["networks"])
    return (
        f"It has been known for {judgement['days_known']} days; in the {HISTORY.days} before, it came from "
        f"{judgement['networks_total']} networks ({networks}), which gives a new one a chance of "
        f"{100 * judgement['chance']:.1f} % (surprising below {100 * SURPRISING:.0f} %)."
    )


DETECTION: Final = AnomalousSourceIp()
