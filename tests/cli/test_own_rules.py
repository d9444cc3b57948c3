"""Rules of one's own beside ours: in every command, and in passes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]

RULE = """\
title: A pull by ci
logsource: {product: azure, service: containerregistry}
detection:
  selection: {operation: pull, identity: ci}
  condition: selection
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Return a folder with one good rule and one broken one, named by the configuration."""
    (tmp_path / "acrwatch.toml").write_text('[detections]\nrules = ["./own"]\n')
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "ci-pulls.yml").write_text(RULE)
    (folder / "broken.yml").write_text(RULE.replace("operation", "operatoin"))
    return folder


def _store_a_pull(call: Call, tmp_path: Path) -> None:
    record = {
        "time": "2026-11-22T02:00:00Z",
        "category": "ContainerRegistryRepositoryEvents",
        "operationName": "Pull",
        "resourceId": "/SUBSCRIPTIONS/0/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.CONTAINERREGISTRY/REGISTRIES/CONTOSO",
        "identity": "ci",
        "callerIpAddress": "192.0.2.7",
        "resultDescription": "200",
    }
    (tmp_path / "in.jsonl").write_text(json.dumps(record) + "\n")
    assert call("import", "in.jsonl").exit_code == 0


def test_lists_name_the_rules_of_the_folder_and_what_is_not_in_use(call: Call, rules: Path) -> None:
    done = call("rules", "list", "--json")
    assert {"ci-pulls", "mass-delete"} <= {rule["slug"] for rule in done.json}
    assert f"Not in use: {rules}/broken.yml:4: unknown field 'operatoin': did you mean 'operation'?" in done.stderr


def test_a_broken_rule_asked_for_by_name_says_what_is_wrong_with_it(call: Call, rules: Path) -> None:
    done = call("rules", "show", "broken")
    assert done.exit_code == 3
    assert "unknown field 'operatoin'" in done.stderr


def test_a_pass_uses_them_and_a_broken_one_is_a_failure_that_lists_show_until_it_is_mended(
    call: Call, rules: Path, tmp_path: Path
) -> None:
    _store_a_pull(call, tmp_path)
    done = call("detect", "--once", "--json")
    assert (done.exit_code, done.json["alerts_created"]) == (1, 1)
    assert "unknown field 'operatoin'" in done.json["broken_rules"][0]
    listed = call("alerts", "list", "--json")
    assert [alert["rule"] for alert in listed.json] == ["ci-pulls"]
    assert f"{rules}/broken.yml:4: unknown field 'operatoin'" in listed.stderr
    (rules / "broken.yml").write_text(RULE)
    assert call("detect", "--once").exit_code == 0
    assert "operatoin" not in call("alerts", "list").stderr


def test_alerts_of_a_rule_that_was_taken_away_stay(call: Call, rules: Path, tmp_path: Path) -> None:
    _store_a_pull(call, tmp_path)
    call("detect", "--once")
    (rules / "ci-pulls.yml").unlink()
    call("detect", "--once")
    (alert,) = call("alerts", "list", "--json").json
    assert "The rule ci-pulls is not installed any more" in call("alerts", "show", alert["id"]).stdout


def test_check_names_the_broken_file_as_a_failure(call: Call, rules: Path) -> None:
    done = call("check", "--quick", "--offline", "--json")
    (broken,) = [item for item in done.json if item["name"] == "rules"]
    assert (done.exit_code, broken["status"]) == (1, "fail")
    assert "broken.yml:4: unknown field 'operatoin'" in broken["what"]
