"""Answers KQL, in an environment of its own that has `duckdb-kql` and nothing of acrwatch: see `drill.exported`.

Reads a JSON list of `{query, tables}` from stdin, and writes for each `{ids}` (the events found, by CorrelationId, null
where the query keeps none), `{lacks}` (a construct that the engine does not know) or `{error}`.
"""

import json
import re
import sys
from typing import Any, Final

import duckdb
import duckdb_kql  # type: ignore[import-not-found]  # only where this runs

_KINDS: Final = {"TimeGenerated": "TIMESTAMP", "Size": "BIGINT", "DurationMs": "DOUBLE"}


def answer(query: str, tables: dict[str, list[dict[str, str]]]) -> dict[str, Any]:
    """Return what a query finds in these tables, whose cells are text: empty where there is no number."""
    connection = duckdb_kql.connect()
    columns = sorted({name for rows in tables.values() for row in rows for name in row})
    for table, rows in tables.items():
        defined = ", ".join(f"{name} {_KINDS.get(name, 'VARCHAR')}" for name in columns)
        connection.execute(f"CREATE TABLE {table} ({defined})")
        places = ", ".join(
            "CAST(CAST(? AS TIMESTAMPTZ) AS TIMESTAMP)" if n == "TimeGenerated" else "?" for n in columns
        )
        for row in rows:
            values = [row[name] or None if name in _KINDS else row[name] for name in columns]
            connection.execute(f"INSERT INTO {table} VALUES ({places})", values)
    try:
        found = duckdb_kql.kql(connection, query)
        names = [column[0] for column in found.description]
        return {"ids": [dict(zip(names, row, strict=True)).get("CorrelationId") for row in found.fetchall()]}
    except duckdb_kql.KqlUnsupportedError as error:
        named = re.search(r"'([^']+)'", str(error))
        return {"lacks": named[1] if named else str(error)}
    except (duckdb_kql.KqlError, duckdb.Error) as error:
        return {"error": f"{type(error).__name__}: {error}"}


json.dump([answer(**one) for one in json.load(sys.stdin)], sys.stdout)
