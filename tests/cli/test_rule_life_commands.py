"""`acrwatch rules stage|promote|retire`, and the figures beside each rule."""

from collections.abc import Callable
from typing import Any

from storage.state.database import Database
from tests.cli.test_alerts_command import another, stored

Call = Callable[..., Any]
TRUE, BENIGN = "true_positive.suspicious_activity", "benign_positive.suspicious_but_expected"
FALSE = "false_positive.incorrect_logic"


def _rule(call: Call, slug: str = "admin-user-login") -> Any:
    return call("rules", "show", slug, "--json").json


def test_verdicts_give_a_rule_a_precision_and_alerts_a_noise(call: Call, database: Database) -> None:
    reasons = (TRUE, TRUE, BENIGN, FALSE, "duplicate", "undetermined")
    closed = [another(n, status="closed", close_reason=reason) for n, reason in enumerate(reasons)]
    stored(database, *closed, another(51, historical=True), another(52, status="staged"))
    stored(database, *[another(60 + n - 20 * 24 * 60) for n in range(2)])
    rule = _rule(call)
    assert (rule["closed"], rule["precision"], rule["judged"]) == ({"true": 2, "benign": 1, "false": 1}, 0.5, 4)
    assert (rule["alerts_per_week"], rule["staged_per_week"]) == (2.8, 0.35)


def test_the_list_shows_stage_noise_and_precision(call: Call, database: Database) -> None:
    stored(database, another(1, status="closed", close_reason=TRUE))
    heading, *rows = call("rules", "list").stdout.splitlines()
    assert heading.split() == ["RULE", "LEVEL", "STAGE", "A", "WEEK", "PRECISION", "TITLE"]
    (row,) = [row for row in rows if row.startswith("admin-user-login")]
    assert row.split()[2:7] == ["active", "1", "100", "%", "of"]
    assert "  - 1 alert a week; 0 suppressed" in call("rules", "show", "admin-user-login").stdout


def test_without_a_database_rules_are_listed_without_figures(call: Call) -> None:
    outcome = call("rules", "list", "--json")
    assert (outcome.exit_code, outcome.json[0]["alerts_per_week"], outcome.json[0]["precision"]) == (0, 0, None)


def test_a_rule_is_staged_promoted_and_retired_with_name_and_reason(call: Call, database: Database) -> None:
    call("rules", "stage", "mass-delete", "--reason", "too loud", "--by", "ana")
    assert _rule(call, "mass-delete")["stage"] == "staged"
    outcome = call("rules", "promote", "mass-delete", "--reason", "quiet now", "--by", "ben", "--yes", "--json")
    assert "(1 day) mass-delete would have raised 0 alerts, 0.00 a day" in outcome.stderr
    assert outcome.json["stage"] == "active"
    call("rules", "retire", "mass-delete", "--reason", "replaced", "--by", "cem")
    rule = _rule(call, "mass-delete")
    assert [(step["stage"], step["actor"], step["reason"]) for step in rule["stages"]] == [
        ("staged", "ana", "too loud"),
        ("active", "ben", "quiet now"),
        ("retired", "cem", "replaced"),
    ]
    assert rule["stage"] == "retired"


def test_a_rule_is_made_one_of_building_blocks(call: Call, database: Database) -> None:
    call("rules", "stage", "mass-delete", "--building-block", "--reason", "weak here", "--by", "ana")
    stored(database, another(1, rule="mass-delete", status="building-block"), another(2, status="staged"))
    rule = _rule(call, "mass-delete")
    assert (rule["stage"], rule["alerts_per_week"], rule["blocks_per_week"]) == ("building-block", 0, 1)
    (block,) = call("alerts", "list", "--building-blocks", "--json").json
    assert (block["rule"], block["status"]) == ("mass-delete", "building-block")
    assert "it counts towards entity-risk, and was not delivered" in call("alerts", "show", block["id"]).stdout
    outcome = call("rules", "promote", "mass-delete", "--reason", "tell again", "--yes")
    assert "mass-delete would have raised 1 alert," in outcome.stderr


def test_a_rule_of_building_blocks_begins_so(call: Call, database: Database) -> None:
    assert _rule(call, "first-seen-identity")["stage"] == "building-block"


def test_an_active_rule_with_weak_matches_is_promoted_to_tell_of_them(call: Call, database: Database) -> None:
    stored(database, another(1, rule="mass-delete", status="building-block"))
    outcome = call("rules", "promote", "mass-delete", "--reason", "all of them", "--by", "ana", "--yes")
    assert "mass-delete is active: it tells" in outcome.stderr
    (step,) = _rule(call, "mass-delete")["stages"]
    assert (step["stage"], step["actor"]) == ("active", "ana")
    again = call("rules", "promote", "mass-delete", "--reason", "again", "--yes")
    assert "is active already" in again.stderr


def test_a_promotion_that_nobody_confirms_changes_nothing(call: Call, database: Database) -> None:
    call("rules", "stage", "mass-delete", "--reason", "too loud")
    stored(database, another(1, rule="mass-delete", status="staged"))
    outcome = call("rules", "promote", "mass-delete", "--reason", "why not")
    assert outcome.exit_code == 1
    assert "Most often: identity contoso (1)" in outcome.stderr
    assert _rule(call, "mass-delete")["stage"] == "staged"


def test_a_step_to_where_a_rule_stands_is_not_taken(call: Call, database: Database) -> None:
    call("rules", "stage", "mass-delete", "--reason", "loud")
    outcome = call("rules", "stage", "mass-delete", "--reason", "again")
    assert "is staged already" in outcome.stderr
    assert [step["reason"] for step in _rule(call, "mass-delete")["stages"]] == ["loud"]


def test_a_word_that_a_rule_is_active_is_taken_though_its_file_says_so(call: Call, database: Database) -> None:
    """From then on it tells of what it would keep as building blocks; nothing is asked where there is none."""
    assert "is active: it tells" in call("rules", "promote", "anomalous-source-ip", "--reason", "all").stderr
    assert [step["stage"] for step in _rule(call, "anomalous-source-ip")["stages"]] == ["active"]
