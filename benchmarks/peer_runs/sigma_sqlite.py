"""pySigma with its SQLite backend: JSON lines into a table, then each rule's query. Standard library and pySigma only.

python sigma_sqlite.py RECORDS RULES
"""

import importlib
import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

records, rules = sys.argv[1:3]
SigmaCollection = importlib.import_module("sigma.collection").SigmaCollection
Backend = importlib.import_module("sigma.backends.sqlite").sqliteBackend


def rows() -> Iterator[tuple[str, ...]]:
    """Yield the columns that the rules name."""
    with Path(records).open("rb") as lines:
        for line in lines:
            one = json.loads(line)
            yield (
                one["time"][:23],
                one["identity"],
                one["operationName"],
                one["callerIpAddress"],
                one["resultDescription"],
            )


started = time.perf_counter()
connection = sqlite3.connect(":memory:")
connection.execute("CREATE TABLE logs (timestamp TEXT, identity TEXT, operation TEXT, ip TEXT, status TEXT)")
connection.executemany("INSERT INTO logs VALUES (?, ?, ?, ?, ?)", rows())
collection = SigmaCollection.from_yaml(Path(rules).read_text(encoding="utf-8"))
queries = Backend(table="logs", timestamp_field="timestamp").convert(collection)
connection.row_factory = sqlite3.Row
found = [connection.execute(query.replace("<TABLE_NAME>", "logs")).fetchall() for query in queries]
seconds = time.perf_counter() - started
identities = sorted({json.loads(row["group_keys"])["identity"] for row in found[-1]})
counts = {"admin": len(found[0]), "outside": len(found[1]), "identities": identities, "alerts": len(found[-1])}
print(json.dumps({"seconds": seconds, **counts}))
