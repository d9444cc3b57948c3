"""Anomalous source IP: an identity comes from a network that its own history makes surprising.

The profile keeps, per identity, network (/24, /48) and UTC date, what happened; a date is judged by the dates before
it and nothing else, so that late history changes the judgement of exactly those dates that it should. How surprising a
new network is, is the chance of meeting one, estimated from the last 30 dates of the identity's use after Good and
Turing: the share of observations that fell to networks seen once. I. J. Good, "The population frequencies of species
and the estimation of population parameters", Biometrika 40 (1953). Dates of use, not of the calendar: a weekly job has
a history, too. Dates on which a network alerted are no part of it, or an intruder who changes networks would soon be
expected to.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, Final

from sqlalchemy import Connection

from detections.alerting import group_key
from detections.detection import Group, Judgement, Metadata
from detections.episode import Episode, Evidence, Facts
from detections.events import NewEvents
from detections.fields import EVIDENCE_FIELDS, bounded, bounded_key, kept, readable
from detections.match import SAMPLED
from detections.stored import episode_from, stored_episode
from storage.state import alerts
from storage.state.profiles import NetworkDay, network_days_at, network_days_of, save_network_days

# An identity is learned for this long before anything of it is judged.
LEARNING: Final = timedelta(days=14)
# A network that alerted joins the baseline after this long without a match (or by a benign verdict).
QUIET: Final = timedelta(days=14)
# How many of the identity's latest dates of use rarity is estimated from.
HISTORY_DATES: Final = 30
# Below this chance of meeting a new network, meeting one is surprising.
SURPRISING: Final = 0.10
# Someone seen in this many networks within MONTH travels: one alert per MONTH is what we say of new ones.
TRAVELLER: Final = 8
MONTH: Final = timedelta(days=30)

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

_HOME: Final = {"operation": "Pull", "identity": "ci", "caller_ip": "198.51.100.7", "repeat": 60, "every": "1d"}
_ABROAD: Final = {"operation": "Pull", "identity": "ci", "caller_ip": "203.0.113.9"}
_PERSON: Final = {"operation": "Login", "identity": "ana@example.com", "repeat": 60, "every": "1d"}

CASES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "a service of one network for 60 days, at its first foreign event",
        "alerts": 1,
        "reason": "ci was used from 203.0.113.0/24, a network new to it: 1 successful call (1 pull) from 203.0.113.9",
        "events": [_HOME, {**_ABROAD, "at": "60d"}],
    },
    {
        "name": "a weekly service at its first foreign event",
        "alerts": 1,
        "events": [{**_HOME, "repeat": 9, "every": "7d"}, {**_ABROAD, "at": "60d"}],
    },
    {
        "name": "within the first 14 days all is learned",
        "alerts": 0,
        "events": [{**_HOME, "repeat": 14}, {**_ABROAD, "at": "13d"}],
    },
    {
        "name": "another address of a known network is not new",
        "alerts": 0,
        "events": [_HOME, {**_ABROAD, "at": "60d", "caller_ip": "198.51.100.200"}],
    },
    {
        "name": "refused calls stay silent",
        "alerts": 0,
        "events": [_HOME, {**_ABROAD, "at": "60d", "status": 401}],
    },
    {
        "name": "someone who often meets new networks is expected in another",
        "alerts": 0,
        "events": [
            {**_PERSON, "caller_ip": "2001:db8:{n}::1"},
            {**_PERSON, "repeat": 1, "at": "60d", "caller_ip": "203.0.113.9"},
        ],
    },
    {
        "name": "a traveller with a steady home is told of once a month",
        "alerts": 1,
        "events": [
            {**_PERSON, "caller_ip": "198.51.100.7"},
            {**_PERSON, "caller_ip": "2001:db8:{n}::1", "repeat": 8, "at": "6d"},
            {**_PERSON, "caller_ip": "2001:db8:{n}::1", "repeat": 8, "at": "14d"},
            {**_PERSON, "caller_ip": "2001:db8:f{n}::1", "repeat": 10, "at": "30d"},
        ],
    },
    {
        "name": "a network that keeps coming stays one alert and never joins the baseline",
        "alerts": 1,
        "reason": "30 successful calls",
        "events": [{**_HOME, "repeat": 90}, {**_ABROAD, "at": "60d", "repeat": 30, "every": "1d"}],
    },
    {
        "name": "an intruder who changes networks is not learned",
        "alerts": 5,
        "events": [_HOME, {**_ABROAD, "at": "60d", "caller_ip": "2001:db8:{n}::9", "repeat": 5, "every": "1d"}],
    },
    {
        "name": "after 14 quiet days the network has joined the baseline",
        "alerts": 1,
        "reason": "1 successful call",
        "events": [{**_HOME, "repeat": 90}, {**_ABROAD, "at": "60d"}, {**_ABROAD, "at": "75d"}],
    },
    {
        "name": "after a benign verdict the network has joined the baseline",
        "alerts": 1,
        "reason": "1 successful call",
        "closed": {"at": "60d", "verdict": "benign_positive"},
        "events": [_HOME, {**_ABROAD, "at": "60d"}, {**_ABROAD, "at": "61d"}],
    },
    {
        "name": "after another verdict it has not",
        "alerts": 2,
        "closed": {"at": "60d", "verdict": "true_positive"},
        "events": [_HOME, {**_ABROAD, "at": "60d"}, {**_ABROAD, "at": "61d"}],
    },
    {
        "name": "an unusable address is unjudged",
        "alerts": 0,
        "unjudged": 1,
        "events": [{**_ABROAD, "caller_ip": "somewhere"}],
    },
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
    # A network matches until 14 whole dates went by, so two matches of one stay are less than 15 days apart.
    group_for=QUIET + timedelta(days=1),
    entities={"identity": "identity", "ip": "caller_ip", "network": "network", "registry": "registry"},
    reason=(
        "{account} was used from {network}, a network new to it: {count:successful call} ({operations}) from "
        "{addresses} on registry {registries} {span}. {history}"
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
    tests=CASES,
)


@dataclass(slots=True)
class _History:
    """What is known of one identity while its dates are walked through in order."""

    trusted: Mapping[str, datetime]
    began: date | None = None
    used: dict[str, list[date]] = field(default_factory=dict)  # networks of the baseline
    dates: list[date] = field(default_factory=list)  # distinct dates of `used`
    seen: dict[str, date] = field(default_factory=dict)  # every network's last date, alerted ones too
    matched: dict[str, date] = field(default_factory=dict)  # networks that alerted: the last date they did
    told: list[date] = field(default_factory=list)

    def judge(self, entry: NetworkDay, day: date) -> dict[str, Any] | None:
        """Return why this network is surprising on this date; None where it is not."""
        if self.began is None or day < self.began + LEARNING or self._in_baseline(entry, day):
            return None
        recent = self._recent()
        chance = new_network_chance([len(dates) for dates in recent.values()])
        ongoing = entry.network in self.matched
        if not ongoing and (chance >= SURPRISING or self._traveller_was_told(day)):
            return None
        if not ongoing:
            self.told.append(day)
        return {
            "days_known": (day - self.began).days,
            "days_used": min(len(self.dates), HISTORY_DATES),
            "networks": [[n, len(d)] for n, d in sorted(recent.items(), key=lambda pair: (-len(pair[1]), pair[0]))][:3],
            "networks_total": len(recent),
            "chance": round(chance, 4),
        }

    def note(self, network: str, day: date, *, matched: bool) -> None:
        """Take in a judged date. A date that did not match is part of the baseline from then on."""
        self.began = self.began or day
        self.seen[network] = day
        if matched:
            self.matched[network] = day
            return
        self.matched.pop(network, None)
        self.used.setdefault(network, []).append(day)
        if not self.dates or self.dates[-1] != day:
            self.dates.append(day)

    def _recent(self) -> Mapping[str, Sequence[date]]:
        """Return the networks of the latest dates of use, each with its dates among them."""
        since = self.dates[-HISTORY_DATES:][0] if self.dates else date.max
        recent = {network: [d for d in dates if d >= since] for network, dates in self.used.items()}
        return {network: dates for network, dates in recent.items() if dates}

    def _in_baseline(self, entry: NetworkDay, day: date) -> bool:
        if entry.network in self.matched:
            trusted = self.trusted.get(entry.network)
            return day - self.matched[entry.network] > QUIET or (trusted is not None and entry.first_time > trusted)
        return entry.network in self.used

    def _traveller_was_told(self, day: date) -> bool:
        networks = sum(1 for last in self.seen.values() if day - MONTH <= last)
        return networks >= TRAVELLER and any(day - told <= MONTH for told in self.told)


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

    has_profile: ClassVar[bool] = True

    metadata: Metadata = METADATA

    def observe(self, events: NewEvents, /) -> tuple[list[NetworkDay], int]:
        """Return the new rows as network days, and the number of calls whose address is unusable."""
        rows = events.grouped(_SELECT, f"{_JUDGED} AND e.network IS NOT NULL", "e.actor, e.network, e.event_date")
        blind = events.new("count(*) AS n", f"{_JUDGED} AND e.network IS NULL")
        return [_network_day(row) for row in rows], blind[0]["n"]

    def judge(self, observed: tuple[list[NetworkDay], int], connection: Connection, /) -> Judgement:
        """See Detection.judge. Only identities with a date not seen before, or begun earlier, are judged anew."""
        fresh, unjudged = observed
        known = network_days_at(connection, [_key(day) for day in fresh])
        merged = {_key(day): _merged(known.get(_key(day)), day) for day in fresh}
        save_network_days(connection, merged.values())
        grown = sorted({d.identity_key for k, d in merged.items() if k not in known or _begins_earlier(d, known[k])})
        stale = {(d.identity_key, d.network) for d in merged.values() if d.judgement is not None}
        for identity, days in groupby(network_days_of(connection, grown), lambda day: day.identity_key):
            stale |= _rejudge(connection, identity, list(days))
        return self._restate(connection, stale, sum(day.events for day in fresh), unjudged)

    def nearby(
        self, _events: NewEvents, _group: Group, _episode: Episode, _known: Episode | None, /
    ) -> Mapping[str, Any]:
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


def _begins_earlier(day: NetworkDay, known: NetworkDay) -> bool:
    return day.first_time < known.first_time


def _rejudge(connection: Connection, identity: str, days: Sequence[NetworkDay]) -> set[tuple[str, str]]:
    """Walk through all dates of one identity; return its groups in which the judgement of a date changed."""
    history = _History(trusted=_trusted(connection, identity, days))
    changed: list[NetworkDay] = []
    for day_text, same_day in groupby(days, lambda day: day.date):
        day = date.fromisoformat(day_text)
        in_order = sorted(same_day, key=lambda entry: (entry.first_time, entry.network))
        judged = [(entry, history.judge(entry, day)) for entry in in_order]
        for entry, judgement in judged:
            history.note(entry.network, day, matched=judgement is not None)
            if judgement != entry.judgement:
                changed.append(replace(entry, judgement=judgement))
    save_network_days(connection, changed)
    return {(entry.identity_key, entry.network) for entry in changed}


def _trusted(connection: Connection, identity: str, days: Iterable[NetworkDay]) -> dict[str, datetime]:
    """Return the networks of an identity that a person called benign or a false alarm, with the time of that word."""
    alerted = sorted({day.network for day in days if day.judgement is not None})
    by_key = {group_key(_group(identity, network)): network for network in alerted}
    return {
        by_key[alert.group_key]: alert.closed_at
        for alert in alerts.closed_by_people(connection, METADATA.slug, list(by_key))
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
        tuple((e, kept(item)) for e, item in sample),
        Facts(
            totals={f"operation.{name}": number for name, number in row["operations"]},
            samples={name: [str(bounded(v)) for v in row[f"all_{name}"] if v is not None] for name in SAMPLED},
        ),
    )
    return _day(bounded_key(row["actor"]), row["network"], row["event_date"].isoformat(), episode, None)


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
    networks = ", ".join(f"{readable('network', name)} on {days}" for name, days in judgement["networks"])
    total = judgement["networks_total"]
    return (
        f"It has been known for {judgement['days_known']} days; on the last {judgement['days_used']} days of its use "
        f"it came from {total} {'network' if total == 1 else 'networks'} (days: {networks}), which gives a new one a "
        f"chance of {100 * judgement['chance']:.1f} % (surprising below {100 * SURPRISING:.0f} %)."
    )


DETECTION: Final = AnomalousSourceIp()
