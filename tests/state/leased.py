"""What the passing of time does to leases on deliveries, which the database's clock times."""

from datetime import timedelta

from sqlalchemy import update

from storage.state.database import Database
from storage.state.dialect import database_time
from storage.state.tables import deliveries


def let_leases_end(database: Database) -> None:
    """Do what five minutes do: free the deliveries that somebody took and neither finished nor gave back."""
    with database.begin() as connection:
        past = database_time(connection) - timedelta(seconds=1)
        connection.execute(update(deliveries).where(deliveries.c.lease_until.is_not(None)).values(lease_until=past))
