"""`acrwatch backfill archive`: audit records from a storage account."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from acrwatch.cli.backfill import moment, stretch_options
from acrwatch.cli.ingest import sentence
from acrwatch.cli.output import json_option, note, write_json
from acrwatch.cli.progress import progress_bar
from acrwatch.cli.session import Session, pass_session
from acrwatch.core.errors import ConfigError, NotFoundError
from acrwatch.core.model import BACKFILL, BACKFILL_ALERT
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from ingest.archive.look import Hours
    from ingest.sources.archive import ArchiveSource
    from scheduler import Parts

# What diagnostic settings make for the registry's two categories.
USUAL: Final = ("insights-logs-containerregistryloginevents", "insights-logs-containerregistryrepositoryevents")
_SECRETS: Final = {"sas_url": "ACRWATCH_ARCHIVE_SAS_URL", "connection_string": "ACRWATCH_ARCHIVE_CONNECTION_STRING"}

_file = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--account-url", metavar="URL", help="https://ACCOUNT.blob.core.windows.net, reached by Entra ID.")
@click.option(
    "--sas-url-file",
    type=_file,
    help=f"File that holds a URL with a shared access signature. Or the variable {_SECRETS['sas_url']}.",
)
@click.option(
    "--connection-string-file",
    type=_file,
    help=f"File that holds the account's connection string. Or {_SECRETS['connection_string']}.",
)
@click.option("--container", "containers", multiple=True, help="A container; repeatable. Default: those of registries.")
@stretch_options(required=False)
@click.option("--registry", "registries", multiple=True, help="Only this registry; repeatable.")
@json_option
@pass_session
def archive(
    session: Session,
    /,
    account_url: str | None,
    sas_url_file: Path | None,
    connection_string_file: Path | None,
    containers: tuple[str, ...],
    since: str | None,
    until: str | None,
    registries: tuple[str, ...],
    alert: bool,
    as_json: bool,
) -> None:
    """Read the storage account that a diagnostic setting, or an export of Log Analytics, fills.

    The account is the given one, else that of the configured `archive` source. Hours are those in which Azure received
    the records. A blob read before, by this command or by a source, is gone on with. Alerts of what is read are
    historical, listed and not delivered, unless --alert is given.
    """
    from ingest.archive.look import Hours

    now = session.clock.now()
    begin = None if since is None else moment(since, now, "--from").replace(minute=0, second=0, microsecond=0)
    hours = Hours(begin, moment(until, now, "--to") if until else now, registries)
    if begin is not None and begin >= hours.until:
        raise ConfigError(f"--from {since} lies after --to {until or 'now'}", remedy="Exchange them")
    given = {"account_url": account_url, **_secrets(sas_url_file, connection_string_file)}
    chosen = _chosen(session, given, containers)
    with session.parts() as parts:
        found = _read_all(parts, chosen, hours, BACKFILL_ALERT if alert else BACKFILL, named=bool(containers))
    if as_json:
        write_json(found)
    if any(one["events"] for one in found):
        note("`acrwatch detect --once` judges them now; a running service does by itself.")


def _secrets(sas_url_file: Path | None, connection_string_file: Path | None) -> dict[str, object]:
    """Return what files, else variables, hold. A command line would show it to everyone on the machine."""
    from acrwatch.core.secret import Secret

    found: dict[str, object] = {}
    for name, path in zip(_SECRETS, (sas_url_file, connection_string_file), strict=True):
        if path is not None:
            try:
                found[name] = Secret(path.read_text(encoding="utf-8").strip())
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
                raise ConfigError(f"{path} cannot be read: {why}", remedy="Name the file that holds it") from None
    if not found:
        found = {name: Secret(os.environ[variable]) for name, variable in _SECRETS.items() if os.environ.get(variable)}
    return found


def _chosen(session: Session, given: dict[str, object], containers: Sequence[str]) -> list[dict[str, object]]:
    """Return the settings of each container to read."""
    from ingest.sources.archive import SETTINGS

    if any(value is not None for value in given.values()):
        values = {setting.name: setting.default for setting in SETTINGS} | given
        return [{**values, "container": name} for name in containers or USUAL]
    configured = [dict(one.values) for one in session.config.sources if one.type == "archive"]
    if not configured:
        raise ConfigError(
            "no storage account is given, and no archive source is configured",
            remedy="Say which with --account-url, --sas-url-file or --connection-string-file",
        )
    return [{**configured[0], "container": name} for name in containers] or configured


def _read_all(
    parts: "Parts", chosen: Sequence[dict[str, object]], hours: "Hours", road: str, *, named: bool
) -> list[dict[str, Any]]:
    """Read one container after the other; one of the usual ones may be missing, if another is there."""
    found: list[dict[str, Any]] = []
    missing: list[NotFoundError] = []
    for values in chosen:
        try:
            found.append(_read(parts, values, hours, road))
        except NotFoundError as error:
            if named:
                raise
            missing.append(error)
            note(f"{error.message}.")
    if missing and not found:
        raise missing[0]
    return found


def _read(parts: "Parts", values: dict[str, object], hours: "Hours", road: str) -> dict[str, Any]:
    from scheduler import BULK_COMMIT_INTERVAL

    source, pipeline = parts.reading(lambda opening: _source(values, opening, hours, road), BULK_COMMIT_INTERVAL)
    with progress_bar(source, "Reading"):
        counts = pipeline.run_once()
    done = source.progress
    if not done.files_total:
        note(f"{values['container']}: no blob of these hours.")
    else:
        skipped = f" ({done.files_skipped} read before)" if done.files_skipped else ""
        note(f"{values['container']}: {counted(done.files_total, 'blob')}{skipped}: {sentence(counts)}")
    blobs = {"container": values["container"], "blobs": done.files_total, "blobs_skipped": done.files_skipped}
    return {**blobs, **dataclasses.asdict(counts)}


def _source(values: dict[str, object], opening: Any, hours: "Hours", road: str) -> "ArchiveSource":
    from ingest.archive.address import from_settings
    from ingest.sources.archive import RELIST, ArchiveSource

    relist: Any = values.get("relist") or RELIST
    return ArchiveSource(from_settings(values), opening, relist=relist, backfill=hours, road=road)
