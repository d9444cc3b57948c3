"""The state database's history, one Alembic revision per file in `versions/`. Run by `storage.state.migration`."""

from pathlib import Path
from typing import Final

LOCATION: Final = Path(__file__).parent
