"""What profiles drop behind retention."""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest

from storage.state.database import Database
from storage.state.forgetting import forget_network_days
from storage.state.profiles import NetworkDay, save_network_days
from storage.state.visits import visits_since
from tests.sqlite import database_in


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty state database."""
    opened = database_in(tmp_path / "state.db")
    yield opened
    opened.close()


def test_only_identities_that_are_gone_and_never_matched_are_forgotten(database: Database, noon: datetime) -> None:
    def day(identity: str, when: str, judgement: dict[str, int] | None = None) -> NetworkDay:
        return NetworkDay(identity, "192.0.2.0/24", when, noon, noon, 1, False, {}, judgement)

    days = [
        day("gone", "2026-01-01"),
        day("back", "2026-01-01"),
        day("back", "2026-02-01"),
        day("told", "2026-01-01", {"days_known": 20}),
    ]
    with database.begin() as connection:
        save_network_days(connection, days)
        assert forget_network_days(connection, before=date(2026, 2, 1)) == 1
        assert {found.identity_key for found in visits_since(connection, ["gone", "back", "told"], date.min)} == {
            "back",
            "told",
        }
