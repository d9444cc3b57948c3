"""Rules on the control plane: an action is judged by all its records, and told with what its caller did around it."""

import json
import random
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from detections.rule import parse_rule
from storage.state.tables import deliveries
from tests.activity.scene import ALICE_ID, Record, Scene, action, event

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ON = {"adminUserEnabled": True}

CREATED_OR_DELETED = """
title: Azure Container Registry Created or Deleted
id: 93e0ef48-37c8-49ed-a02c-038aab23628e
status: test
logsource: {product: azure, service: activitylogs}
detection:
  selection:
    operationName:
      - MICROSOFT.CONTAINERREGISTRY/REGISTRIES/WRITE
      - MICROSOFT.CONTAINERREGISTRY/REGISTRIES/DELETE
  condition: selection
level: low
"""


def of(scene: Scene, rule: str) -> list[str]:
    return [alert.reason for alert in scene.standing() if alert.rule == rule]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["as it happened", "the outcome first"])
def test_a_request_and_its_outcome_are_one_in_whatever_order_they_come(tmp_path: Path, order: tuple[int, int]) -> None:
    scene, records = Scene(tmp_path), action(MINUTE, ON)
    scene.judge([records[order[0]]])
    assert of(scene, "admin-user-enabled") == []
    scene.judge([records[order[1]]], "eventhub/ns/hub/1/0")
    (reason,) = of(scene, "admin-user-enabled")
    assert "alice@example.com switched on the admin account of registry contoso" in reason


def test_a_record_that_comes_twice_changes_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.judge(action(MINUTE, ON))
    before = scene.picture()
    scene.judge(action(MINUTE, ON), "files/again")
    assert scene.picture() == before != []


def test_what_the_caller_does_later_is_told_when_it_comes(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.judge(action(MINUTE, ON))
    assert of(scene, "admin-user-enabled")[0].endswith("did in the registry: nothing.")
    scene.judge([event(20 * MINUTE, "Pull"), event(21 * MINUTE, "Pull", ALICE_ID), event(22 * MINUTE, "Pull", "bob")])
    scene.judge([event(30 * MINUTE, "Push", status=201), event(3 * HOUR, "Pull")])
    assert of(scene, "admin-user-enabled")[0].endswith("did in the registry: 2 pull, 1 push.")
    with scene.database.connect() as connection:
        bodies = connection.execute(select(deliveries.c.body).order_by(deliveries.c.sequence)).scalars().all()
    assert "2 pull, 1 push" in json.loads(bodies[-1])["data"]["reason"]


def test_events_of_others_leave_an_alert_as_it_was(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.judge(action(MINUTE, ON))
    revisions = [alert.revision for alert in scene.standing()]
    scene.judge([event(20 * MINUTE, "Pull", "bob"), event(3 * HOUR, "Pull")])
    assert [alert.revision for alert in scene.standing()] == revisions


def world(rng: random.Random) -> list[Record]:
    """Return some hours of actions, whole and halved, with and without requests, among what callers did meanwhile."""
    records = action(90 * MINUTE, ON)
    for number in range(6):
        at = rng.randrange(180) * MINUTE
        request = rng.choice([ON, {"adminUserEnabled": False}, {"publicNetworkAccess": "Enabled"}, None])
        results = rng.choice([("Start", "Success"), ("Start", "Accept", "Success"), ("Start", "Failure"), ("Success",)])
        name = rng.choice(["write", "write", "listCredentials/action"])
        records += action(at + number * timedelta(seconds=1), request, *results, name=name)
    for number in range(14):
        at = rng.randrange(240) * MINUTE + number * timedelta(milliseconds=7)
        records.append(event(at, rng.choice(["Pull", "Push"]), rng.choice(["alice@example.com", ALICE_ID, "bob"])))
    return records


@pytest.mark.parametrize("seed", range(2))
def test_what_stands_does_not_hang_on_how_records_arrived(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    records = world(rng)
    whole, split = Scene(tmp_path / "whole"), Scene(tmp_path / "split")
    whole.judge(records)
    rng.shuffle(records)
    while records:
        count = rng.randrange(4, 12)
        split.judge(records[:count], f"eventhub/ns/hub/{rng.randrange(2)}/0")
        del records[:count]
    assert split.picture() == whole.picture()
    assert whole.picture()


def test_a_rule_of_sigmas_own_library_loads_unchanged_and_finds_writes(tmp_path: Path) -> None:
    scene = Scene(tmp_path, {"foreign": parse_rule(CREATED_OR_DELETED, "foreign")})
    scene.judge([*action(MINUTE, None), event(MINUTE, "Delete")])
    (alert,) = scene.standing()
    assert (alert.count, alert.registries) == (2, ["contoso"])


def test_control_plane_records_are_no_events_of_the_registry(tmp_path: Path) -> None:
    """An import, by its name, would be one to rules on the registry itself."""
    text = CREATED_OR_DELETED.replace("activitylogs", "containerregistry").replace("operationName:", "operation:")
    rule = parse_rule(text.replace("MICROSOFT.CONTAINERREGISTRY/REGISTRIES/", "registries/"), "foreign")
    scene = Scene(tmp_path, {"foreign": rule})
    scene.judge(action(MINUTE, None))
    assert scene.standing() == []


def test_a_rule_on_the_registry_cannot_name_a_field_of_the_control_plane() -> None:
    text = CREATED_OR_DELETED.replace("activitylogs", "containerregistry").replace("operationName:", "default_action:")
    with pytest.raises(ValueError, match="'default_action', of which only the Activity Log"):
        parse_rule(text, "wrong")


def test_a_field_nobody_knows_is_refused_with_its_line() -> None:
    with pytest.raises(ValueError, match="did you mean 'admin_user_enabled'"):
        parse_rule(CREATED_OR_DELETED.replace("operationName:", "admin_user_enable:"), "wrong")
