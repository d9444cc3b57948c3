"""Processes that join, leave, are killed and suspended under load: every record sent becomes one row.

Over either database. The hub's own clock stamps the messages, so nothing here expires by age.
"""

import signal
from pathlib import Path

from tests.ingest_sources.fleet import PARTITIONS, fleet

NEVER = 600.0  # an expiry that no test lives to see
SHORT = 2.0


def test_processes_that_join_and_leave_share_fairly_and_at_once(tmp_path: Path, database_url: str) -> None:
    with fleet(tmp_path, database_url, expiry=NEVER) as many:
        first = many.join()
        many.until(lambda: many.shares() == [PARTITIONS], "one owner of all")
        many.join()
        many.until(lambda: many.shares() == [2, 2], "an equal share for two")
        many.join()
        many.until(lambda: many.shares() == [2, 1, 1], "a fair share for three")
        many.progress()
        many.terminate(first)
        assert many.held(first) == 0
        many.until(lambda: many.shares() == [2, 2], "the rest taking over")
        assert many.stored() == many.expected()


def test_what_a_process_killed_on_this_machine_held_is_taken_over_at_once(tmp_path: Path, database_url: str) -> None:
    with fleet(tmp_path, database_url, expiry=NEVER) as many:
        first = many.join()
        many.until(lambda: many.shares() == [PARTITIONS], "one owner of all")
        second = many.join()
        many.until(lambda: many.shares() == [2, 2], "an equal share")
        many.progress()
        many.signal(first, signal.SIGKILL)
        many.until(lambda: many.held(second) == PARTITIONS, "the survivor taking over")
        assert many.stored() == many.expected()


def test_what_a_process_killed_elsewhere_held_is_taken_over_when_it_expires(tmp_path: Path, database_url: str) -> None:
    with fleet(tmp_path, database_url, expiry=SHORT) as many:
        first = many.join(host="elsewhere")
        many.until(lambda: many.shares() == [PARTITIONS], "one owner of all")
        second = many.join()
        many.until(lambda: many.shares() == [2, 2], "an equal share")
        many.progress()
        many.signal(first, signal.SIGKILL)
        waited = many.until(lambda: many.held(second) == PARTITIONS, "the survivor taking over")
        assert waited > SHORT / 2
        assert many.stored() == many.expected()


def test_a_suspended_process_loses_its_part_and_stores_nothing_twice_when_it_goes_on(
    tmp_path: Path, database_url: str
) -> None:
    with fleet(tmp_path, database_url, expiry=SHORT) as many:
        zombie = many.join()
        many.until(lambda: many.shares() == [PARTITIONS], "one owner of all")
        other = many.join()
        many.until(lambda: many.shares() == [2, 2], "an equal share")
        many.progress()
        many.signal(zombie, signal.SIGSTOP)
        waited = many.until(lambda: many.held(other) == PARTITIONS, "the other taking over")
        assert waited > SHORT / 2
        many.progress()
        many.signal(zombie, signal.SIGCONT)
        many.until(lambda: many.shares() == [2, 2], "an equal share again")
        assert many.stored() == many.expected()
        assert many.redelivered(zombie) > 0
