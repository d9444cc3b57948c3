"""With a lock beside the rules, no rule is changed, added or removed unnoticed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from detections.lint import lint
from detections.lock import lock, violations, vouched
from detections.rule import SHIPPED, read_rules, rule_files
from detections.rulebook import Rulebook
from tests.rules_work.conftest import write


@pytest.fixture
def locked(folder: Path) -> Path:
    """Return a folder with two rules and its lock."""
    write(folder, "deployer-pulls", "deployer")
    lock(folder, rule_files(folder))
    return folder


def _change(folder: Path) -> None:
    write(folder, "ci-pulls", "another")


def _add(folder: Path) -> None:
    write(folder, "added", "another")


def _remove(folder: Path) -> None:
    (folder / "ci-pulls.yml").unlink()


def _spoil(folder: Path) -> None:
    file = folder / "rules.lock"
    file.write_text(file.read_text() + "ci-pulls.yml\n")


def test_a_lock_vouches_for_what_it_holds_and_for_nothing_else(locked: Path) -> None:
    _change(locked)
    _add(locked)
    assert vouched(locked, rule_files(locked)) == {locked / "deployer-pulls.yml"}
    (locked / "rules.lock").unlink()
    assert vouched(locked, rule_files(locked)) == frozenset()


def test_rules_that_are_as_locked_are_in_use(locked: Path) -> None:
    rules = read_rules([locked])
    assert (set(rules.detections), rules.mistakes) == ({"ci-pulls", "deployer-pulls"}, ())


@pytest.mark.parametrize(
    ("tamper", "place", "words"),
    [
        (_change, "ci-pulls.yml:1", "the file is not as rules.lock has it; if that is meant, renew it with `acrwatch"),
        (_add, "added.yml:1", "the file is not in rules.lock"),
        (_remove, "rules.lock:2", "ci-pulls.yml is gone"),
        (_spoil, "rules.lock:4", "expected a file's name and its SHA-256"),
    ],
)
def test_what_differs_from_the_lock_is_refused_and_named_and_the_others_are_in_use(
    locked: Path, tamper: Callable[[Path], None], place: str, words: str
) -> None:
    tamper(locked)
    rules = read_rules([locked])
    (mistake,) = rules.mistakes
    assert str(mistake).startswith(f"{locked}/{place}: {words}")
    assert set(rules.detections) - {"ci-pulls"} == {"deployer-pulls"}
    assert any(one.message == mistake.message for one in lint([locked]))


def test_a_lock_that_is_renewed_lets_the_change_in(locked: Path) -> None:
    _change(locked)
    lock(locked, rule_files(locked))
    assert read_rules([locked]).mistakes == ()


def test_line_ends_do_not_count(locked: Path) -> None:
    file = locked / "ci-pulls.yml"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert read_rules([locked]).mistakes == ()


def test_a_running_process_keeps_the_rules_that_a_change_without_a_lock_would_replace(
    locked: Path, none_shipped: None
) -> None:
    book = Rulebook([locked])
    version = book["ci-pulls"].metadata.version
    _change(locked)
    assert book._read_again()
    assert book.refused
    lock(locked, rule_files(locked))
    assert book._read_again()
    assert book["ci-pulls"].metadata.version != version


def test_the_shipped_rules_are_as_their_lock_has_them() -> None:
    assert list(violations(SHIPPED, rule_files(SHIPPED))) == []
