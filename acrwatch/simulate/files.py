"""Records as files: the storage archive's own tree, or plain parts to import."""

import gzip
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC
from itertools import islice
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

from acrwatch.core.errors import ConfigError
from acrwatch.simulate.activity_wire import ACTIVITY_CATEGORY
from acrwatch.simulate.traffic import Labelled

Layout = Literal["pt1h", "jsonl", "json", "jsonl.gz"]

RECORDS_PER_PART: Final = 10_000
"""About 9 MB of JSON: what is held in memory at once, and how much one plain part holds."""


def write_files(labelled: Iterable[Labelled], directory: Path, layout: Layout = "pt1h") -> tuple[Path, ...]:
    """Write records under a directory (made if missing) and return the files, sorted.

    `pt1h` is the tree Azure Monitor archives into, JSON Lines filed by the hour of *arrival* under
    `insights-logs-<category>/resourceId=<ID>/y=/m=/d=/h=/m=00/PT1H.json`, those of the Activity Log by subscription
    under `insights-activity-logs`; files already there grow, as Azure's append blobs do. The plain layouts are parts of
    RECORDS_PER_PART records in the order given: `jsonl` and `jsonl.gz` hold one record a line, `json` one
    `{"records": [...]}` document. Raises ConfigError for an unknown layout, or a plain part that exists already.
    """
    if layout not in get_args(Layout):
        raise ConfigError(f"no file layout is named {layout!r}", remedy=f"Choose from {get_args(Layout)}")
    written: set[Path] = set()
    for number, part in enumerate(_parts(labelled)):
        if layout == "pt1h":
            written |= _append_to_archive(part, directory)
        else:
            written.add(_write_part(part, directory / f"part-{number:05d}.{layout}", layout))
    return tuple(sorted(written))


def _parts(labelled: Iterable[Labelled]) -> Iterator[list[Labelled]]:
    source = iter(labelled)
    while part := list(islice(source, RECORDS_PER_PART)):
        yield part


def _append_to_archive(part: list[Labelled], directory: Path) -> set[Path]:
    lines: dict[Path, list[bytes]] = defaultdict(list)
    for item in part:
        lines[directory / _archive_path(item)].append(msgspec.json.encode(item.record) + b"\n")
    for path, content in lines.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.writelines(content)
    return set(lines)


def _archive_path(item: Labelled) -> str:
    record, hour = item.record, item.arrival.astimezone(UTC)
    container, place = f"insights-logs-{record['category'].lower()}", record["resourceId"]
    if record["category"] == ACTIVITY_CATEGORY:
        container, place = "insights-activity-logs", "/".join(place.split("/")[:3])
    return f"{container}/resourceId={place}/{hour:y=%Y/m=%m/d=%d/h=%H}/m=00/PT1H.json"


def _write_part(part: list[Labelled], path: Path, layout: Layout) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = [msgspec.json.encode(item.record) for item in part]
    content = b'{"records":[' + b",".join(encoded) + b"]}" if layout == "json" else b"\n".join(encoded) + b"\n"
    if layout == "jsonl.gz":
        content = gzip.compress(content, compresslevel=6, mtime=0)
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError as error:
        raise ConfigError(f"{path} exists already", remedy="Give an empty directory") from error
    return path
