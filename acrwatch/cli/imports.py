"""`acrwatch import`: audit records from files."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from acrwatch.cli.ingest import sentence
from acrwatch.cli.output import json_option, note, write_json
from acrwatch.cli.progress import progress_bar
from acrwatch.cli.session import Session, pass_session
from acrwatch.core.errors import NotFoundError
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from ingest.pipeline import Counts
    from ingest.sources.files import Progress
    from scheduler import Parts


@click.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
@pass_session
def import_files(session: Session, /, paths: tuple[Path, ...], as_json: bool) -> None:
    """Import files of audit records.

    Takes .json, .jsonl and .gz files and folders of them: JSON Lines, arrays, documents with a `records` member, the
    PT1H.json trees of a storage archive; of the registry's own log and of the Activity Log. A file imported before is
    skipped, and an event known already is stored once.
    """
    with session.parts() as parts:
        progress, counts = read_files(parts, paths)
    files = {"files": progress.files_done, "files_skipped": progress.files_skipped}
    if as_json:
        write_json({**files, **dataclasses.asdict(counts)})
    skipped = f" ({progress.files_skipped} imported before)" if progress.files_skipped else ""
    note(f"{counted(progress.files_done, 'file')}{skipped}: {sentence(counts)}")
    if counts.events:
        note("`acrwatch detect --once` judges them now; a running service does by itself.")


def read_files(parts: "Parts", paths: tuple[Path, ...]) -> "tuple[Progress, Counts]":
    """Store what these files hold; return how far it came and what was counted. Raises NotFoundError where none is a
    file of records."""
    from ingest.sources.files import FilesSource
    from scheduler import BULK_COMMIT_INTERVAL

    source, pipeline = parts.reading(lambda opening: FilesSource(paths, opening), BULK_COMMIT_INTERVAL)
    with progress_bar(source, "Importing"):
        counts = pipeline.run_once()
    if not source.progress.files_total:
        raise NotFoundError(
            f"no .json, .jsonl or .gz file below {', '.join(map(str, paths))}", remedy="Name the files themselves"
        )
    return source.progress, counts
