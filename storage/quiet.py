"""DuckDB without its progress bar, which it writes to stdout, among the data."""

import duckdb


def hide_progress(connection: duckdb.DuckDBPyConnection) -> None:
    """Let a connection draw no progress bar.

    Only where it would: in a Jupyter kernel without ipywidgets the bar is off, and DuckDB refuses to be told so.
    """
    ((shown,),) = connection.execute("SELECT current_setting('enable_progress_bar')").fetchall()
    if shown:
        connection.execute("SET enable_progress_bar = false")
