"""What registries say of newcomers, read when it is asked for, and whom it concerns when new events change it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from sqlalchemy import Connection

from detections.behavioural.anomalous_source_ip.registry_past import RegistryPast, changes, past_of
from storage.state.homes import Home, homes_at, homes_of, identities_seen, save_homes


@dataclass(slots=True)
class Pasts:
    """The pasts of registries as of one transaction, each read at most once."""

    connection: Connection
    read: dict[str, RegistryPast | None] = field(default_factory=dict)

    def of(self, registry: str) -> RegistryPast | None:
        """Return a registry's past; None where it has none."""
        if registry not in self.read:
            self.read[registry] = past_of(homes_of(self.connection, registry))
        return self.read[registry]

    def asked(self, registries: Iterable[str], day: date) -> list[tuple[RegistryPast, str]]:
        """Return the pasts and names of those of these registries that have learned for long enough."""
        pasts = [(self.of(name), name) for name in registries]
        return [(past, name) for past, name in pasts if past is not None and past.level(day) is not None]

    def take_in(self, homes: Iterable[Home]) -> dict[str, date]:
        """Keep these homes; return the identities whose judgement may differ by what their registries say now, each
        with the first date of which that is so.

        Nothing may have been asked before: what this reads is what the homes make of it.
        """
        by_key = {(home.registry, home.identity_key): home for home in homes}
        known = homes_at(self.connection, list(by_key))
        joined = {key: _joined(known[key], home) if key in known else home for key, home in by_key.items()}
        changed = {key: home for key, home in joined.items() if home != known.get(key)}
        telling = {h.registry for key, h in changed.items() if key not in known or _told(h) != _told(known[key])}
        before = {registry: homes_of(self.connection, registry) for registry in telling}
        save_homes(self.connection, changed.values())
        found: dict[str, date] = {}
        for registry, homes_before in before.items():
            after = {(home.registry, home.identity_key): home for home in homes_before} | {
                key: home for key, home in changed.items() if home.registry == registry
            }
            self.read[registry] = past_of(after.values())
            sooner(found, self._concerned(registry, past_of(homes_before)))
        return found

    def _concerned(self, registry: str, before: RegistryPast | None) -> dict[str, date]:
        after, found = self.of(registry), dict[str, date]()
        for change in changes(before, after) if after is not None else ():
            seen = identities_seen(self.connection, registry, since=change.since, network=change.network)
            sooner(found, dict.fromkeys(seen, change.since))
        return found


def sooner(dates: dict[str, date], more: Mapping[str, date]) -> None:
    """Add to the dates of identities these ones; where both have one, the sooner stays."""
    for identity, day in more.items():
        dates[identity] = min(day, dates.get(identity, day))


def strictest(pasts: Sequence[tuple[RegistryPast, str]], day: date) -> dict[str, Any] | None:
    """Return what the registry says that gives a new network the least chance, the first by name of several."""
    said = [(past.level(day) or 0.0, name, past.began.isoformat()) for past, name in pasts]
    if not said:
        return None
    level, name, began = min(said)
    return {"registry": name, "registry_since": began, "registry_chance": level, "chance": level}


def second(dates: Sequence[str]) -> str | None:
    """Return the second of these ISO dates, which are in order; None where there is none."""
    return dates[1] if len(dates) > 1 else None


def _joined(known: Home, fresh: Home) -> Home:
    """Return one home of both: the earliest first use, and the second of their dates."""
    first = min(known, fresh, key=lambda home: (home.first_time, home.network))
    dates = {known.date.isoformat(), fresh.date.isoformat(), known.second_date, fresh.second_date}
    return replace(first, second_date=second(sorted(day for day in dates if day is not None)))


def _told(home: Home) -> tuple[date, str, str | None]:
    return home.date, home.network, home.second_date
