"""`acrwatch rules list|show|lint`."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detections import blindness, failure, risk
from detections.rule import SHIPPED
from storage.state.database import Database

Call = Callable[..., Any]


def test_the_list_has_the_mission_rules(call: Call) -> None:
    slugs = {rule["slug"] for rule in call("rules", "list", "--json").json}
    assert {"admin-user-login", "mass-delete", "pull-outside-allowed-ranges"} <= slugs


def test_a_rule_tells_what_it_finds_and_misses_and_what_to_do(call: Call) -> None:
    page = call("rules", "show", "mass-delete").stdout
    assert page.splitlines()[0] == "Many images deleted in a short time"
    for heading in ("What to do", "False positives", "What it misses", "ATT&CK", "References"):
        assert f"\n{heading}\n  - " in page


def test_a_rule_as_json_has_its_version(call: Call) -> None:
    rule = call("rules", "show", "mass-delete", "--json").json
    assert (rule["level"], len(rule["version"])) == ("critical", 64)


def test_an_unknown_rule_ends_with_3_and_names_the_known(call: Call) -> None:
    done = call("rules", "show", "nonsense")
    assert done.exit_code == 3
    assert "mass-delete" in done.stderr


def test_lint_of_the_rules_in_use_finds_nothing(call: Call) -> None:
    done = call("rules", "lint", "--json")
    assert done.exit_code == 0
    assert done.json == {"ok": True, "errors": [], "warnings": []}


def test_lint_ends_with_1_and_names_every_bad_file(call: Call, tmp_path: Path) -> None:
    good = (SHIPPED / "mass-delete.yml").read_text()
    (tmp_path / "renamed.yml").write_text(good)
    (tmp_path / "broken.yml").write_text("title: [")
    (tmp_path / "mass-delete.yml").write_text(good)
    done = call("rules", "lint", tmp_path)
    assert done.exit_code == 1
    assert re.search(r"renamed\.yml:\d+: error: x_slug 'mass-delete' is not the file's name", done.stdout)
    assert "broken.yml:1: error: " in done.stdout
    assert "slug 'mass-delete' is taken" in done.stdout
    assert done.stderr == "3 errors, 0 warnings.\n"


def test_lint_of_a_path_that_is_not_there_is_a_usage_error(call: Call) -> None:
    assert call("rules", "lint", "gone").exit_code == 2


def test_one_rule_is_tried_by_its_name(call: Call) -> None:
    done = call("rules", "test", "admin-user-login", "--json")
    assert done.exit_code == 0
    assert {(result["rule"], result["passed"]) for result in done.json} == {("admin-user-login", True)}


def test_trying_an_unknown_rule_ends_with_3(call: Call) -> None:
    assert call("rules", "test", "nonsense").exit_code == 3


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("alerts: 1", "alerts: 7", "expected 7 alerts, found 1"),
        ("with 2 failed ones", "with 3 failed ones", "expected the reason to hold 'with 3 failed ones"),
        ("identity: contoso, status: 401}\n", "identty: contoso}\n", "unknown keys: identty"),
        ("at: 61m", "at: soon", "expected a time span"),
    ],
)
def test_a_case_that_goes_wrong_is_told_and_ends_with_1(
    call: Call, tmp_path: Path, right: str, wrong: str, problem: str
) -> None:
    text = (SHIPPED / "admin-user-login.yml").read_text()
    assert right in text
    (tmp_path / "admin-user-login.yml").write_text(text.replace(right, wrong))
    done = call("rules", "test", tmp_path)
    assert done.exit_code == 1
    assert problem in done.stderr


def test_a_rule_says_what_it_waits_for_and_where_that_is_written(call: Call) -> None:
    page = call("rules", "show", "push-outside-pipeline").stdout
    assert "Stays silent until [registries.NAME] has\n  - push_identities or push_ranges\n" in page
    assert "  - the flag private_only\n" in call("rules", "show", "public-address-on-private-registry").stdout
    assert call("rules", "show", "off-hours-write", "--json").json["needs"] == [["working_hours"]]
    assert call("rules", "show", "mass-delete", "--json").json["needs"] == []


@pytest.mark.parametrize(
    ("command", "slug"),
    [
        ("stage SLUG --reason x", risk.SLUG),
        ("promote SLUG --reason x", risk.SLUG),
        ("retire SLUG --reason x", failure.SLUG),
        ("run SLUG", risk.SLUG),
        ("backtest SLUG", risk.SLUG),
        ("export SLUG --format kql", risk.SLUG),
        *(("test SLUG", slug) for slug in (risk.SLUG, failure.SLUG, *blindness.METADATA)),
    ],
)
def test_what_raises_alerts_and_is_no_rule_is_not_said_to_be_unknown(
    call: Call, database: Database, command: str, slug: str
) -> None:
    done = call("rules", *command.replace("SLUG", slug).split())
    assert done.exit_code == 2
    why = "is computed from the alerts of rules" if slug == risk.SLUG else "is what acrwatch says of itself"
    assert f"{slug} {why}" in done.stderr
