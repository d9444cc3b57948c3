"""Which events of one group stand in a sliding window that meets a condition: the core of every Sigma correlation.

Windows slide over event time and are closed: events exactly a window apart share one. They are tied to no clock, so no
burst is cut in two by a full hour. Everything here is linear in the number of rows and knows no rule and no database.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

Row = Mapping[str, Any]


def matched(
    rows: Sequence[Row], threshold: int, window: timedelta, *, of: str, measure: Callable[[Collection[Any]], int] = len
) -> dict[bytes, int]:
    """Return the ids of events in a window whose distinct values of column `of` measure at least `threshold`, each
    with the peak of the windows it is in.

    `rows` are of one group, in order of time. `measure` must not fall when a value is added: then an event that
    matched goes on matching whatever arrives later.
    """
    measures = list(_measures(rows, window, of, measure))
    found: dict[bytes, int] = {}
    best: deque[int] = deque()  # ends of windows still in reach, their measures falling
    end = 0
    for start, row in enumerate(rows):
        while end < len(rows) and rows[end]["event_time"] - row["event_time"] <= window:
            while best and measures[best[-1]] <= measures[end]:
                best.pop()
            best.append(end)
            end += 1
        while best[0] < start:
            best.popleft()
        if (peak := measures[best[0]]) >= threshold:
            found[row["event_id"]] = max(peak, found.get(row["event_id"], 0))
    return found


def completing(rows: Sequence[Row], threshold: int, window: timedelta, *, of: str) -> dict[bytes, int]:
    """Return the ids of events with which a window ends that holds at least `threshold` distinct values of column `of`,
    each with their number: the moments at which a count is reached, and not what led there.

    `rows` are of one group, in order of time. What arrives later only adds to them.
    """
    ends = zip(rows, _measures(rows, window, of, len), strict=True)
    return {row["event_id"]: number for row, number in ends if number >= threshold}


def _measures(
    rows: Sequence[Row], window: timedelta, of: str, measure: Callable[[Collection[Any]], int]
) -> Iterator[int]:
    """Yield, for each row, the measure of the window that ends with it."""
    held: deque[Row] = deque()
    counts: Counter[Any] = Counter()
    for row in rows:
        held.append(row)
        counts[row[of]] += 1
        while row["event_time"] - held[0]["event_time"] > window:
            gone = held.popleft()[of]
            counts[gone] -= 1
            if not counts[gone]:
                del counts[gone]
        yield measure(counts)


def chained(rows: Sequence[Row], steps: int, window: timedelta) -> dict[bytes, int]:
    """Return the ids of events on a chain of one event of each part 0 .. `steps` - 1, in order of time, within a
    window, each with the number of steps.

    `rows` are of one group, in order of time; column `part` says which step a row can be. Two steps may happen at one
    moment, and one event that is of both parts may be both.
    """
    begins = _reached(rows, steps, lambda part: part, forward=True)
    ends = _reached(rows, steps, lambda part: steps - 1 - part, forward=False)
    return {
        row["event_id"]: steps
        for row, begin, end in zip(rows, begins, ends, strict=True)
        if begin is not None and end is not None and end - begin <= window
    }


def _reached(rows: Sequence[Row], steps: int, step_of: Callable[[int], int], *, forward: bool) -> list[datetime | None]:
    """Return, for each row, the nearest moment at which a chain up to it can have begun (seen backwards: from it can
    end), or None where no chain leads there."""
    reached: list[datetime | None] = [None] * len(rows)
    nearest: list[datetime | None] = [None] * steps
    order = range(len(rows)) if forward else range(len(rows) - 1, -1, -1)
    for _, moment in groupby(order, lambda n: rows[n]["event_time"]):
        # At one moment the first step counts before the second, so that both may happen then.
        for n in sorted(moment, key=lambda n: step_of(rows[n]["part"])):
            step = step_of(rows[n]["part"])
            reached[n] = rows[n]["event_time"] if step == 0 else nearest[step - 1]
            if reached[n] is not None:
                nearest[step] = reached[n]  # later rows are only reached from later beginnings
    return reached
