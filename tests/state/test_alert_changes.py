"""Changing an alert: of two that read the same revision, one is told."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from acrwatch.core.errors import ConflictError, NotFoundError
from storage.state import alerts
from storage.state.alerts import Alert
from storage.state.database import Database


@pytest.fixture
def stored(database: Database, now: datetime) -> Alert:
    alert = Alert(
        id="019b1f6a0001",
        rule="admin-user-login",
        rule_id="0b0a3a5e",
        rule_version="1",
        context_version=None,
        title="Admin account used",
        severity="high",
        tags=[],
        group_key="{}",
        entities=[],
        registries=["contoso"],
        status=alerts.NEW,
        close_reason=None,
        merged_into=None,
        historical=False,
        first_seen=now,
        last_seen=now,
        count=1,
        evidence=[],
        evidence_rows=[],
        facts={},
        reason="Used.",
        revision=1,
        created_at=now,
        updated_at=now,
        raised_at=now,
        closed_at=None,
        changed_after_close=False,
    )
    with database.begin() as connection:
        alerts.insert_alert(connection, alert)
    return alert


Read = Callable[[], Alert]


@pytest.fixture
def read(database: Database, stored: Alert) -> Read:
    def now_stored() -> Alert:
        with database.connect() as connection:
            return alerts.get(connection, stored.id)

    return now_stored


def _save(database: Database, alert: Alert) -> None:
    with database.begin() as connection:
        alerts.save(connection, alert)


def test_the_next_revision_replaces_the_one_before(database: Database, stored: Alert, read: Read) -> None:
    changed = replace(stored, status=alerts.ACTIVE, revision=2)
    _save(database, changed)
    assert read() == changed


def test_of_two_that_change_the_same_revision_the_second_is_refused_and_changes_nothing(
    database: Database, stored: Alert, read: Read
) -> None:
    by_person = replace(stored, status=alerts.ACTIVE, revision=2)
    _save(database, by_person)
    with pytest.raises(ConflictError, match="was changed by another before its revision 2"):
        _save(database, replace(stored, count=7, revision=2))
    assert read() == by_person


def test_a_change_that_adds_nothing_to_the_revision_is_refused(database: Database, stored: Alert, read: Read) -> None:
    with pytest.raises(ConflictError):
        _save(database, replace(stored, count=7))
    assert read() == stored


def test_an_alert_is_found_by_the_beginning_of_its_id(database: Database, stored: Alert) -> None:
    with database.begin() as connection:
        assert alerts.get(connection, "019b", hold=True) == stored
        with pytest.raises(NotFoundError, match="no alerts have an id that begins with '12'"):
            alerts.get(connection, "12")
