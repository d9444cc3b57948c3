"""What a pass of anomalous-source-ip judges from a window is what a plain reading of the whole history gives.

Uses come in any order and split, verdicts are given and taken back in between, some of them with times that earlier
judgements did not know of. The plain reading has everything in memory and walks from the first day.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from detections.alerting import Alerting
from detections.behavioural.anomalous_source_ip import DETECTION
from detections.behavioural.anomalous_source_ip.judging import new_network_chance
from detections.behavioural.anomalous_source_ip.observing import Observed, network_day
from detections.behavioural.anomalous_source_ip.registry_past import RegistryPast, past_of
from detections.episode import Facts, of_event
from detections.notices import Publishing
from storage.state import alerts
from storage.state.alerts import Alert
from storage.state.database import Database
from storage.state.homes import Home
from storage.state.visits import visits_since
from tests.sqlite import database_in

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
Said = Mapping[str, Any] | None
Key = tuple[str, str, date]


@dataclass(frozen=True)
class Use:
    """One successful call."""

    time: datetime
    identity: str
    network: str
    registry: str


@dataclass
class Profile:
    """A state database that uses are fed to as the engine does it, without a lake."""

    database: Database
    uses: list[Use] = field(default_factory=list)

    def feed(self, uses: Sequence[Use]) -> None:
        self.uses += uses
        days: dict[Key, list[Use]] = {}
        homes: dict[tuple[str, str], list[Use]] = {}
        for use in uses:
            days.setdefault((use.identity, use.network, use.time.date()), []).append(use)
            homes.setdefault((use.registry, use.identity), []).append(use)
        observed = Observed([_day(key, mine) for key, mine in days.items()], _homes(homes), 0)
        with self.database.begin() as connection:
            said = DETECTION.judge(observed, connection)
            alerting = Alerting(DETECTION, None, connection, "", Publishing(), START + 100 * DAY)
            for group, episodes in said.replaced.items():
                alerting.replace(group, episodes)

    def judged(self) -> dict[Key, Said]:
        with self.database.connect() as connection:
            found = visits_since(connection, sorted({use.identity for use in self.uses}), date.min)
        return {(visit.identity_key, visit.network, visit.day): visit.judgement for visit in found}

    def alerts(self) -> list[Alert]:
        with self.database.connect() as connection:
            return sorted(alerts.find(connection, blocks=True), key=lambda alert: (alert.group_key, alert.first_seen))

    def say(self, alert: Alert, verdict: str | None, at: datetime) -> None:
        """A person closes an alert, or opens it again."""
        status, closed_at = (alerts.ACTIVE, None) if verdict is None else (alerts.CLOSED, at)
        with self.database.begin() as connection:
            alerts.save(
                connection,
                replace(alert, status=status, close_reason=verdict, closed_at=closed_at, revision=alert.revision + 1),
            )

    def trusted(self) -> dict[tuple[str, str], datetime]:
        found = {}
        for alert in sorted(self.alerts(), key=lambda alert: alert.id):
            if alert.closed_at is not None and alert.close_reason in ("benign_positive", "false_positive"):
                group = json.loads(alert.group_key)
                found[group["actor"], group["network"]] = alert.closed_at
        return found


def _day(key: Key, uses: Sequence[Use]) -> Any:
    identity, network, day = key
    whole = None
    for use in uses:
        facts = Facts({"operation.pull": 1}, {}, {"registry": (use.registry,)})
        row = {"identity": identity, "network": network, "registry": use.registry}
        one = of_event(use.time, f"{use.time.timestamp()}", row, late=False, facts=facts)
        whole = one if whole is None else whole.merge(one)
    assert whole is not None
    return network_day(identity, network, day.isoformat(), whole)


def _homes(uses: Mapping[tuple[str, str], Sequence[Use]]) -> list[Home]:
    found = []
    for (registry, identity), mine in uses.items():
        first = min(mine, key=lambda use: (use.time, use.network))
        dates = sorted({use.time.date().isoformat() for use in mine})
        found.append(Home(registry, identity, first.network, first.time, dates[1] if len(dates) > 1 else None))
    return found


@dataclass
class Reading:
    """The rule, read plainly: every question is answered from all uses."""

    days: dict[Key, list[Use]]
    pasts: Mapping[str, RegistryPast | None]
    trusted: Mapping[tuple[str, str], datetime]
    said: dict[Key, Said] = field(default_factory=dict)

    def judged(self) -> dict[Key, Said]:
        told: dict[str, list[date]] = {}
        in_order = sorted(self.days, key=lambda key: (key[2], min(use.time for use in self.days[key]), key[1]))
        for day in sorted({key[2] for key in in_order}):
            today = [key for key in in_order if key[2] == day]
            self.said |= {key: self._judge(key, told.setdefault(key[0], [])) for key in today}
        return self.said

    def _judge(self, key: Key, told: list[date]) -> Said:
        identity, network, day = key
        mine = [other for other in self.said if other[0] == identity and other[2] < day]
        same = [other for other in mine if other[1] == network]
        if not same:
            return self._judge_new(key, mine, told)
        if any(self.said[other] is None for other in same):
            return None
        last = max(same, key=lambda other: other[2])
        trusted = self.trusted.get((identity, network))
        benign = trusted is not None and min(use.time for use in self.days[key]) > trusted
        return None if benign or (day - last[2]).days > 14 else self.said[last]

    def _judge_new(self, key: Key, mine: Sequence[Key], told: list[date]) -> Said:
        _, network, day = key
        began = min((other[2] for other in mine), default=day)
        registries = sorted({use.registry for use in self.days[key]})
        asked = [(past.level(day), name, past) for name in registries if (past := self.pasts[name]) is not None]
        asked = [one for one in asked if one[0] is not None]
        young = (day - began).days < 14
        strange = [one for one in asked if not (young and one[2].knows(network, day))]
        said: dict[str, Any] = {}
        if strange:
            level, name, past = min(strange)
            since = past.began.isoformat()
            said = {"registry": name, "registry_since": since, "registry_chance": level, "chance": level}
        if not young:
            said |= self._history(mine, said.get("chance", 0.5))
        travels = len({other[1] for other in mine if (day - other[2]).days <= 30}) >= 8
        if not said or said["chance"] >= 0.1 or (travels and any((day - one).days <= 30 for one in told)):
            return None
        told.append(day)
        return {"days_known": (day - began).days, **said}

    def _history(self, mine: Sequence[Key], prior: float) -> dict[str, Any]:
        used = [other for other in mine if self.said[other] is None]
        dates = sorted({other[2] for other in used})[-30:]
        recent = [other[1] for other in used if other[2] in dates]
        counts = sorted((-recent.count(one), one) for one in set(recent))
        return {
            "days_used": len(dates),
            "networks": [[one, -times] for times, one in counts[:3]],
            "networks_total": len(counts),
            "chance": round(new_network_chance([-times for times, _ in counts], prior), 4),
        }


def _plainly(profile: Profile) -> dict[Key, Said]:
    days: dict[Key, list[Use]] = {}
    homes: dict[str, dict[tuple[str, str], list[Use]]] = {}
    for use in profile.uses:
        days.setdefault((use.identity, use.network, use.time.date()), []).append(use)
        homes.setdefault(use.registry, {}).setdefault((use.registry, use.identity), []).append(use)
    pasts = {registry: past_of(_homes(uses)) for registry, uses in homes.items()}
    return Reading(days, pasts, profile.trusted()).judged()


def _use(day: float, identity: str, network: int, registry: str = "contoso") -> Use:
    return Use(START + day * DAY, identity, f"198.18.{network}.0/24", registry)


def _world(rng: random.Random) -> list[Use]:
    """Seventy days of a service, a weekly job, commuters, travellers, loners, newcomers and intruders who come back."""
    found: list[Use] = []

    def use(*what: Any) -> None:
        found.append(_use(*what))

    for day in range(70):
        use(day, "service", 0)
        if day % 7 == 3:
            use(day, "weekly", rng.choice((0, 0, 0, 1)))
        for person in range(3):
            use(day + rng.random() / 2, f"person{person}", rng.choice((0, 0, 0, 2, 10 + person)))
        if day % 3 == 0:
            use(day, "traveller", 0)
            use(day + 0.1, "traveller", 20 + rng.randrange(40), rng.choice(("contoso", "fabrikam")))
    found += _tourist()
    for n in range(12):
        began, home = rng.randrange(60), rng.choice((0, 0, 0, 80 + n))
        for day in range(began, min(began + 9, 70), rng.randrange(1, 4)):
            use(day + 0.2, f"joiner{n}", home, rng.choice(("contoso", "contoso", "fabrikam")))
    for victim in ("service", "weekly", "person0", "joiner1"):
        for network in rng.sample(range(100, 104), 3):
            began = rng.randrange(15, 55)
            for day in sorted(rng.sample(range(15), rng.randrange(1, 5))):
                use(began + day * rng.choice((1, 2)) + 0.3, victim, network)
    return found


def _tourist() -> list[Use]:
    """One steady home and eight networks that are told of and visited again, so that the ninth and tenth are not told
    of, and the last one is, a month after the eighth."""
    home = [_use(day, "tourist", 0) for day in range(70)]
    trips = [_use(first + again + 0.1, "tourist", 104 + first) for first in range(16, 24) for again in range(0, 41, 10)]
    return [*home, *trips, *[_use(day, "tourist", 130 + day) for day in (40, 45, 64)]]


def _say_something(rng: random.Random, profile: Profile) -> None:
    for alert in rng.sample(profile.alerts(), min(2, len(profile.alerts()))):
        at = alert.first_seen + rng.choice((0.01, 2.0, 5.0, 20.0)) * DAY
        profile.say(alert, rng.choice(("benign_positive", "false_positive", "true_positive", None)), at)


def _parts(rng: random.Random, uses: Sequence[Use]) -> Iterator[list[Use]]:
    """A few days at a time, some of it much later."""
    late = [use for use in uses if rng.random() < 0.05]
    in_time = sorted((use for use in uses if use not in late), key=lambda use: use.time)
    cuts = sorted(rng.sample(range(1, len(in_time)), 12))
    for a, b in zip([0, *cuts], [*cuts, len(in_time)], strict=True):
        overdue = [use for use in late if rng.random() < 0.2]
        late = [use for use in late if use not in overdue]
        yield in_time[a:b] + overdue
    yield late


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Profile]:
    database = database_in(tmp_path / "state.db")
    yield Profile(database)
    database.close()


@pytest.mark.parametrize("seed", range(5))
def test_judging_from_a_window_is_reading_the_whole_history(profile: Profile, seed: int) -> None:
    rng = random.Random(seed)
    for part in _parts(rng, _world(rng)):
        profile.feed(part)
        _say_something(rng, profile)
    names = sorted({use.identity for use in profile.uses})
    for day in (75, 76):  # everyone is judged again, now that everything is said
        profile.feed([Use(START + day * DAY, name, "198.18.0.0/24", "contoso") for name in names])
    expected = _plainly(profile)
    assert profile.judged() == expected
    matching = {(identity, network) for (identity, network, _), said in expected.items() if said is not None}
    standing = {tuple(json.loads(alert.group_key).values()) for alert in profile.alerts()}
    assert matching
    assert matching <= standing


def _office() -> list[Use]:
    return [_use(day, f"person{n}", 0) for n in range(12) for day in range(0, 40, 4)]


def test_an_earlier_beginning_of_a_known_day_changes_which_network_is_told_of(profile: Profile) -> None:
    profile.feed([one for one in _tourist() if one.time < START + 62 * DAY])
    profile.feed([_use(62.3, "tourist", 200), _use(62.4, "tourist", 201)])
    before = profile.judged()
    profile.feed([_use(62.1, "tourist", 201)])
    assert profile.judged() == _plainly(profile)
    assert profile.judged() != before


def test_another_registry_on_a_known_day_changes_its_judgement(profile: Profile) -> None:
    profile.feed([*_office(), _use(40, "new", 200, "fabrikam")])
    before = profile.judged()
    profile.feed([_use(40.1, "new", 200)])
    assert profile.judged() == _plainly(profile)
    assert profile.judged() != before
