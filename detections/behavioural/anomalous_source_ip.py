"""Anomalous source IP: an identity comes from a network that its own history makes surprising.

The profile keeps, per identity, network (/24, /48) and UTC date, what happened; a date is judged by the dates before
it and nothing else, so that late history changes the judgement of exactly those dates that it should. How surprising a
new network is, is the chance of meeting one, estimated from the last 30 dates of the identity's use after Good and
Turing: the share of observations that fell to networks seen once. I. J. Good, "The population frequencies of species
and the estimation of population parameters", Biometrika 40 (1953). Dates of use, not of the calendar: a weekly job has
a history, too. Dates on which a network alerted are no part of it, or an intruder who changes networks would soon be
expected to.

Behind the identity stands its registry (detections/registry_past.py). The identity's estimate is drawn towards the
registry's with the weight of one date of use: no registry, however restless, outweighs a service with nine dates in one
network, as its chance counts for a half at most. An identity younger than 14 days has no history to speak of: it is
judged by the registry alone, and only in networks that are not the registry's own. Of several registries used that
date, the strictest counts.

Still a function of the data: a judgement depends on the identity's dates, verdicts, and the homes of its registries as
of the date, all of them sets or minima over events. A pass that changes homes compares what its registries said before
and after, and walks again through the identities seen on the dates, or in the networks, for which that differs. Events
in order change none: a date does not see the 14 days before it. What a pass with a new date of use costs on top is
reading the homes of its registries, one small row per identity.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, Final

from sqlalchemy import Connection

from detections import registry_past
from detections.alerting import group_key
from detections.anomalous_source_ip_cases import CASES
from detections.detection import Group, Judgement, Metadata
from detections.episode import Episode, Evidence, Facts
from detections.events import NewEvents
from detections.fields import EVIDENCE_FIELDS, bounded, bounded_key, kept, readable
from detections.match import SAMPLED
from detections.registry_past import LEVELS, RegistryPast, changes, past_of
from detections.stored import episode_from, stored_episode
from storage.state import alerts
from storage.state.profiles import (
    Home,
    NetworkDay,
    homes_at,
    homes_of,
    identities_seen,
    network_days_at,
    network_days_of,
    save_homes,
    save_network_days,
)

# An identity is judged by its registry for this long, and by its own history from then on.
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

# Of two networks at the same moment, the lesser by name.
_HOME_OF: Final = (
    "e.registry, e.actor, min(struct_pack(time := e.event_time, network := e.network)) AS home, "
    "list_sort(list(DISTINCT e.event_date))[1:2] AS dates"
)
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
    version=hashlib.sha256(b"".join(Path(f).read_bytes() for f in (__file__, registry_past.__file__))).hexdigest(),
    title="Identity used from a network that is new to it",
    description=(
        "A successful call from a /24 or /48 network that the identity has not used before, where its own history, "
        "backed by its registry's, makes a new network improbable. An identity younger than 14 days is judged by its "
        "registry, and a registry is learned for 14 days first."
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
        "Nothing is judged in the first 14 days of a registry.",
        "Newcomers are not judged where more than 9 in 100 identities came with a network of their own.",
        "A network that someone used first on a registry is the registry's own after 14 days, whatever was said of it.",
        "An attacker within the networks an identity already uses is not new.",
        "Identities shared by many machines (a kubelet, an admin account) hide single machines.",
    ),
    runbook=(
        "Ask the identity's owner whether they work from that network; for a service, whether its runners moved.",
        "Compare the calls with what the identity usually does: operations, repositories, user agents.",
        "If it is not explained, renew the credential and look for other identities used from the same network.",
        "If it is explained, let it be: the network joins the baseline after 14 days without a match.",
    ),
    tests=CASES,
)


@dataclass(slots=True)
class _History:
    """What is known of one identity while its dates are walked through in order."""

    trusted: Mapping[str, datetime]
    pasts: "_Pasts"
    began: date | None = None
    used: dict[str, list[date]] = field(default_factory=dict)  # networks of the baseline
    dates: list[date] = field(default_factory=list)  # distinct dates of `used`
    seen: dict[str, date] = field(default_factory=dict)  # every network's last date, alerted ones too
    matched: dict[str, date] = field(default_factory=dict)  # networks that alerted: the last date they did
    reasons: dict[str, dict[str, Any]] = field(default_factory=dict)  # what their stay began with
    told: list[date] = field(default_factory=list)

    def judge(self, entry: NetworkDay, day: date) -> dict[str, Any] | None:
        """Return why this network is surprising on this date; None where it is not."""
        if self._in_baseline(entry, day):
            return None
        if entry.network in self.matched:
            return self.reasons[entry.network]
        began = self.began or day
        judgement = self._by_registry(entry, day) if day < began + LEARNING else self._by_itself(entry, day)
        if judgement is None or judgement["chance"] >= SURPRISING or self._traveller_was_told(day):
            return None
        self.told.append(day)
        return {"days_known": (day - began).days, **judgement}

    def _by_registry(self, entry: NetworkDay, day: date) -> dict[str, Any] | None:
        """Judge a newcomer by the strictest of the registries that do not know the network; None where all do."""
        strange = [past for past in self.pasts.asked(entry, day) if not past[0].knows(entry.network, day)]
        return _strictest(strange, day)

    def _by_itself(self, entry: NetworkDay, day: date) -> dict[str, Any]:
        recent = self._recent()
        backed = _strictest(self.pasts.asked(entry, day), day)
        prior = backed["chance"] if backed else LEVELS[-1]
        chance = new_network_chance([len(dates) for dates in recent.values()], prior)
        return {
            **(backed or {}),
            "days_used": min(len(self.dates), HISTORY_DATES),
            "networks": [[n, len(d)] for n, d in sorted(recent.items(), key=lambda pair: (-len(pair[1]), pair[0]))][:3],
            "networks_total": len(recent),
            "chance": round(chance, 4),
        }

    def note(self, network: str, day: date, judgement: dict[str, Any] | None) -> None:
        """Take in a judged date. A date that did not match is part of the baseline from then on."""
        self.began = self.began or day
        self.seen[network] = day
        if judgement is not None:
            self.matched[network], self.reasons[network] = day, judgement
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


def new_network_chance(days_per_network: Sequence[int], prior: float = LEVELS[-1]) -> float:
    """Return the Good-Turing chance that the next day of use falls to a network not seen before.

    `days_per_network` counts, for each network seen, the days on which it was. `prior` is the chance that the registry
    gives it; it weighs as much as one day, so that it decides without history and fades as history grows.
    """
    once = sum(1 for days in days_per_network if days == 1)
    return (once + prior) / (sum(days_per_network) + 1)


@dataclass(slots=True)
class _Pasts:
    """The pasts of registries, each read when it is first asked for."""

    connection: Connection
    read: dict[str, RegistryPast | None] = field(default_factory=dict)

    def of(self, registry: str) -> RegistryPast | None:
        """Return a registry's past; None where it has none."""
        if registry not in self.read:
            self.read[registry] = past_of(homes_of(self.connection, registry))
        return self.read[registry]

    def asked(self, entry: NetworkDay, day: date) -> list[tuple[RegistryPast, str]]:
        """Return the pasts and names of the registries used in this entry that have learned for long enough."""
        pasts = [(self.of(name), name) for name in _registries(entry)]
        return [(past, name) for past, name in pasts if past is not None and past.level(day) is not None]


def _registries(day: NetworkDay) -> Sequence[str]:
    return list(day.sample["facts"]["samples"].get("registry", ()))


def _strictest(pasts: Iterable[tuple[RegistryPast, str]], day: date) -> dict[str, Any] | None:
    """Return what the registry says that gives a new network the least chance, the first by name of several."""
    said = [(past.level(day) or 0.0, name, past.began.isoformat()) for past, name in pasts]
    if not said:
        return None
    level, name, began = min(said)
    return {"registry": name, "registry_since": began, "registry_chance": level, "chance": level}


@dataclass(frozen=True, slots=True)
class AnomalousSourceIp:
    """See the module."""

    has_profile: ClassVar[bool] = True

    metadata: Metadata = METADATA

    def observe(self, events: NewEvents, /) -> "_Observed":
        """Return what the new rows say of networks and homes, and the number of calls whose address is unusable."""
        usable = f"{_JUDGED} AND e.network IS NOT NULL"
        rows = events.grouped(_SELECT, usable, "e.actor, e.network, e.event_date")
        homes = events.grouped(_HOME_OF, usable, "e.registry, e.actor")
        blind = events.new("count(*) AS n", f"{_JUDGED} AND e.network IS NULL")
        return _Observed([_network_day(row) for row in rows], [_home(row) for row in homes], blind[0]["n"])

    def judge(self, observed: "_Observed", connection: Connection, /) -> Judgement:
        """See Detection.judge. Judged anew are identities with a date, a registry of a date, or an earlier beginning
        of one that was not seen before, and those of whose registries something else is known now."""
        fresh = observed.days
        known = network_days_at(connection, [_key(day) for day in fresh])
        merged = {_key(day): _merged(known.get(_key(day)), day) for day in fresh}
        save_network_days(connection, merged.values())
        grown = {d.identity_key for k, d in merged.items() if k not in known or _says_more(d, known[k])}
        grown |= _moved(connection, observed.homes)
        stale = {(d.identity_key, d.network) for d in merged.values() if d.judgement is not None}
        pasts = _Pasts(connection)
        for identity, days in groupby(network_days_of(connection, sorted(grown)), lambda day: day.identity_key):
            stale |= _rejudge(connection, pasts, identity, list(days))
        return self._restate(connection, stale, sum(day.events for day in fresh), observed.unjudged)

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


@dataclass(frozen=True, slots=True)
class _Observed:
    """What a slice holds: network days, homes (registry and identity at most once), and calls without an address."""

    days: Sequence[NetworkDay]
    homes: Sequence[Home]
    unjudged: int


def _says_more(day: NetworkDay, known: NetworkDay) -> bool:
    return day.first_time < known.first_time or _registries(day) != _registries(known)


def _moved(connection: Connection, homes: Iterable[Home]) -> set[str]:
    """Take in homes; return the identities whose judgement may differ by what their registries say now."""
    by_key = {(home.registry, home.identity_key): home for home in homes}
    known = homes_at(connection, list(by_key))
    joined = {k: _joined(known[k], home) if k in known else home for k, home in by_key.items()}
    changed = {k: home for k, home in joined.items() if home != known.get(k)}
    telling = {h.registry for k, h in changed.items() if k not in known or _told(h) != _told(known[k])}
    before = {registry: past_of(homes_of(connection, registry)) for registry in sorted(telling)}
    save_homes(connection, changed.values())
    found: set[str] = set()
    for registry, past in before.items():
        after = past_of(homes_of(connection, registry))
        for change in changes(past, after) if after is not None else ():
            found |= identities_seen(connection, registry, since=change.since, network=change.network)
    return found


def _joined(known: Home, fresh: Home) -> Home:
    """Return one home of both: the earliest first use, and the second of their dates."""
    first = min(known, fresh, key=lambda home: (home.first_time, home.network))
    dates = {known.date.isoformat(), fresh.date.isoformat(), known.second_date, fresh.second_date}
    return replace(first, second_date=_second(sorted(day for day in dates if day is not None)))


def _second(dates: Sequence[str]) -> str | None:
    return dates[1] if len(dates) > 1 else None


def _told(home: Home) -> tuple[date, str, str | None]:
    return home.date, home.network, home.second_date


def _rejudge(connection: Connection, pasts: _Pasts, identity: str, days: Sequence[NetworkDay]) -> set[tuple[str, str]]:
    """Walk through all dates of one identity; return its groups in which the judgement of a date changed."""
    history = _History(_trusted(connection, identity, days), pasts)
    changed: list[NetworkDay] = []
    for day_text, same_day in groupby(days, lambda day: day.date):
        day = date.fromisoformat(day_text)
        in_order = sorted(same_day, key=lambda entry: (entry.first_time, entry.network))
        judged = [(entry, history.judge(entry, day)) for entry in in_order]
        for entry, judgement in judged:
            history.note(entry.network, day, judgement)
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


def _home(row: Mapping[str, Any]) -> Home:
    home = row["home"]
    second = _second([day.isoformat() for day in row["dates"]])
    first_time = home["time"].astimezone(UTC)
    return Home(bounded(row["registry"]), bounded_key(row["actor"]), home["network"], first_time, second)


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
    known = f"It has been known for {judgement['days_known']} days"
    limit = f"surprising below {100 * SURPRISING:.0f} %"
    if "networks" not in judgement:
        return (
            f"{known}, so it is judged by {_registry_words(judgement)}: nobody first came from this network there, and "
            f"a newcomer brings one of its own with a chance of up to {100 * judgement['chance']:.0f} % ({limit})."
        )
    networks = ", ".join(f"{readable('network', name)} on {days}" for name, days in judgement["networks"]) or "none"
    total = judgement["networks_total"]
    return (
        f"{known}; on the last {judgement['days_used']} days of its use "
        f"it came from {total} {'network' if total == 1 else 'networks'} (days: {networks}), which gives a new one a "
        f"chance of {100 * judgement['chance']:.1f} % ({limit}){_backing(judgement)}."
    )


def _backing(judgement: Mapping[str, Any]) -> str:
    if "registry" not in judgement:
        return ""
    return f"; to newcomers, {_registry_words(judgement)}, gives up to {100 * judgement['registry_chance']:.0f} %"


def _registry_words(judgement: Mapping[str, Any]) -> str:
    return f"registry {judgement['registry']}, known since {judgement['registry_since']}"


DETECTION: Final = AnomalousSourceIp()
