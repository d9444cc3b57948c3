"""Dropping from the state what the lake no longer holds: after retention, and after a repair."""

from datetime import date
from typing import Final

from sqlalchemy import Connection, delete, func, select, tuple_

from storage.state.habits import WHOLE
from storage.state.tables import blobs, files, habit_days, habit_firsts, habit_matches, network_days

# SQLite takes at most 32,766 variables in one statement.
_SUBJECTS_AT_ONCE: Final = 500


def forget_network_days(connection: Connection, *, before: date) -> int:
    """Drop identities not seen since a UTC date, all their days together; return the number of days dropped.

    An identity still in use keeps its whole past, and one that ever matched does: its later days are judged by the
    earlier, and its alerts stand on them.
    """
    last, judged = func.max(network_days.c.date), func.count(network_days.c.judgement)
    unused = select(network_days.c.identity_key).group_by(network_days.c.identity_key)
    unused = unused.having(last < before.isoformat(), judged == 0)
    return connection.execute(delete(network_days).where(network_days.c.identity_key.in_(unused))).rowcount


def forget_habits(connection: Connection, *, before: date) -> int:
    """Drop the habits of subjects not seen since a UTC date, and what the measures of earlier dates were taken from;
    return the number of rows dropped.

    A subject still in use keeps its dates, their measures and its first uses, and one that ever matched does: later
    dates are judged by these. No event of an earlier date is taken any more that could change their measures.
    """
    subject = (habit_days.c.detection, habit_days.c.subject)
    told = select(habit_matches.c.subject).where(
        habit_matches.c.detection == habit_days.c.detection, habit_matches.c.subject == habit_days.c.subject
    )
    unused = select(*subject).where(habit_days.c.value == WHOLE, ~told.exists()).group_by(*subject)
    gone = connection.execute(unused.having(func.max(habit_days.c.date) < before.isoformat())).all()
    parts = [gone[start : start + _SUBJECTS_AT_ONCE] for start in range(0, len(gone), _SUBJECTS_AT_ONCE)]
    statements = [
        delete(table).where(tuple_(table.c.detection, table.c.subject).in_([tuple(row) for row in some]))
        for table in (habit_firsts, habit_days)
        for some in parts
    ]
    measured = delete(habit_days).where(habit_days.c.value != WHOLE, habit_days.c.date < before.isoformat())
    return sum(connection.execute(statement).rowcount for statement in (*statements, measured))


def forget_imports(connection: Connection) -> int:
    """Forget which files were wholly imported, and how far each blob of an archive was read, so that the next import,
    or backfill, reads them again; return how many.

    For rows that a repair gave up: the ledgers cannot say which file they came from. What the lake still holds is not
    stored twice.
    """
    imported = connection.execute(delete(files).where(files.c.finished_at.is_not(None))).rowcount
    return imported + connection.execute(delete(blobs)).rowcount
