"""One labelled world for the figures of the library: made, stored and judged day by day, as a service would.

Records become messages, messages rows by the product's own decoder, rows commits of a lake, and the engine judges each
day's with all detections, its clock at that day's end. Memory holds one batch of six hours.
"""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from acrwatch.core.model import Message
from acrwatch.core.registry import SETTINGS, RegistryContext, from_settings
from acrwatch.simulate import (
    Attack,
    Labelled,
    Scenario,
    encode_messages,
    ground_truth,
    registry_settings,
    simulate,
    spread_attacks,
)
from acrwatch.simulate.everyday.estate import estate
from acrwatch.simulate.tape import Caller
from detections.blindness import Watch
from detections.context import Context, with_shipped
from detections.detection import Detection
from detections.engine import Engine
from detections.notices import Publishing
from detections.suppressing import drafted
from ingest.normalise import Normaliser
from storage.lake import Lake
from storage.lake.maintenance import maintain
from storage.state import alerts, stages, suppressions
from storage.state.alerts import Alert
from storage.state.database import Database
from storage.state.stages import Step
from storage.state.suppressions import Suppression

START: Final = datetime(2026, 1, 5, tzinfo=UTC)
DAYS: Final = 90
"""The last 45 are attacked; dormancy, from the 75th on."""
REGISTRIES: Final = ("contoso", "fabrikam", "northwind", "adatum", "litware", "tailspin", "wingtip", "proseware")
ATTACKS_OF_A_KIND: Final = 3
"""Far more than real registries see: what judges by how usual a thing is on a registry sees it become usual. With six
of each kind (as it was until 2026-11-29) a registry met ten new deleters in 45 days."""

_STREAM: Final = "eventhub/bench/quality/0/0"
_BATCH: Final = timedelta(hours=6)
_BATCHES_A_DAY: Final = 4
_DELIVERY: Final = timedelta(minutes=15)
_RECORDS_PER_MESSAGE: Final = 200
_MAINTAIN_DAYS: Final = 10


@dataclass(slots=True)
class Played:
    """What a world came to. `labels` maps the event id (hex) of each labelled record to its attack's place; `storing`
    and `judging` are processor seconds."""

    attacks: Sequence[Attack]
    alerts: Sequence[Alert] = ()
    labels: dict[str, int] = field(default_factory=dict)
    events: int = 0
    failed: set[str] = field(default_factory=set)
    storing: float = 0.0
    judging: float = 0.0


@dataclass(slots=True)
class _Clock:
    moment: datetime = START

    def now(self) -> datetime:
        return self.moment


def scenario_of(seed: int, events_per_day: int, attacks_of_a_kind: int = ATTACKS_OF_A_KIND) -> Scenario:
    """Return the world of a seed: attacks of every kind among everyday traffic."""
    end = START + timedelta(days=DAYS)
    return Scenario(
        start=START,
        end=end,
        seed=seed,
        registries=REGISTRIES,
        events_per_day=events_per_day,
        attacks=spread_attacks(START, end, count=attacks_of_a_kind, seed=seed),
        everyday=True,
    )


def context_of(scenario: Scenario) -> Context:
    """Return what the owners of the registries would configure, over the shipped labels."""
    parsers = {setting.name: setting.parse for setting in SETTINGS}
    registries: dict[str, RegistryContext] = {}
    for name, found in registry_settings(scenario).items():
        registries[name] = from_settings({key: parsers[key](values) for key, values in found.items()})
    return with_shipped(registries)


def owner_suppressions(scenario: Scenario) -> Iterator[Suppression]:
    """Yield what owners suppress of their own machines once they have been told of it: after the first weekly purge."""
    people = estate(scenario.seed, scenario.registries, scenario.events_per_day)
    purge = people.fast_purge.caller
    yield _suppression("mass-delete", purge, "the weekly purge, as scheduled by the platform team")


def _suppression(rule: str, caller: Caller, reason: str) -> Suppression:
    return drafted(
        {"rule": rule, "registry": caller.registry.name, "identity": caller.identity},
        owner="platform team",
        reason=reason,
        starts_at=START + timedelta(days=7),
        expires_at=START + timedelta(days=DAYS),
        by="benchmark",
        now=START,
    )


def staged_of(library: Mapping[str, Detection]) -> frozenset[str]:
    """Return the detections that begin staged: they are judged here as if promoted, and counted apart."""
    return frozenset(slug for slug, one in library.items() if one.metadata.stage == stages.STAGED)


def play(scenario: Scenario, library: Mapping[str, Detection], folder: Path, *, judge_days: int = 1) -> Played:
    """Make, store and judge a world in an empty folder; return its alerts beside the truth.

    Detections judge each `judge_days` days: less often is faster, and finds the same.
    """
    played = Played(ground_truth(scenario))
    database = Database(f"sqlite:///{folder}/state.db")
    database.migrate()
    lake, clock = Lake.open(folder / "lake"), _Clock()
    engine = Engine(lake, database, library, context_of(scenario), clock)
    began = time.process_time()
    with database.begin() as connection:
        for suppression in owner_suppressions(scenario):
            suppressions.add(connection, suppression)
        for slug in staged_of(library):
            stages.take(connection, Step(slug, stages.ACTIVE, stages.ALWAYS, START, "benchmark", "to be measured"))
    watch = Watch(lake, database, [name.casefold() for name in scenario.registries], Publishing())
    for batch in _stored(scenario, lake, played):
        played.storing += time.process_time() - began
        clock.moment, began = _taken_in(batch), time.process_time()
        watch.look(now=clock.moment)
        if (batch + 1) % (judge_days * _BATCHES_A_DAY) == 0 or clock.moment > scenario.end:
            played.failed.update(engine.run_until_done().failed)
        played.judging += time.process_time() - began
        began = time.process_time()
        if batch % (_MAINTAIN_DAYS * _BATCHES_A_DAY) == 0:
            maintain(lake, now=datetime.now(UTC))
    with database.connect() as connection:
        played.alerts = alerts.find(connection, blocks=True)
    database.close()
    return played


def _stored(scenario: Scenario, lake: Lake, played: Played) -> Iterator[int]:
    """Store the world; yield the number of each batch once it is stored."""
    normaliser, sequence = Normaliser(), itertools.count()
    marks = {mark: place for place, attack in enumerate(played.attacks) for mark in attack.marks}
    wanted = pa.array(list(marks), pa.string())
    for number, batch in itertools.groupby(simulate(scenario), key=_batch_number):
        messages = list(_messages(batch, sequence, _taken_in(number)))
        table = normaliser.batch(messages, now=_taken_in(number)).events
        lake.commit(table, {_STREAM: messages[-1].sequence_number})
        played.events += table.num_rows
        marked = table.filter(pc.is_in(table.column("correlation_id"), wanted))
        found = zip(marked.column("event_id").to_pylist(), marked.column("correlation_id").to_pylist(), strict=True)
        played.labels.update((event_id.hex(), marks[mark]) for event_id, mark in found)
        yield number


def _taken_in(batch: int) -> datetime:
    return START + (batch + 1) * _BATCH + _DELIVERY


def _batch_number(item: Labelled) -> int:
    return int((item.time - START) / _BATCH)


def _messages(batch: Iterator[Labelled], sequence: Iterator[int], taken_in: datetime) -> Iterator[Message]:
    for body in encode_messages((item.record for item in batch), per_message=_RECORDS_PER_MESSAGE):
        number = next(sequence)
        yield Message(_STREAM, number, body, "0", str(number), taken_in)
