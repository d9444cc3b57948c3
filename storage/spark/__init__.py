"""Events over a Spark Connect server: `SparkReader` answers what `storage.query.Reader` answers.

SQL is written once, in DuckDB's words; `dialect` and `pattern` translate it. Needs `pip install 'acrwatch[spark]'`.
"""

from storage.spark.reader import SparkReader

__all__ = ["SparkReader"]
