"""Whatever one file makes somebody raise is that file's mistake: no other rule, and no pass, waits for it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sigma.filters import SigmaFilter

from detections import rule
from detections.lock import lock
from detections.notices import Publishing
from detections.place import Document
from detections.rule import read_rules, rule_files
from detections.rulebook import Rulebook
from storage.state.database import Database
from tests.rules_work.conftest import BROKEN, NOW, RULE, write


def only_for(stem: str, instead: Any, error: Exception) -> Callable[..., Any]:
    """Return a function that raises an error where it is given what belongs to a file, and else does as another."""

    def raising(*given: Any, **named: Any) -> Any:
        if any(stem in str(one) for one in given):
            raise error
        return instead(*given, **named)

    return raising


@pytest.mark.parametrize("error", [OverflowError("too large"), RuntimeError("std::bad_cast"), MemoryError("no room")])
@pytest.mark.parametrize("where", ["metadata", "Document", "predicate"])
def test_an_error_that_nobody_foresaw_costs_its_file_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, where: str, error: Exception
) -> None:
    file = write(folder, "unforeseen", "unforeseen")
    monkeypatch.setattr(rule, where, only_for("unforeseen", getattr(rule, where), error))
    rules = read_rules([folder])
    assert set(rules.detections) == {"ci-pulls"}
    assert [str(one) for one in rules.mistakes] == [f"{file}:1: not a rule: {type(error).__name__}: {error}"]


def test_a_search_for_the_line_that_fails_costs_its_file_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(folder, "broken", "ci", BROKEN)
    monkeypatch.setattr(Document, "blame", only_for("", None, RuntimeError("a defect of the search")))
    rules = read_rules([folder])
    assert set(rules.detections) == {"ci-pulls"}
    assert [str(one) for one in rules.mistakes] == [f"{file}:1: unknown field 'colour'"]


FILTER = """\
title: A filter over all rules
logsource: {{product: azure, service: containerregistry}}
filter:
  rules: any
  selection: {{{selection}}}
  condition: {condition}
"""


@pytest.mark.parametrize(
    ("selection", "condition", "words"),
    [
        ("identity: x", "not (selection", "3: "),
        ("identity: x", "not another", "3: "),
        ("colour: x", "not selection", "5: unknown field 'colour'"),
        ("identity|re: '('", "not selection", "5: Regular expression '(' is invalid"),
    ],
)
def test_a_wrong_filter_over_all_rules_costs_none_of_them(
    folder: Path, selection: str, condition: str, words: str
) -> None:
    before = read_rules([folder]).detections["ci-pulls"]
    file = folder / "filter.yml"
    file.write_text(FILTER.format(selection=selection, condition=condition))
    rules = read_rules([folder])
    assert rules.detections == {"ci-pulls": before}
    (mistake,) = rules.mistakes
    assert str(mistake).startswith(f"{file}:{words}")


def test_a_filter_that_fails_on_a_rule_leaves_it_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_rules([folder]).detections["ci-pulls"]
    (folder / "filter.yml").write_text(FILTER.format(selection="identity: x", condition="not selection"))

    def half_applied(_filter: Any, narrowed: Any) -> None:
        narrowed.detection.condition[0] = "nothing of it"
        raise IndexError("a defect")

    monkeypatch.setattr(SigmaFilter, "apply_on_rule", half_applied)
    rules = read_rules([folder])
    assert rules.detections == {"ci-pulls": before}
    assert [one.message for one in rules.mistakes] == ["not a rule: IndexError: a defect"]


HOSTILE = {
    "holds itself": RULE.format(identity="ci").replace("selection:\n", "selection:\n  - &s [*s]\n  other:\n", 1),
    "an endless group": RULE.format(identity="ci") + "x_group_for: 99999999999d\n",
    "half a character": RULE.format(identity='"a\\ud800b"'),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_running_process_goes_on_beside_a_hostile_file(
    folder: Path, none_shipped: None, database: Database, hostile: str
) -> None:
    book = Rulebook([folder])
    file = folder / "hostile.yml"
    file.write_text(HOSTILE[hostile])
    assert book.refresh(database, Publishing(), now=NOW)
    assert (book.refused, [one.file for one in book.latest.mistakes]) == (True, [file])
    assert "ci-pulls" in book


def test_what_is_no_file_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.yml")
    (folder / "folder.yml").mkdir()
    rules = read_rules([folder])
    assert set(rules.detections) == {"ci-pulls"}
    assert [(one.file.name, one.message) for one in rules.mistakes] == [
        ("folder.yml", "this is no file"),
        ("pipe.yml", "this is no file"),
    ]


@pytest.mark.parametrize("made", ["a link that leads nowhere", "a pipe"])
def test_what_cannot_be_read_costs_no_other_file_of_a_locked_folder(folder: Path, made: str) -> None:
    file = write(folder, "another", "another")
    lock(folder, rule_files(folder))
    file.unlink()
    if made == "a pipe":
        os.mkfifo(file)
    else:
        file.symlink_to(folder / "nowhere.yml")
    rules = read_rules([folder])
    assert set(rules.detections) == {"ci-pulls"}
    assert [one.file for one in rules.mistakes] == [file]


def test_a_file_of_a_lock_that_fails_to_be_read_costs_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(folder, "another", "another")
    lock(folder, rule_files(folder))
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path if path != file else Path("/nowhere")))
    rules = read_rules([folder])
    assert set(rules.detections) == {"ci-pulls"}
    assert [str(one) for one in rules.mistakes] == [f"{file}:1: cannot be read: No such file or directory"]


def test_a_link_that_leads_nowhere_hides_no_change_beside_it(
    folder: Path, none_shipped: None, database: Database
) -> None:
    (folder / "a.yml").symlink_to(folder / "nowhere.yml")
    book = Rulebook([folder])
    write(folder, "added", "another")
    assert book.refresh(database, Publishing(), now=NOW)
    assert "added" in book
