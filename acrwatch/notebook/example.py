"""A small world to try things on: two registries' simulated traffic, stored and judged as a service would.

It is what the notebooks in `notebooks/` work on. Nothing in it is real: names and addresses are invented.
"""

import itertools
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from acrwatch.configuration import configured
from acrwatch.core.errors import ConfigError
from acrwatch.core.model import Message
from acrwatch.core.registry import EVERY
from acrwatch.notebook.client import Client
from acrwatch.notebook.opening import open as opened
from acrwatch.simulate import (
    Attack,
    PlannedAttack,
    Scenario,
    encode_messages,
    ground_truth,
    registry_settings,
    simulate,
)
from detections.context_sources import ContextSources
from detections.engine import Engine
from detections.library import read_library
from ingest.normalise import Normaliser
from storage.lake import Lake
from storage.state.database import Database

END: Final = datetime(2026, 11, 22, tzinfo=UTC)
DAYS: Final = 24
EVENTS_PER_DAY: Final = 150
"""Beside what everyday trouble brings: some 21,000 events in all, there in a few seconds."""

CONFIGURATION: Final = "acrwatch.toml"
_DONE: Final = "world.json"
_STREAM: Final = "eventhub/example/acr-audit/0/0"
_RECORDS_PER_MESSAGE: Final = 200
_DELIVERY: Final = timedelta(minutes=10)  # Azure's is 5 to 20
_ATTACKS: Final = (
    PlannedAttack("mass-delete-nineteen", datetime(2026, 11, 17, 13, 5, tzinfo=UTC), "fabrikam"),
    PlannedAttack("pull-outside-allowed-ranges", datetime(2026, 11, 18, 23, 31, tzinfo=UTC), "contoso"),
    PlannedAttack("anomalous-source-ip", datetime(2026, 11, 20, 2, 14, tzinfo=UTC), "contoso"),
    PlannedAttack("mass-delete", datetime(2026, 11, 20, 21, 40, tzinfo=UTC), "contoso"),
)


@dataclass
class _Clock:
    moment: datetime

    def now(self) -> datetime:
        return self.moment


def scenario() -> Scenario:
    """Return what happens in the example: 24 days up to 22 November 2026, with four attacks in the last five."""
    return Scenario(
        start=END - timedelta(days=DAYS),
        end=END,
        seed=5,  # one in which everybody who is attacked was at work before
        events_per_day=EVENTS_PER_DAY,
        attacks=_ATTACKS,
        everyday=True,
    )


def attacks() -> Sequence[Attack]:
    """Return the truth about the example, which nobody has of a real registry: who attacked, when, from where."""
    return ground_truth(scenario())


def example(folder: str | os.PathLike[str]) -> Client:
    """Return the example, opened at its end, as `acrwatch.open` does; it is made in `folder` where it is not yet.

    `folder` then holds a lake, a state database with the alerts that the shipped rules raised, and an acrwatch.toml
    with what the registries' owners would configure. Raises ConfigError for a folder that holds something else.
    """
    place = Path(folder)
    if not (place / _DONE).exists():
        _make(place)
    elif json.loads((place / _DONE).read_text(encoding="utf-8")) != _identity():
        raise ConfigError(f"{place} holds an example of another version", remedy="Delete that folder, or name another")
    return opened(config=place / CONFIGURATION, now=END)


def _make(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty, and no example", remedy="Name a folder of its own for the example")
    folder.mkdir(parents=True, exist_ok=True)
    world = scenario()
    (folder / CONFIGURATION).write_text(_configuration(world), encoding="utf-8")
    config = configured(folder / CONFIGURATION, {})
    lake, database = Lake.open(config.store.path), Database(config.store.database)
    try:
        database.migrate()
        _store(world, lake)
        context = ContextSources({EVERY: config.every_registry, **config.registries})
        Engine(lake, database, read_library().detections, context, _Clock(END)).run_until_done()
    finally:
        database.close()
    (folder / _DONE).write_text(json.dumps(_identity()), encoding="utf-8")


def _store(world: Scenario, lake: Lake) -> None:
    """Store a day's records at a time, as taken in when the day was over."""
    normaliser, numbers = Normaliser(), itertools.count(1)
    for day, items in itertools.groupby(simulate(world), key=lambda item: item.time.date()):
        taken = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1) + _DELIVERY
        bodies = encode_messages((item.record for item in items), per_message=_RECORDS_PER_MESSAGE)
        messages = [Message(_STREAM, n, body, "0", str(n), taken) for body, n in zip(bodies, numbers, strict=False)]
        lake.commit(normaliser.batch(messages, now=taken).events, {_STREAM: messages[-1].sequence_number})


def _configuration(world: Scenario) -> str:
    """Return an acrwatch.toml with what owners of the registries would tell of them. Paths count from where it lies."""
    lines = ["[store]", 'path = "lake"', 'database = "sqlite:///state.db"', "[detections]", 'rules = ["rules"]']
    for name, found in registry_settings(world).items():
        lines += [f"[registries.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in found.items())]
    return "\n".join(lines) + "\n"


def _identity() -> dict[str, object]:
    return {"seed": scenario().seed, "end": END.isoformat(), "days": DAYS, "events_per_day": EVENTS_PER_DAY}
