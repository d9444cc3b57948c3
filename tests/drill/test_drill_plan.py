"""What a drill does follows from its seed, and is what was asked for."""

import json
from collections import Counter
from datetime import UTC, datetime

import pytest

from drill.load import Load, make_load
from drill.plan import DATABASE_FAULTS, HUB_FAULTS, RECEIVER_MOODS, make_plan

END = datetime(2026, 11, 22, 12, tzinfo=UTC)
MEMBERS = ("ingest-1", "detect-1", "run-1")


@pytest.fixture(scope="module")
def load() -> Load:
    return make_load(seed=3, end=END, events_per_day=50)


def test_a_plan_holds_the_kills_asked_for_and_faults_of_every_kind() -> None:
    steps = make_plan(seed=1, kills=100, seconds=240, members=MEMBERS)
    killed = Counter(step.what for step in steps if step.kind == "kill")
    assert killed.total() == 100
    assert killed.keys() == set(MEMBERS)
    assert {step.what for step in steps} >= {*HUB_FAULTS, *DATABASE_FAULTS, *RECEIVER_MOODS}
    assert [step.at for step in steps] == sorted(step.at for step in steps)


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    plans = [make_plan(seed=seed, kills=9, seconds=60, members=MEMBERS) for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]


def test_the_same_seed_and_end_give_the_same_messages(load: Load) -> None:
    assert make_load(seed=3, end=END, events_per_day=50).messages == load.messages


def test_every_record_is_sent_and_nothing_else_that_can_be_read(load: Load) -> None:
    sent: Counter[str] = Counter()
    for body in load.messages:
        if body.startswith(b"{"):
            sent.update(record["correlationId"] for record in json.loads(body)["records"] if "correlationId" in record)
    assert sorted(sent) == load.correlations
    assert max(sent.values()) > 1


def test_some_records_of_the_last_day_come_hours_late(load: Load) -> None:
    newest, latest = "", 0.0
    for body in load.messages:
        for record in json.loads(body)["records"] if body.startswith(b'{"records":[{"time":"2026-11-2') else ():
            time = str(record["time"])
            if "2026-11-21T15" < time < newest:
                latest = max(latest, (_moment(newest) - _moment(time)).total_seconds())
            newest = max(newest, time if time[:2] == "20" else "")
    assert load.late > 0
    assert 3600 < latest < 86_400


def _moment(time: str) -> datetime:
    return datetime.fromisoformat(time[:19] + "+00:00")
