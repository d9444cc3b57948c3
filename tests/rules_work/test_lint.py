"""What a rule's author is told about a rule file, with the line it stands on."""

from pathlib import Path

import pytest

from detections import attack
from detections.lint import ERROR, WARNING, lint

GOOD = """\
title: A pull by ci
id: e8f0a5a3-2c1b-4d0e-9d4f-6a7b8c9d0e1f
description: Somebody pulled as ci.
tags: [attack.collection, attack.t1530, attack.g0016]
logsource: {product: azure, service: containerregistry}
detection:
  selection:
    operation: pull
    identity: ci
  filter:
    tag: latest
  condition: selection and not filter
falsepositives: [None known]
x_runbook: [Ask whoever runs ci]
x_blind_spots: [Another name]
x_tests:
  - name: a pull
    alerts: 1
    events: [{operation: Pull, identity: ci}]
  - name: another
    alerts: 0
    events: [{operation: Pull, identity: deployer}]
"""


def _findings(folder: Path, text: str) -> list[tuple[str, int | None, str]]:
    file = folder / "rule.yml"
    file.write_text(text)
    return [(one.severity, one.line, one.message) for one in lint([file])]


def test_a_rule_that_has_everything_has_no_findings(tmp_path: Path) -> None:
    assert _findings(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "severity", "line", "words"),
    [
        ("    tag: latest", "    tga: latest", ERROR, 11, "unknown field 'tga': did you mean 'tag'?"),
        ("operation: pull", "operation: pul", ERROR, 8, "operation is never 'pul': did you mean 'pull'?"),
        ("tag: latest", "identity: ci", ERROR, 12, "no event can meet 'selection and not filter': identity would"),
        ("    tag: latest", "    tag|expand: '%protect_tags%'", WARNING, 11, "did you mean %protected_tags%?"),
        ("selection and not filter", "filter or not filter", WARNING, 12, "every event meets 'filter or not filter'"),
        (" and not filter", "", ERROR, 10, "selection 'filter' is used by no condition"),
        ("alerts: 1", "alert: 1", ERROR, 16, "case 'a pull': unknown keys: alert"),
        ("alerts: 1", "alerts: 0", WARNING, 16, "no case fires"),
        ("alerts: 0", "alerts: 1", WARNING, 16, "no case stays silent"),
        ("attack.t1530", "attack.t1830", WARNING, 4, "T1830 is no technique of ATT&CK 17.0"),
        ("attack.t1530", "attack.t1530.999", WARNING, 4, "T1530.999 is no technique of ATT&CK 17.0"),
        ("attack.collection, ", "attack.colection, ", WARNING, 4, "did you mean attack.collection?"),
        ("attack.g0016", "attack.t153", ERROR, 4, "attack.t153 is neither a tactic nor a technique"),
        ("attack.t1530, ", "", WARNING, 4, "no tags with an ATT&CK technique"),
        ("x_runbook: [Ask whoever runs ci]\n", "", WARNING, 1, "no x_runbook"),
    ],
)
def test_what_is_wrong_is_told_with_severity_and_line(
    tmp_path: Path, old: str, new: str, severity: str, line: int, words: str
) -> None:
    assert old in GOOD
    found = _findings(tmp_path, GOOD.replace(old, new))
    assert [one[:2] for one in found if one[2].startswith(words) or words in one[2]] == [(severity, line)]


def test_a_rule_on_the_activity_log_has_values_of_its_own(tmp_path: Path) -> None:
    text = GOOD.replace("containerregistry", "activitylogs").replace("operation: pull", "category: Administrative")
    found = _findings(tmp_path, text.replace("tag: latest", "result_type: Failure"))
    assert [one for one in found if one[0] == ERROR and "case" not in one[2]] == []


@pytest.mark.parametrize("condition", ["1 of *", "all of them", "selection and not 1 of filt*"])
def test_a_selection_is_used_by_a_pattern_too(tmp_path: Path, condition: str) -> None:
    assert _findings(tmp_path, GOOD.replace("selection and not filter", condition)) == []


def test_a_rule_may_refer_to_the_rules_beside_it_whose_names_are_taken(tmp_path: Path) -> None:
    beside, own = tmp_path / "beside", tmp_path / "own"
    beside.mkdir()
    own.mkdir()
    (beside / "taken.yml").write_text(GOOD)
    (own / "often.yml").write_text(
        "title: Often\ncorrelation: {type: event_count, rules: [e8f0a5a3-2c1b-4d0e-9d4f-6a7b8c9d0e1f],"
        " group-by: [actor], timespan: 10m, condition: {gte: 3}}\n"
    )
    (own / "taken.yml").write_text(GOOD.replace("e8f0a5a3", "e8f0a5a4"))
    errors = [one for one in lint([own], beside=[beside]) if one.severity == ERROR]
    assert [(one.rule, one.message[:22]) for one in errors] == [("taken", "slug 'taken' is taken ")]


def test_the_same_file_is_not_beside_itself(tmp_path: Path) -> None:
    (tmp_path / "rule.yml").write_text(GOOD)
    assert lint([tmp_path / "rule.yml"], beside=[tmp_path]) == []


def test_techniques_of_the_table_and_their_replacements_are_known() -> None:
    assert attack.techniques()["T1525"] == "Implant Internal Image"
    assert (
        list(attack.wrong_tags(["attack.t1562.008", "attack.t1685.002", "attack.defense_evasion", "cve.2026.1"])) == []
    )
