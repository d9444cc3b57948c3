"""pySigma with its DuckDB backend: DuckDB reads the JSON lines into a table, then each rule's query.

python sigma_duckdb.py RECORDS RULES
"""

import importlib
import json
import sys
import time
from pathlib import Path

records, rules = sys.argv[1:3]
duckdb = importlib.import_module("duckdb")
SigmaCollection = importlib.import_module("sigma.collection").SigmaCollection
Backend = importlib.import_module("sigma_backend_duckdb").DuckDBBackend

started = time.perf_counter()
connection = duckdb.connect(config={"threads": 2})
connection.execute("SET enable_progress_bar = false")
connection.execute(
    "CREATE TABLE logs AS SELECT time AS timestamp, identity, operationName AS operation, callerIpAddress AS ip, "
    "CAST(resultDescription AS VARCHAR) AS status FROM read_json(?, format = 'newline_delimited', columns = "
    "{time: 'TIMESTAMP', identity: 'VARCHAR', operationName: 'VARCHAR', callerIpAddress: 'VARCHAR', "
    "resultDescription: 'VARCHAR'})",
    [records],
)
collection = SigmaCollection.from_yaml(Path(rules).read_text(encoding="utf-8"))
queries = Backend().convert(collection)
found = []
for query in queries:
    done = connection.execute(query.replace("<TABLE_NAME>", "logs"))
    names = [column[0] for column in done.description]
    found.append([dict(zip(names, row, strict=True)) for row in done.fetchall()])
seconds = time.perf_counter() - started
identities = sorted({row["identity"] for row in found[-1]})
counts = {"admin": len(found[0]), "outside": len(found[1]), "identities": identities, "alerts": len(found[-1])}
print(json.dumps({"seconds": seconds, **counts}))
