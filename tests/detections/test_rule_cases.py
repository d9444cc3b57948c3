"""Every detection passes its own cases; the whole corpus is in order."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from detections.behavioural import discover
from detections.case import case_mistakes, run_case, run_cases
from detections.case_spec import CaseMistakeError, read_case
from detections.detection import Detection
from detections.lint import lint_library
from detections.places import CASE_PLACES
from detections.rule import load_rules

ALL: dict[str, Detection] = {**load_rules(), **discover(CASE_PLACES)}
CASES = [(slug, case) for slug, detection in ALL.items() for case in detection.metadata.tests]
FIRES = {"name": "fires", "alerts": 1, "events": [{"operation": "Login", "identity": "contoso"}]}


@pytest.mark.parametrize(("slug", "given"), CASES, ids=[f"{slug}: {case['name']}" for slug, case in CASES])
def test_a_detection_passes_its_own_case(slug: str, given: Mapping[str, Any]) -> None:
    assert run_case(ALL[slug], read_case(given)).differences == ()


def test_the_shipped_corpus_is_in_order() -> None:
    assert lint_library() == []


def test_the_four_mission_rules_are_shipped() -> None:
    assert set(ALL) >= {"admin-user-login", "anomalous-source-ip", "mass-delete", "pull-outside-allowed-ranges"}


def test_no_two_detections_share_an_id() -> None:
    ids = [detection.metadata.id for detection in ALL.values()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("slug", ALL)
def test_a_detection_says_what_an_analyst_needs(slug: str) -> None:
    metadata = ALL[slug].metadata
    wrong = [tag for tag in metadata.tags if not re.fullmatch(r"attack\.(t\d{4}(\.\d{3})?|[a-z]+(_[a-z]+)*)", tag)]
    assert wrong == [], f"{slug}: not ATT&CK tags"
    techniques = [tag for tag in metadata.tags if re.fullmatch(r"attack\.t\d{4}.*", tag)]
    assert bool(techniques) != bool(metadata.no_technique), f"{slug}: a technique, or why there is none"
    assert len(metadata.runbook) >= 2, f"{slug}: triage takes more than one step"
    assert all((metadata.blind_spots, metadata.falsepositives, metadata.references)), slug
    assert metadata.level in {"informational", "low", "medium", "high", "critical"}
    assert case_mistakes(ALL[slug]) == []


def test_a_case_that_fails_says_what_differed() -> None:
    wrong = {**FIRES, "alerts": 2, "reason": "nobody", "unjudged": 1}
    count, reason, unjudged = run_case(ALL["admin-user-login"], read_case(wrong)).differences
    assert count.startswith("expected 2 alerts, found 1\n    The admin account contoso")
    assert reason.startswith("expected the reason to hold 'nobody', found 'The admin account contoso")
    assert unjudged == "expected 1 unjudged events, found 0"


def test_results_name_detection_and_case() -> None:
    result = run_cases(ALL["admin-user-login"])[0]
    assert (result.detection, result.case, result.passed) == (
        "admin-user-login", "a login and a pull as the registry's own name", True
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"alert": 1}, "case 'fires': unknown keys: alert; known are alerts,"),
        ({"events": [{"operation": "Login", "user": "x"}]}, "case 'fires': unknown keys: user"),
        ({"events": [{"identity": "x"}]}, "case 'fires': an event has no operation"),
        ({"events": []}, "case 'fires': there are no events"),
        ({"context": {"contoso": {"allowed": []}}}, "case 'fires': unknown keys: allowed"),
        ({"context": {"contoso": {"allowed_ranges": ["10.0.0.0/99"]}}}, "10.0.0.0/99"),
        ({"events": [{"operation": "Login", "at": "soon"}]}, "case 'fires': expected a time span"),
        ({"events": [{"operation": "Login", "repeat": 10**12}]}, "case 'fires': there are over 100,000 events"),
        ({"events": [{"operation": "Login", "repeat": 9999, "every": "36500d"}]}, "more than 36500d after the case's"),
        ({"events": [{"operation": "Login", "repeat": 2, "every": "1d", "at": "36500d"}]}, "more than 36500d after"),
        ({"alerts": "one"}, "alerts is 'one', expected a whole number"),
        ({"name": ""}, "a case has no name"),
    ],
)
def test_a_misspelt_case_is_a_mistake_and_no_silent_pass(change: Mapping[str, Any], words: str) -> None:
    with pytest.raises(CaseMistakeError, match=re.escape(words)):
        read_case({**FIRES, **change})
