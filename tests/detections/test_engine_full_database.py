"""A state database that takes nothing for a while, at every write of a pass in turn: no detection is blamed for it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from acrwatch.core.errors import StateUnavailableError
from storage.state import incidents, runs

Make = Callable[..., Any]
DAY = timedelta(days=1)


def _let_it_have(bench: Any, pages: int) -> None:
    """Let the file have so many pages, as on a disk that is full then. Holds for the one connection that writes."""
    with bench.database.begin() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


def _pages(bench: Any) -> int:
    with bench.database.connect() as connection:
        return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())


def _store(bench: Any, happening: Make) -> None:
    for number in range(3):
        login = happening(number, at=number * DAY, operation="login", identity="contoso", user_agent="a" * 2_000)
        pulls = [happening(1000 * (number + 1) + n, at=number * DAY, ip=f"203.{number}.{n}.9") for n in range(40)]
        bench.store([login, *pulls])


def test_a_full_disk_ends_the_pass_and_the_repeat_finds_what_an_undisturbed_pass_finds(
    make_bench: Make, happening: Make, everything: dict[str, Any]
) -> None:
    tight, calm = (make_bench(everything, chunk_rows=41) for _ in range(2))
    for bench in (tight, calm):
        _store(bench, happening)
    calm.judge()

    refusals, room = 0, _pages(tight)
    while True:
        _let_it_have(tight, room)
        try:
            passed = tight.judge()
        except StateUnavailableError:
            refusals, room = refusals + 1, room + 4
        else:
            break
    assert refusals >= 8, "the limit was met again and again"
    assert passed.failed == ()
    assert tight.picture() == calm.picture() != []
    with tight.database.connect() as connection:
        assert incidents.current(connection) == []
        assert {run.outcome for run in runs.latest(connection).values()} == {runs.SUCCEEDED}
