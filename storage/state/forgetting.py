"""Dropping from the state what the lake no longer holds: after retention, and after a repair."""

from datetime import date

from sqlalchemy import Connection, delete, func, select

from storage.state.tables import files, network_days


def forget_network_days(connection: Connection, *, before: date) -> int:
    """Drop identities not seen since a UTC date, all their days together; return the number of days dropped.

    An identity still in use keeps its whole past, and one that ever matched does: its later days are judged by the
    earlier, and its alerts stand on them.
    """
    last, judged = func.max(network_days.c.date), func.count(network_days.c.judgement)
    unused = select(network_days.c.identity_key).group_by(network_days.c.identity_key)
    unused = unused.having(last < before.isoformat(), judged == 0)
    return connection.execute(delete(network_days).where(network_days.c.identity_key.in_(unused))).rowcount


def forget_imports(connection: Connection) -> int:
    """Forget which files were wholly imported, so that the next import reads them again; return how many.

    For rows that a repair gave up: the ledger cannot say which file they came from. What the lake still holds is not
    stored twice.
    """
    return connection.execute(delete(files).where(files.c.finished_at.is_not(None))).rowcount
