"""acrwatch as a data source of msticpy: its query functions, its accessors and its plots, over a lake on this machine.

    from acrwatch.notebook.msticpy_driver import query_provider

    qry = query_provider(config="acrwatch.toml")
    qry.Acr.list_events_by_identity(start=..., end=..., identity="ci")
    qry.exec_query("SELECT operation, count(*) AS events FROM events GROUP BY ALL")

Needs the extra `msticpy`, which wants pandas 2 and so an environment of its own (requirements-msticpy.lock).
"""

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd

from acrwatch.notebook.client import Client
from acrwatch.notebook.opening import open as opened

try:
    from msticpy.data import QueryProvider
    from msticpy.data.core.query_defns import Formatters
    from msticpy.data.drivers import CUSTOM_PROVIDERS
    from msticpy.data.drivers.driver_base import DriverBase, DriverProps
except ImportError as error:
    raise ImportError(
        "the bridge needs the package msticpy, which needs pandas 2. "
        "In an environment of its own: pip install 'acrwatch[msticpy]'"
    ) from error

NAME: Final = "Acrwatch"
QUERIES: Final = Path(__file__).parent / "msticpy_queries"


class AcrwatchDriver(DriverBase):  # type: ignore[misc]  # an Any where msticpy is not installed
    """Answers msticpy's queries from a lake. Queries are one SELECT in DuckDB's SQL, as `Client.sql` takes it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._client: Client | None = None
        self._loaded = True
        self.set_driver_property(DriverProps.EFFECTIVE_ENV, NAME)
        self.set_driver_property(
            DriverProps.FORMATTERS,
            {
                Formatters.DATETIME: lambda moment: moment,
                Formatters.LIST: list,
                Formatters.PARAM_HANDLER: filled,
            },
        )

    def connect(self, connection_str: str | None = None, **kwargs: Any) -> None:
        """Open a lake: `client=` one that is open already, or what `acrwatch.open` takes (`config`, `database`, `now`),
        the path of the lake as the connection string. Raises what `acrwatch.open` raises."""
        given = kwargs.pop("client", None)
        self._client = opened(connection_str, **kwargs) if given is None else given
        self._connected = True
        self.current_connection = repr(self._client)

    @property
    def schema(self) -> dict[str, dict[str, str]]:
        """The columns of each relation, with the types that frames have them in."""
        found = self._opened()
        return {
            relation: {name: str(kind) for name, kind in found.sql(f"SELECT * FROM {relation} LIMIT 0").dtypes.items()}  # noqa: S608
            for relation in ("events", "activity")
        }

    def query(self, query: str, query_source: Any = None, **kwargs: Any) -> pd.DataFrame:  # noqa: ARG002
        """Run one SELECT. Of what else msticpy passes, the time is in the query already."""
        return self._opened().sql(query)

    def query_with_results(self, query: str, **kwargs: Any) -> tuple[pd.DataFrame, Mapping[str, Any]]:
        """Run one SELECT; return the frame, and what it was asked of."""
        frame = self.query(query, **kwargs)
        return frame, frame.attrs["query"]

    def _opened(self) -> Client:
        if self._client is None:
            raise self._create_not_connected_err(NAME)
        return self._client


def query_provider(path: str | os.PathLike[str] | None = None, **opening: Any) -> QueryProvider:
    """Return a connected msticpy QueryProvider with the queries of this package below `Acr`.

    Takes what `acrwatch.open` takes, or `client=` one that is open already, and raises what it raises. Queries of one's
    own go beside them: `query_paths=[folder]`, in files for the data environment `Acrwatch`.
    """
    register()
    paths = [str(QUERIES), *opening.pop("query_paths", [])]
    made = QueryProvider(NAME, query_paths=paths)
    made.connect(None if path is None else str(path), **opening)
    return made


def register() -> None:
    """Make `QueryProvider("Acrwatch")` known to msticpy."""
    CUSTOM_PROVIDERS[NAME] = AcrwatchDriver


def filled(template: str, parameters: Mapping[str, Any]) -> str:
    """Return a query with its parameters as SQL literals: a value with a quote in it is that value and no SQL.

    Datetimes without a zone are UTC, as msticpy has them. Raises TypeError for a value that is none of these.
    """
    return template.format(**{name: _literal(value) for name, value in parameters.items()})


def _literal(value: Any) -> str:
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return f"TIMESTAMPTZ '{moment:%Y-%m-%d %H:%M:%S.%f}+00'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, Iterable):
        return "(" + ", ".join(map(_literal, value)) + ")"
    raise TypeError(f"a query cannot take {value!r}, which is no text, number, time or list of these")
