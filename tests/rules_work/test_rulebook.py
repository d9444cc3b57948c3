"""Which rules a running process uses while people edit them, and what it says of those that are broken."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from detections import failure
from detections.library import read_library
from detections.notices import Publishing
from detections.rule import read_rules
from detections.rulebook import Rulebook
from storage.state import alerts, incidents, runs
from storage.state.database import Database
from tests.rules_work.conftest import BROKEN, NOW, RULE, write

Refresh = Callable[..., bool]


@pytest.fixture
def book(folder: Path, none_shipped: None) -> Rulebook:
    return Rulebook([folder])


@pytest.fixture
def refresh(book: Rulebook, database: Database) -> Refresh:
    return lambda book=book: book.refresh(database, Publishing(), now=NOW)


def standing(database: Database) -> dict[str, str]:
    with database.connect() as connection:
        return {incident.key: incident.message for incident in incidents.current(connection)}


def test_rules_of_a_folder_stand_beside_ours(folder: Path) -> None:
    assert read_library([folder]).detections.keys() - read_library().detections.keys() == {"ci-pulls"}


@pytest.mark.parametrize("slug", ["mass-delete", "anomalous-source-ip"])
def test_a_name_of_ours_is_taken(folder: Path, slug: str) -> None:
    file = write(folder, slug, "ci")
    library = read_library([folder])
    assert [(one.file, one.message) for one in library.mistakes] == [
        (file, f"slug {slug!r} is taken by another detection: rename the file")
    ]
    assert library.detections[slug].metadata.title != "A pull by ci"


def test_a_correlation_over_a_rule_of_ours_does_not_silence_it(folder: Path) -> None:
    (folder / "often.yml").write_text(
        "title: Often\ncorrelation:\n  type: event_count\n  rules: [e8f0a5a3-2c1b-4d0e-9d4f-6a7b8c9d0e1f]\n"
        "  group-by: [actor]\n  timespan: 10m\n  condition: {gte: 3}\n"
    )
    shipped = folder.parent / "ours"
    shipped.mkdir()
    file = write(shipped, "alone", "ci")
    file.write_text(file.read_text() + "id: e8f0a5a3-2c1b-4d0e-9d4f-6a7b8c9d0e1f\n")
    assert set(read_rules([shipped, folder]).detections) == {"alone", "ci-pulls", "often"}


def test_a_broken_file_costs_no_other_and_stands_as_an_incident_and_a_failed_run(
    folder: Path, none_shipped: None, database: Database, refresh: Refresh
) -> None:
    file = write(folder, "broken", "ci", BROKEN)
    book = Rulebook([folder])
    refresh(book)
    assert "ci-pulls" in book
    assert "broken" not in book
    words = f"{file}:6: unknown field 'colour'"
    assert standing(database)[f"broken_rule/{file}"].startswith(words)
    with database.connect() as connection:
        run = runs.latest(connection)["broken"]
    assert (run.outcome, (run.error or "")[: len(words)]) == (runs.FAILED, words)


def test_a_mended_file_is_taken_up_and_its_incident_ends(folder: Path, database: Database, refresh: Refresh) -> None:
    write(folder, "broken", "ci", BROKEN)
    book = Rulebook([folder])
    refresh(book)
    write(folder, "broken", "ci")
    assert refresh(book)
    assert "broken" in book
    assert standing(database) == {}


def test_nothing_is_read_again_while_nothing_changed(book: Rulebook, refresh: Refresh) -> None:
    before = book.latest
    assert not refresh()
    assert book.latest is before


def test_a_rule_is_added_changed_and_taken_away_while_running(book: Rulebook, folder: Path, refresh: Refresh) -> None:
    version = book["ci-pulls"].metadata.version
    write(folder, "added", "deployer")
    write(folder, "ci-pulls", "another")
    assert refresh()
    assert "added" in book
    assert book["ci-pulls"].metadata.version != version
    (folder / "ci-pulls.yml").unlink()
    assert refresh()
    assert "ci-pulls" not in book


def test_a_change_with_a_mistake_is_refused_as_a_whole_until_it_is_mended(
    book: Rulebook, folder: Path, database: Database, refresh: Refresh
) -> None:
    version = book["ci-pulls"].metadata.version
    write(folder, "added", "deployer")
    file = write(folder, "ci-pulls", "ci", BROKEN)
    refresh()
    assert book.refused
    assert "added" not in book
    assert book["ci-pulls"].metadata.version == version
    (message,) = standing(database).values()
    assert message.startswith(f"{file}:6: unknown field 'colour'")
    assert message.endswith("the rules in use stay as they were before the change")
    write(folder, "ci-pulls", "ci")
    refresh()
    assert "added" in book
    assert standing(database) == {}


def test_what_was_broken_before_does_not_hold_up_other_changes(folder: Path, refresh: Refresh) -> None:
    write(folder, "broken", "ci", BROKEN)
    book = Rulebook([folder])
    write(folder, "added", "deployer")
    refresh(book)
    assert "added" in book


def test_a_folder_that_goes_away_takes_no_rule_with_it(book: Rulebook, folder: Path, refresh: Refresh) -> None:
    folder.rename(folder.with_name("moved"))
    refresh()
    assert "ci-pulls" in book


def test_what_stood_about_a_failing_rule_ends_when_the_rule_is_taken_away(
    book: Rulebook, folder: Path, database: Database, refresh: Refresh
) -> None:
    with database.begin() as connection:
        failure.raised(connection, book["ci-pulls"], "ValueError: a defect", Publishing(), now=NOW - timedelta(hours=1))
        failure.raised(connection, book["role-drift"], "ValueError: a defect", Publishing(), now=NOW)
    (folder / "ci-pulls.yml").unlink()
    refresh()
    assert set(standing(database)) == {"failed_detection/role-drift"}
    with database.connect() as connection:
        states = {alert.entities[0]["value"]: alert.close_reason for alert in alerts.find(connection)}
    assert states == {"ci-pulls": alerts.RECOVERED, "role-drift": None}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("deep", "a: " + "[" * 600, "not a rule"),
        ("large", "#" * 1_000_001, "the file has over 1,000,000 bytes"),
        ("binary", "\0\1", "unacceptable character"),
        ("x" * 101, RULE.format(identity="ci"), "the file's name has over 100 characters"),
    ],
)
def test_a_hostile_file_is_a_mistake_like_any_other(folder: Path, name: str, text: str, words: str) -> None:
    (folder / f"{name}.yml").write_text(text)
    library = read_rules([folder])
    assert set(library.detections) == {"ci-pulls"}
    assert words in str(library.mistakes[0])


def test_both_endings_are_read_and_an_editors_hidden_files_are_not(folder: Path) -> None:
    (folder / "ci-pulls.yml").rename(folder / "ci-pulls.yaml")
    (folder / ".#ci-pulls.yml").write_text("half an ed")
    rules = read_rules([folder])
    assert (set(rules.detections), rules.mistakes) == ({"ci-pulls"}, ())
