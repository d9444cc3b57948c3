"""The text of docs/columns.md: every column of the relations that people query, by their definitions."""

import textwrap
from collections.abc import Iterable
from typing import Final

import pyarrow as pa

from acrwatch.choosing import COLUMNS
from acrwatch.notebook.alert_frame import alert_frame
from acrwatch.notebook.frames import TEXT, frame_of
from storage import activity, alert_table, schema
from storage.selection import empty

_INTRO: Final = """\
# Columns

What `events`, `activity` and `alerts` have: in notebooks (`acrwatch.open`, [notebooks.md](notebooks.md)), in
`acrwatch events query` and in exports. Names and types are stable: columns are added, never renamed.

The type is that of a DataFrame. `text` is Arrow-backed: `str` on pandas 3, on pandas 2.2 the same as
`string[pyarrow_numpy]`. `category` are texts of few values. All times are aware UTC, in microseconds. In SQL, texts
and categories are VARCHAR, times TIMESTAMP WITH TIME ZONE, lists VARCHAR[]. Ids and keys are lower-case hex in both.
"""
_EVENTS: Final = """\
## events

One row for each record of the registries' own log. Raw columns have the names of the Log Analytics tables
`ContainerRegistryLoginEvents` and `ContainerRegistryRepositoryEvents` in snake case. Those marked with * are in a frame
only when `columns=` names them.
"""
_ACTIVITY: Final = """\
## activity

One row for each record of Azure's Activity Log about a registry, by SQL alone. It has the columns of `events` and
these; what each means stands in [control-plane.md](control-plane.md).
"""
_ALERTS: Final = """\
## alerts

One row for each alert that stands, where a state database is known.
"""


def columns_page() -> str:
    """Return the page, as Markdown."""
    events = frame_of(empty(schema.BY_NAME), {}).dtypes
    alerts = alert_frame(alert_table.SCHEMA.empty_table(), {}).dtypes
    return "\n".join(
        [
            _INTRO,
            _EVENTS,
            *_table((name + ("" if name in COLUMNS else " *"), events[name], column.doc)
                    for name, column in schema.BY_NAME.items()),
            _ACTIVITY,
            textwrap.fill(", ".join(f"`{name}`" for name in activity.COLUMNS), 120) + "\n",
            _ALERTS,
            *_table((column.name, _nested(column.type) or alerts[column.name], column.doc)
                    for column in alert_table.COLUMNS),
        ]
    )  # fmt: skip


def _table(rows: Iterable[tuple[str, object, str]]) -> list[str]:
    lines = [f"| `{name}` | {'text' if kind == TEXT else kind} | {doc} |" for name, kind, doc in rows]
    return ["| column | type | what it is |", "|---|---|---|", *[line.replace(" *` |", "` * |") for line in lines], ""]


def _nested(kind: pa.DataType) -> str | None:
    return "list" if pa.types.is_list(kind) else None
