"""A writer that slept between its last look and the link that commits, while clean-up passed it, loses nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from storage.lake import Lake
from storage.lake import table as table_module
from storage.lake.maintenance import maintain
from storage.lake.publishing import publish
from storage.lake.verifying import verify
from tests.lake.lake_fixtures import Ids, MakeEvents, Stored

OURS, THEIRS = "eventhub/h/h/0/0", "eventhub/h/h/1/0"
MUCH_LATER = datetime.now(UTC) + timedelta(hours=5)


@pytest.fixture
def asleep(lake: Lake, make_events: MakeEvents, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Once, just before an entry is linked, let others commit 25 times and clean up; return what they stored."""
    others, stored = Lake.open(lake.root), list[int]()

    def publish_late(*arguments: object) -> None:
        if not stored:
            stored.extend(range(100, 125))
            for number in stored:
                others.commit(make_events([number], stream=THEIRS, sequence=number), {THEIRS: number})
            maintain(others, now=MUCH_LATER)
        publish(*arguments)  # type: ignore[arg-type]

    lake.commit(make_events([0], stream=OURS, sequence=0), {OURS: 0})
    monkeypatch.setattr(table_module, "publish", publish_late)
    return stored


def test_what_it_says_is_stored_can_be_read(
    lake: Lake, asleep: list[int], make_events: MakeEvents, stored: Stored, ids: Ids
) -> None:
    commit = lake.commit(make_events([1], stream=OURS, sequence=1), {OURS: 1})

    assert commit.rows == 1
    assert lake.position(OURS) == 1
    assert stored(Lake.open(lake.root)) == ids([0, 1, *asleep])
    assert verify(lake, full=True) == []


def test_what_it_commits_afterwards_leaves_nothing_out(
    lake: Lake, asleep: list[int], make_events: MakeEvents, stored: Stored, ids: Ids
) -> None:
    for number in (1, 2, 3):
        lake.commit(make_events([number], stream=OURS, sequence=number), {OURS: number})

    assert stored(Lake.open(lake.root)) == ids([0, 1, 2, 3, *asleep])


def test_a_commit_that_did_land_before_clean_up_came_by_is_not_repeated(
    lake: Lake, make_events: MakeEvents, stored: Stored, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[object]()

    def publish_and_be_passed(*arguments: object) -> None:
        publish(*arguments)  # type: ignore[arg-type]
        asked.append(arguments)
        if len(asked) == 1:
            others = Lake.open(lake.root)
            for number in range(100, 125):
                others.commit(make_events([number], stream=THEIRS, sequence=number), {THEIRS: number})
            maintain(others, now=MUCH_LATER)

    lake.commit(make_events([0], stream=OURS, sequence=0), {OURS: 0})
    monkeypatch.setattr(table_module, "publish", publish_and_be_passed)
    lake.commit(make_events([1], stream=OURS, sequence=1), {OURS: 1})

    assert stored(Lake.open(lake.root)) == ids([0, 1, *range(100, 125)])
    assert verify(lake, full=True) == []
