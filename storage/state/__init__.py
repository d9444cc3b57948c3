"""State in SQL: cursors, runs, alerts, outbox, rejects, ledger, incidents. SQLite or PostgreSQL by URL."""
