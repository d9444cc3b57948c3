"""`activity` beside `events`: two relations over one table, kept and cleaned up as one."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from detections.actions import OF_ACTION
from detections.rule import SHIPPED
from storage.activity import COLUMNS
from storage.lake.compaction import TARGET_BYTES, compact
from storage.lake.retention import retire
from storage.lake.verifying import verify
from storage.sandbox import ask
from tests.activity.scene import Scene, action, event

DOCS = Path(__file__).parents[2] / "docs" / "control-plane.md"
DAY = date(2026, 3, 2)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Two commits, each with an event and an action."""
    scene = Scene(tmp_path, {})
    for number in range(2):
        at = timedelta(minutes=10 * number)
        scene.judge([event(at, "Pull"), *action(at, {"adminUserEnabled": True})])
    return scene


def rows(scene: Scene, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in ask(scene.lake.snapshot(), sql).rows.to_pylist()]


def test_events_are_without_and_activity_is_them_alone(scene: Scene) -> None:
    assert rows(scene, "SELECT DISTINCT category FROM events") == [("ContainerRegistryRepositoryEvents",)]
    asked = "SELECT result, admin_user_enabled, details, object_id FROM activity ORDER BY event_time, result LIMIT 2"
    alice = "00000000-0000-0000-0000-0000000000a1"
    assert rows(scene, asked) == [
        ("start", "true", "admin_user_enabled=true", alice),
        ("success", None, None, alice),
    ]


def test_both_are_there_in_an_empty_lake(tmp_path: Path) -> None:
    empty = "SELECT (SELECT count(*) FROM events) AS e, (SELECT count(*) FROM activity) AS a"
    assert rows(Scene(tmp_path, {}), empty) == [(0, 0)]


def test_compaction_and_verification_keep_both(scene: Scene) -> None:
    before = rows(scene, "SELECT event_id, details FROM activity ORDER BY event_id")
    compact(scene.lake, DAY, TARGET_BYTES)
    assert len(scene.lake.snapshot().files) == 1
    assert rows(scene, "SELECT event_id, details FROM activity ORDER BY event_id") == before
    assert verify(scene.lake, full=True) == []


def test_retention_takes_both(scene: Scene) -> None:
    assert retire(scene.lake, before=DAY + timedelta(days=1)).rows == 6
    assert rows(scene, "SELECT count(*) FROM activity") == [(0,)]


def test_the_page_names_every_column() -> None:
    page = DOCS.read_text(encoding="utf-8")
    assert [name for name in {**COLUMNS, **OF_ACTION} if f"`{name}`" not in page] == []


def test_the_page_names_every_rule() -> None:
    page = DOCS.read_text(encoding="utf-8")
    ours = [file.stem for file in SHIPPED.glob("*.yml") if "service: activitylogs" in file.read_text(encoding="utf-8")]
    assert len(ours) == 14
    assert [slug for slug in ours if f"`{slug}`" not in page] == []
