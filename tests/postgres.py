"""The PostgreSQL server that tests start themselves, and over which databases they run.

Where the server's programs are missing the tests use SQLite alone, unless ACRWATCH_REQUIRE=postgresql says that they
must not.
"""

import os
from typing import Final

from drill.postgres import Server, programs

__all__ = ["BACKENDS", "REQUIRED", "Server"]

REQUIRED: Final = "postgresql" in os.environ.get("ACRWATCH_REQUIRE", "").split(",")

# What a test over "every database" runs over.
BACKENDS: Final = ("sqlite", "postgresql") if REQUIRED or programs() is not None else ("sqlite",)
