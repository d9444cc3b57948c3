"""Claims of partitions: what the load balancer may rely on, clause by clause."""

import multiprocessing
from collections.abc import Sequence
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from sqlalchemy import text

from acrwatch.core.errors import AcrWatchError
from storage.state import ownership
from storage.state.database import Database
from storage.state.dialect import database_time
from storage.state.ownership import Claim, Group, Ownership

GROUP = Group("ns.example.com", "acr-audit", "$Default")


def claim(database: Database, owner: str, *wanted: Claim, group: Group = GROUP) -> list[Ownership]:
    with database.begin() as connection:
        return ownership.claim(connection, group, owner, wanted)


def listed(database: Database, group: Group = GROUP) -> list[Ownership]:
    with database.connect() as connection:
        return ownership.listed(connection, group)


def owners(rows: Sequence[Ownership]) -> dict[str, str]:
    return {one.partition_id: one.owner_id for one in rows}


def test_what_nobody_has_claimed_is_won_by_the_first(database: Database) -> None:
    assert owners(claim(database, "a", Claim("0"), Claim("1"))) == {"0": "a", "1": "a"}
    assert owners(listed(database)) == {"0": "a", "1": "a"}


def test_a_lost_race_for_a_new_partition_is_left_out(database: Database) -> None:
    claim(database, "a", Claim("0"))
    assert owners(claim(database, "b", Claim("0"), Claim("1"))) == {"1": "b"}
    assert owners(listed(database)) == {"0": "a", "1": "b"}


def test_a_claim_with_the_listed_etag_wins_and_changes_it(database: Database) -> None:
    (first,) = claim(database, "a", Claim("0"))
    (stolen,) = claim(database, "b", Claim("0", first.etag))
    assert stolen.etag != first.etag
    assert owners(listed(database)) == {"0": "b"}


def test_a_claim_with_an_old_etag_is_left_out(database: Database) -> None:
    (first,) = claim(database, "a", Claim("0"))
    claim(database, "b", Claim("0", first.etag))
    assert claim(database, "c", Claim("0", first.etag)) == []
    assert owners(listed(database)) == {"0": "b"}


def test_an_etag_never_comes_again(database: Database) -> None:
    seen = set()
    etag = None
    for owner in ("a", "", "a", "b"):
        (won,) = claim(database, owner, Claim("0", etag))
        etag = won.etag
        seen.add(etag)
    assert len(seen) == 4


def test_a_renewal_moves_time_and_etag(database: Database) -> None:
    held = claim(database, "a", Claim("0"))
    with database.begin() as connection:
        (renewed,) = ownership.renew(connection, GROUP, held)
    assert renewed.owner_id == "a"
    assert renewed.etag != held[0].etag
    assert renewed.last_modified_time >= held[0].last_modified_time


def test_a_renewal_leaves_out_what_was_stolen(database: Database) -> None:
    held = claim(database, "a", Claim("0"), Claim("1"))
    claim(database, "b", Claim("0", held[0].etag))
    with database.begin() as connection:
        assert owners(ownership.renew(connection, GROUP, held)) == {"1": "a"}


def test_what_is_released_is_listed_without_an_owner(database: Database) -> None:
    held = claim(database, "a", Claim("0"))
    with database.begin() as connection:
        ownership.release(connection, GROUP, held)
    assert owners(listed(database)) == {"0": ""}


def test_releasing_leaves_alone_what_was_stolen(database: Database) -> None:
    held = claim(database, "a", Claim("0"))
    claim(database, "b", Claim("0", held[0].etag))
    with database.begin() as connection:
        assert ownership.release(connection, GROUP, held) == []
    assert owners(listed(database)) == {"0": "b"}


def test_what_nobody_has_renewed_for_long_is_still_listed_with_its_age(database: Database) -> None:
    claim(database, "a", Claim("0"))
    with database.begin() as connection:
        connection.execute(text("UPDATE partition_owners SET modified_at = '2020-01-01 00:00:00+00:00'"))
    (old,) = listed(database)
    assert old.owner_id == "a"
    assert old.age > 86_400


def test_times_are_posix_seconds_of_the_databases_clock(database: Database) -> None:
    with database.connect() as connection:
        before = database_time(connection).timestamp()
    (won,) = claim(database, "a", Claim("0"))
    (row,) = listed(database)
    assert before <= won.last_modified_time <= before + 60
    assert row.last_modified_time == pytest.approx(won.last_modified_time, abs=0.001)
    assert 0 <= row.age < 60


def test_consumer_groups_hubs_and_namespaces_are_apart(database: Database) -> None:
    claim(database, "a", Claim("0"))
    for other in (
        Group("other.example.com", "acr-audit", "$Default"),
        Group("ns.example.com", "other", "$Default"),
        Group("ns.example.com", "acr-audit", "other"),
    ):
        assert owners(claim(database, "b", Claim("0"), group=other)) == {"0": "b"}
    assert owners(listed(database)) == {"0": "a"}


def test_an_outage_is_raised_and_never_an_empty_answer(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'gone' / 'state.db'}")
    with pytest.raises(AcrWatchError):
        listed(database)
    with pytest.raises(AcrWatchError):
        claim(database, "a", Claim("0"))
    database.close()


def test_where_reading_began_is_what_the_first_owner_says(database: Database) -> None:
    claim(database, "a", Claim("0"))
    with database.begin() as connection:
        assert ownership.begun_after(connection, GROUP, "0", 5) == 5
        assert ownership.begun_after(connection, GROUP, "0", 9) == 5


def test_where_reading_began_is_said_of_one_hub_and_group(database: Database) -> None:
    others = [Group(GROUP.namespace, "other", GROUP.consumer_group), Group(GROUP.namespace, GROUP.eventhub, "other")]
    for group in (GROUP, *others):
        claim(database, "a", Claim("0"), group=group)
    with database.begin() as connection:
        for number, group in enumerate((GROUP, *others)):
            assert ownership.begun_after(connection, group, "0", number) == number
        assert ownership.begun_after(connection, GROUP, "0", 9) == 0


def test_where_reading_began_is_here_where_nobody_has_claimed(database: Database) -> None:
    with database.begin() as connection:
        assert ownership.begun_after(connection, GROUP, "0", 5) == 5


def _race(url: str, owner: str, gate: Barrier, won: "Queue[list[str]]") -> None:
    database = Database(url)
    gate.wait(timeout=60)
    mine = []
    for number in range(40):
        mine += [one.partition_id for one in claim(database, owner, Claim(str(number)))]
    with database.begin() as connection:
        etags = {one.partition_id: one.etag for one in ownership.listed(connection, GROUP)}
    gate.wait(timeout=60)
    for id_, etag in etags.items():
        mine += [f"stolen {one.partition_id}" for one in claim(database, owner, Claim(id_, etag))]
    database.close()
    won.put(mine)


def test_of_two_processes_that_claim_the_same_one_wins(database: Database, database_url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    gate, won = spawn.Barrier(2), spawn.Queue()
    processes = [spawn.Process(target=_race, args=(database_url, name, gate, won)) for name in "ab"]
    for process in processes:
        process.start()
    found = sorted(won.get(timeout=90) + won.get(timeout=90))
    for process in processes:
        process.join(timeout=30)
    assert found == sorted([str(n) for n in range(40)] + [f"stolen {n}" for n in range(40)])
