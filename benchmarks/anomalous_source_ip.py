"""How well anomalous-source-ip tells intruders from the rest: `python -m benchmarks.anomalous_source_ip`.

Plays the labelled worlds of `source_ip_world` through a real lake, database and engine, and prints for each kind of
attack how many were found and how many of them told (the others are building blocks), and for each kind of identity how
many of its alerts were attacks, and how many were false per identity and month of 30 days, told or not.
"""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from benchmarks.source_ip_world import Use, World, make_world
from detections.behavioural.anomalous_source_ip import DETECTION
from detections.case import START, event_row
from detections.case_spec import CaseEvent
from detections.context import Context
from detections.engine import Engine
from storage.lake import Lake
from storage.schema import ARROW_SCHEMA
from storage.state import alerts
from storage.state.alerts import Alert
from storage.state.database import Database

# Fixed before the rule was tried on them.
SEEDS: Final = (7, 8, 9)


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts over all worlds. By attack: `planned`, `found`, `told`. By kind of identity: `true`, `false`, of these
    `false_told`, and `days`."""

    planned: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    true: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    false_told: Counter[str] = field(default_factory=Counter)
    days: Counter[str] = field(default_factory=Counter)

    def recall(self, attack: str) -> float:
        """Return the share of attacks of this kind that an alert covers."""
        return self.found[attack] / self.planned[attack]

    def precision(self, kind: str) -> float:
        """Return the share of alerts about identities of this kind that attacks caused; 1 where there are none."""
        alerts_of_kind = self.true[kind] + self.false[kind]
        return self.true[kind] / alerts_of_kind if alerts_of_kind else 1.0

    def false_per_month(self, kind: str) -> float:
        """Return the false alerts per identity of this kind and 30 days of its use."""
        return 30 * self.false[kind] / self.days[kind]


class _Clock:
    def now(self) -> Any:
        return START + timedelta(days=200)


def measure(seeds: Sequence[int] = SEEDS) -> Figures:
    """Return the figures of the worlds of these seeds."""
    figures = Figures()
    for seed in seeds:
        world = make_world(seed)
        _count(figures, world, _played(world))
    return figures


def _played(world: World) -> list[Alert]:
    with tempfile.TemporaryDirectory(prefix="acrwatch-quality-") as folder:
        lake = Lake.open(Path(folder) / "lake")
        database = Database(f"sqlite:///{folder}/state.db")
        database.migrate()
        uses = sorted(world.uses, key=lambda use: (use.day, use.identity))
        rows = [_row(use, number) for number, use in enumerate(uses, 1)]
        lake.commit(pa.Table.from_pylist(rows, ARROW_SCHEMA), {"cases": len(rows)})
        engine = Engine(lake, database, {DETECTION.metadata.slug: DETECTION}, Context(), _Clock())
        if failed := engine.run_until_done().failed:
            raise RuntimeError(f"{failed[0]} failed")
        with database.connect() as connection:
            standing = alerts.find(connection, blocks=True)
        database.close()
        return standing


def _row(use: Use, number: int) -> Mapping[str, Any]:
    texts = {"operation": "Pull", "registry": use.registry, "identity": use.identity, "caller_ip": _address(use)}
    return event_row(CaseEvent(timedelta(days=use.day), 200, texts), number, Context())


def _address(use: Use) -> str:
    return f"198.{18 + use.network // 256}.{use.network % 256}.7"  # 198.18.0.0/15: for benchmarks, RFC 2544


def _place(use: Use) -> tuple[str, str]:
    return use.identity, _address(use)


def _count(figures: Figures, world: World, standing: Sequence[Alert]) -> None:
    attacks: dict[tuple[str, str, str], list[Use]] = {}
    for use in world.uses:
        if use.attack:
            attacks.setdefault((use.attack, *_place(use)), []).append(use)
    for (label, *place), uses in attacks.items():
        figures.planned[label] += 1
        covering = [alert for alert in standing if any(_covers(alert, tuple(place), use) for use in uses)]
        figures.found[label] += bool(covering)
        figures.told[label] += any(_is_told(alert) for alert in covering)
    hostile = {_place(use) for use in world.uses if use.attack or world.kinds[use.identity].startswith("intruder")}
    for alert in standing:
        identity, address = _subject(alert)
        kind, true = world.kinds[identity], (identity, address) in hostile
        (figures.true if true else figures.false)[kind] += 1
        figures.false_told[kind] += not true and _is_told(alert)
    for identity, kind in world.kinds.items():
        times = [use.day for use in world.uses if use.identity == identity]
        figures.days[kind] += max(1, round(max(times) - min(times)))


def _subject(alert: Alert) -> tuple[str, str]:
    row = alert.evidence_rows[0][1]
    return row["identity"], row["caller_ip"]


def _is_told(alert: Alert) -> bool:
    return alert.status != alerts.BUILDING_BLOCK


def _covers(alert: Alert, place: tuple[str, ...], use: Use) -> bool:
    time = START + timedelta(days=use.day)
    return _subject(alert) == place and alert.first_seen <= time <= alert.last_seen


def main() -> None:
    """Print the figures."""
    figures = measure()
    print(f"{'attack':<52}{'found':>7}{'of':>5}{'recall':>8}{'told':>6}")
    for attack in figures.planned:
        counts = f"{figures.found[attack]:>7}{figures.planned[attack]:>5}{figures.recall(attack):>8.2f}"
        print(f"{attack:<52}{counts}{figures.told[attack]:>6}")
    print(f"\n{'identities':<28}{'true':>6}{'false':>7}{'told':>6}{'precision':>11}{'false per identity-month':>26}")
    for kind in figures.days:
        counts = f"{figures.true[kind]:>6}{figures.false[kind]:>7}{figures.false_told[kind]:>6}"
        print(f"{kind:<28}{counts}{figures.precision(kind):>11.2f}{figures.false_per_month(kind):>26.3f}")


if __name__ == "__main__":
    main()
