"""What the control plane says of a registry is no sign that the registry itself speaks."""

from datetime import timedelta
from pathlib import Path

from acrwatch.cli.checks.stores import _newest
from detections.presence import Survey
from tests.activity.scene import START, Scene, action, event

HUB, OTHER = "eventhub/ns/hub/0/0", "eventhub/ns/activity/0/0"


def test_a_registry_speaks_by_its_own_events_alone(tmp_path: Path) -> None:
    scene, survey = Scene(tmp_path, {}), Survey()
    scene.judge(action(timedelta(minutes=1), None), OTHER)
    assert survey.look(scene.lake.snapshot()).habits == {}
    scene.judge([event(timedelta(minutes=2), "Pull")], HUB)
    seen = survey.look(scene.lake.snapshot())
    assert seen.habits["contoso"].events == 1
    assert seen.readings.keys() == {HUB, OTHER}


def test_a_lake_of_nothing_else_can_be_checked(tmp_path: Path) -> None:
    scene = Scene(tmp_path, {})
    scene.judge(action(timedelta(minutes=1), None), OTHER)
    assert "happened" in _newest(scene.lake, START + timedelta(hours=1)).what
