"""`acrwatch rules list|show|lint`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from detections.rule import SHIPPED

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
    assert done.json["mistakes"] == []
    assert "mass-delete" in done.json["rules"]


def test_lint_ends_with_1_and_names_every_bad_file(call: Call, tmp_path: Path) -> None:
    good = (SHIPPED / "mass-delete.yml").read_text()
    (tmp_path / "renamed.yml").write_text(good)
    (tmp_path / "broken.yml").write_text("title: no detection")
    (tmp_path / "mass-delete.yml").write_text(good)
    done = call("rules", "lint", tmp_path)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "renamed.yml: x_slug 'mass-delete' is not the file's name" in done.stderr
    assert "broken.yml: " in done.stderr


def test_lint_of_a_path_that_is_not_there_is_a_usage_error(call: Call) -> None:
    assert call("rules", "lint", "gone").exit_code == 2
