"""Watch lists: what may stand on one, how long it holds, and what history knows of it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from acrwatch.core.errors import ConfigError
from detections.case import START, event_row
from detections.case_spec import CaseEvent
from detections.context import Context
from detections.watch_list import History, canonical, history
from storage.lake import Lake
from storage.query import Reader
from storage.schema import ARROW_SCHEMA
from storage.state import watch_entries
from storage.state.database import Database
from storage.state.watch_entries import Entry

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
DIGEST = "sha256:" + 64 * "a"
Search = Callable[[str, str], History]

EVENTS: tuple[Mapping[str, Any], ...] = (
    {"operation": "Login", "identity": "Mallory", "caller_ip": "192.0.2.1", "status": 401},
    {"operation": "Pull", "identity": "mallory", "caller_ip": "192.0.2.1", "repository": "app", "digest": DIGEST},
    {"operation": "Pull", "identity": "ci", "caller_ip": "192.0.2.9", "repository": "web", "tag": DIGEST},
    {"operation": "Push", "identity": "ci", "caller_ip": "198.51.100.1", "repository": "web", "registry": "fabrikam"},
    {"operation": "Pull", "identity": "v6", "caller_ip": "2001:db8::7", "repository": "app"},
)


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    """Return a search of a lake with EVENTS, a minute apart."""
    lake = Lake.open(tmp_path_factory.mktemp("watched") / "lake")
    rows = []
    for number, event in enumerate(EVENTS):
        texts = {"registry": "contoso", **{name: value for name, value in event.items() if name != "status"}}
        made = CaseEvent(timedelta(minutes=number), event.get("status", 200), texts)
        rows.append(event_row(made, number, Context()))
    lake.commit(pa.Table.from_pylist(rows, ARROW_SCHEMA), {"cases": len(rows)})

    def found(type_: str, value: str) -> History:
        with Reader(lake.snapshot()) as reader:
            return history(reader, type_, canonical(type_, value))

    return found


@pytest.mark.parametrize(
    ("type_", "value", "events"),
    [
        ("ip", "192.0.2.1", 2),
        ("ip", "192.0.2.0/24", 3),
        ("ip", "::ffff:198.51.100.1", 1),
        ("ip", "2001:db8::/32", 1),
        ("ip", "203.0.113.0/24", 0),
        ("identity", "Mallory", 2),
        ("identity", "mallory", 2),
        ("identity", "nobody", 0),
        ("digest", DIGEST.upper().replace("SHA", "sha"), 2),
    ],
)
def test_history_is_searched_for_each_type(search: Search, type_: str, value: str, events: int) -> None:
    assert search(type_, value).events == events


def test_history_tells_who_from_where_and_which_repositories(search: Search) -> None:
    found = search("ip", "192.0.2.0/24")
    assert (found.first_seen, found.last_seen) == (START, START + timedelta(minutes=2))
    assert [(one.what["identity"], one.what["operation"], one.failed) for one in found.actors] == [
        ("ci", "pull", 0),
        ("mallory", "pull", 0),
        ("Mallory", "login", 1),
    ]
    assert [one.what["repository"] for one in found.repositories] == ["web", "app"]


@pytest.mark.parametrize(
    ("type_", "value", "kept"),
    [
        ("ip", " 192.0.2.9 ", "192.0.2.9/32"),
        ("ip", "192.0.2.9:443", "192.0.2.9/32"),
        ("ip", "192.0.2.9/24", "192.0.2.0/24"),
        ("ip", "::ffff:192.0.2.9", "192.0.2.9/32"),
        ("ip", "2001:DB8::/32", "2001:db8::/32"),
        ("digest", DIGEST.upper(), DIGEST),
        ("identity", " Mallory@example.com ", "Mallory@example.com"),
    ],
)
def test_a_value_has_one_spelling(type_: str, value: str, kept: str) -> None:
    assert canonical(type_, value) == kept


@pytest.mark.parametrize(
    ("type_", "value", "words"),
    [
        ("ip", "example.com", "'example.com' is no address and no range"),
        ("ip", "0.0.0.0/0", "0.0.0.0/0 is too wide"),
        ("ip", "::/8", "::/8 is too wide"),
        ("digest", "sha256:abc", "'sha256:abc' is no digest"),
        ("identity", " ", "cannot be watched"),
        ("identity", "ci-*", "Patterns go into watched_identities"),
    ],
)
def test_what_is_no_such_value_is_refused(type_: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        canonical(type_, value)
    assert words in str(caught.value)


@pytest.fixture
def add(database: Database) -> Callable[..., Entry]:
    def put(value: str, reason: str = "case 7", expires_at: datetime | None = None, now: datetime = NOW) -> Entry:
        with database.begin() as connection:
            return watch_entries.add(
                connection, "identity", value, owner="alice", reason=reason, expires_at=expires_at, now=now
            )

    return put


def watched(database: Database, now: datetime = NOW) -> list[str]:
    with database.connect() as connection:
        return [one.value for one in watch_entries.in_force(connection, now=now)]


def test_an_entry_holds_until_it_expires(database: Database, add: Callable[..., Entry]) -> None:
    entry = add("mallory", expires_at=NOW + timedelta(hours=1))
    assert entry.holds(NOW)
    assert watched(database, NOW + timedelta(minutes=59)) == ["mallory"]
    assert watched(database, NOW + timedelta(hours=1)) == []
    assert not entry.holds(NOW + timedelta(hours=1))


def test_a_removed_entry_is_kept_with_who_removed_it(database: Database, add: Callable[..., Entry]) -> None:
    add("mallory")
    with database.begin() as connection:
        assert watch_entries.remove(connection, "identity", "mallory", by="bob", now=NOW)
        assert not watch_entries.remove(connection, "identity", "mallory", by="bob", now=NOW)
    assert watched(database) == []
    with database.connect() as connection:
        (entry,) = watch_entries.everything(connection)
    assert (entry.removed_by, entry.removed_at) == ("bob", NOW)


def test_a_value_that_is_watched_again_has_one_entry_in_force(database: Database, add: Callable[..., Entry]) -> None:
    add("mallory", reason="first")
    add("mallory", reason="second")
    with database.connect() as connection:
        (entry,) = watch_entries.in_force(connection, now=NOW)
    assert entry.reason == "second"


def test_history_of_an_empty_lake_is_empty(tmp_path: Path) -> None:
    with Reader(Lake.open(tmp_path / "lake").snapshot()) as reader:
        found = history(reader, "ip", "192.0.2.0/24")
        assert (found.events, found.first_seen, list(found.actors)) == (0, None, [])
        assert history(reader, "identity", "mallory").events == 0
