"""Who takes what in a round of balancing, and how rounds end."""

import os
import random
import subprocess
import sys

import pytest

from ingest.eventhub import owner
from ingest.eventhub.shares import plan
from storage.state.ownership import Ownership

EXPIRY = 20.0


def ids(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def row(partition: int, by: str, age: float = 0.0) -> Ownership:
    return Ownership(str(partition), by, 1, 0.0, age)


def wants(count: int, me: str, *rows: Ownership, gone: tuple[str, ...] = ()) -> list[str]:
    claims = plan(ids(count), rows, me, EXPIRY, lambda name: name in gone, random.Random(1))
    return sorted(one.partition_id for one in claims)


def test_one_process_takes_all_at_once() -> None:
    assert wants(4, "a") == ids(4)


def test_what_is_held_is_renewed() -> None:
    assert wants(2, "a", row(0, "a"), row(1, "b")) == ["0"]


def test_what_is_held_is_renewed_even_when_overdue() -> None:
    assert "0" in wants(2, "a", row(0, "a", age=EXPIRY * 2), row(1, "b"))


def test_one_is_stolen_from_an_owner_of_all() -> None:
    assert len(wants(4, "b", *(row(n, "a") for n in range(4)))) == 1


def test_nothing_is_stolen_for_a_difference_of_one() -> None:
    assert wants(3, "b", row(0, "a"), row(1, "a"), row(2, "b")) == ["2"]


def test_what_was_released_is_free() -> None:
    assert wants(2, "b", row(0, ""), row(1, "b")) == ["0", "1"]


@pytest.mark.parametrize(("age", "taken"), [(EXPIRY, ["0", "1"]), (EXPIRY - 0.1, ["1"]), (-7200.0, ["0", "1"])])
def test_what_has_expired_is_free_and_not_before(age: float, taken: list[str]) -> None:
    assert wants(2, "b", row(0, "a", age=age), row(1, "b")) == taken


def test_what_a_dead_process_held_is_free_at_once() -> None:
    assert wants(4, "b", *(row(n, "a") for n in range(4)), gone=("a",)) == ids(4)


def test_of_what_is_free_only_a_fair_share_is_taken() -> None:
    assert len(wants(5, "b", row(0, "a"))) == 3


@pytest.mark.parametrize("partitions", [1, 2, 4, 7, 32])
@pytest.mark.parametrize("processes", [2, 3, 5])
def test_rounds_end_with_fair_shares_and_then_nothing_moves(partitions: int, processes: int) -> None:
    chance = random.Random(partitions * processes)
    held: dict[str, str] = {}
    for number in range(partitions * 3 + 5):
        before = dict(held)
        for me in range(processes):
            rows = [Ownership(id_, by, 1, 0.0) for id_, by in held.items()]
            claims = plan(ids(partitions), rows, f"p{me}", EXPIRY, lambda _: False, chance)
            held |= {one.partition_id: f"p{me}" for one in claims}
        if number and held == before:
            break
    sizes = [list(held.values()).count(f"p{me}") for me in range(processes)]
    assert held == before
    assert sum(sizes) == partitions
    assert max(sizes) - min(sizes) <= 1


def test_a_living_owner_is_not_gone() -> None:
    name = owner.enter()
    assert not owner.gone(name)
    owner.leave(name)


def test_an_owner_that_has_left_is_gone() -> None:
    name = owner.enter()
    owner.leave(name)
    assert owner.gone(name)


def test_a_dead_process_on_this_machine_is_gone() -> None:
    code = "from ingest.eventhub import owner; print(owner.enter())"
    name = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert owner.gone(name)


def test_of_a_process_elsewhere_nothing_is_known() -> None:
    assert not owner.gone(f"elsewhere.12345678/{os.getpid()}/00000000")
    assert not owner.gone("written by hand")
