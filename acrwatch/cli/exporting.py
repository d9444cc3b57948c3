"""Rows for programs: JSON, JSON lines, CSV or Parquet, from one Arrow table."""

import csv
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from acrwatch.cli.output import write_json, write_text

if TYPE_CHECKING:
    import pyarrow as pa

F = TypeVar("F", bound=Callable[..., Any])

JSON: Final = "json"
JSONL: Final = "jsonl"
CSV: Final = "csv"

_BATCH_ROWS: Final = 10_000
# What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection"), full-width signs among them;
# a reader drops a byte order mark from the beginning of a file. Log values are attacker-controlled.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\ufeff")
# csv.writer quotes a line feed or carriage return for being part of this, and a bare carriage return ends a row for
# spreadsheets and pandas. It comes off again: rows end as lines do.
_ROW_END: Final = "\r\n"


def format_options(command: F) -> F:
    """Add `--json`, `--jsonl`, `--csv` (passed on as `output_format`) and `--parquet FILE`."""
    command = click.option(
        "--parquet", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write a Parquet file."
    )(command)
    words = {JSON: "one JSON array", JSONL: "one JSON object per line", CSV: "CSV, with a heading"}
    for name in (CSV, JSONL, JSON):
        command = click.option(f"--{name}", "output_format", flag_value=name, help=f"Print {words[name]}.")(command)
    return command


def refuse_two_formats(output_format: str | None, parquet: Path | None) -> None:
    """Raise UsageError where a file and a format for stdout are both asked for."""
    if output_format is not None and parquet is not None:
        raise click.UsageError(f"--parquet and --{output_format} exclude each other")


def write_rows(rows: "pa.Table", output_format: str) -> None:
    """Print a table as JSON, JSON lines or CSV, some rows at a time."""
    if output_format == JSON:
        write_json([_spoken(row) for row in rows.to_pylist()])
        return
    if output_format == CSV:
        write_text(_csv_lines([[_cell(name) for name in rows.column_names]]))
    for batch in rows.to_batches(max_chunksize=_BATCH_ROWS):
        if output_format == CSV:
            write_text(_csv_lines([_cell(value) for value in row.values()] for row in batch.to_pylist()))
        else:
            write_text("\n".join(json.dumps(_spoken(row), default=str) for row in batch.to_pylist()))


def write_parquet(rows: "pa.Table", file: Path) -> None:
    """Write a table to a file, whole or not at all; one of that name is replaced. Raises OSError."""
    import pyarrow.parquet as pq

    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(rows, temporary, compression="zstd")
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def _csv_lines(rows: "Iterator[Sequence[Any]] | Sequence[Sequence[Any]]") -> str:
    written = _Rows()
    csv.writer(written, lineterminator=_ROW_END).writerows(rows)
    return "\n".join(written)


class _Rows(list[str]):
    """What csv.writer writes to: it writes a row at a time."""

    def write(self, row: str) -> None:
        self.append(row.removesuffix(_ROW_END))


def _spoken(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: said(value) for name, value in row.items()}


def said(value: Any) -> Any:
    """Return a value as JSON says it: times in ISO 8601 UTC, bytes in hex; what is no number is none."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal):  # within a list or a struct
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [said(one) for one in value]
    return _spoken(value) if isinstance(value, Mapping) else value


def _cell(value: Any) -> Any:
    """Return a value as a cell: lists in one, and no text that a spreadsheet would run."""
    value = said(value)
    if isinstance(value, list):
        value = "; ".join(_item(one) for one in value)
    if isinstance(value, Mapping):
        value = json.dumps(value, default=str)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _item(one: Any) -> str:
    if isinstance(one, Mapping) and one.keys() == {"type", "value"}:
        return f"{one['type']}={one['value']}"
    return json.dumps(one, default=str) if isinstance(one, Mapping | list) else str(one)
