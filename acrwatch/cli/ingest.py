"""`acrwatch ingest`: from the configured sources into the lake."""

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

import click

from acrwatch.cli.output import json_option, note, write_json
from acrwatch.cli.session import Session, pass_session
from acrwatch.cli.turns import side_by_side
from acrwatch.core.errors import AcrWatchError, ConfigError, NotFoundError
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from acrwatch.core.config import SourceConfig
    from ingest.pipeline import Counts
    from scheduler import Parts


@click.group(invoke_without_command=True)
@click.option("--once", is_flag=True, help="Until every source is caught up; then print counts and end.")
@json_option
@click.pass_context
def ingest(ctx: click.Context, once: bool, as_json: bool) -> None:
    """Read the configured sources into the lake."""
    if ctx.invoked_subcommand:
        return
    session: Session = ctx.obj
    if not session.config.sources:
        raise ConfigError("no sources are configured", remedy="`acrwatch init` shows how to write one")
    with session.parts() as parts:
        if once:
            _ingest_once(parts, as_json=as_json)
        else:
            side_by_side([pipeline.run for pipeline in parts.pipelines(lambda: None)])


@ingest.command()
@click.option("--source", "number", type=click.IntRange(min=0), help="Which of [[sources]], from 0; needed if several.")
@click.option("--partition", "partitions", multiple=True, help="Only this partition; repeatable.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_session
def reset(session: Session, /, number: int | None, partitions: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Read an event hub from its beginning again, in a new epoch.

    For a hub that was deleted and made anew, or failed over: its sequence numbers went back. Stored events stay, and
    those that are read again are recognised.
    """
    from ingest.sources import eventhub

    source = _event_hub(session, number)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("Without a terminal to ask on, reset needs --yes")
        click.confirm(f"Read {source.where} from its beginning again?", abort=True, err=True)
    with session.parts() as parts:
        streams = eventhub.reset(source.values, parts.lake(), partitions)
    if as_json:
        write_json(streams)
    for partition, stream in {} if as_json else streams.items():
        note(f"Partition {partition} goes on as {stream}.")


def _ingest_once(parts: "Parts", *, as_json: bool) -> None:
    """Let every source catch up, then raise the first error met; one that fails does not keep the others from it."""
    results: list[dict[str, Any]] = []
    errors: list[AcrWatchError] = []
    for source, pipeline in zip(parts.config.sources, parts.pipelines(lambda: None), strict=True):
        try:
            pipeline.run_once()
        except AcrWatchError as error:
            errors.append(error)
        results.append({"source": source.where, "type": source.type, **dataclasses.asdict(pipeline.counts)})
        if not as_json:
            note(f"{source.where}: {sentence(pipeline.counts)}")
    if as_json:
        write_json(results)
    if errors:
        raise errors[0]


def sentence(counts: "Counts") -> str:
    """Return what became of the messages, as people read it."""
    parts = [f"{counted(counts.events, 'new event')} from {counted(counts.messages, 'message')}"]
    if counts.duplicates:
        parts.append(f"{counts.duplicates} known already")
    if counts.redelivered:
        parts.append(f"{counts.redelivered} read a second time")
    if counts.rejects:
        parts.append(f"{counts.rejects} rejected (see `acrwatch rejects list`)")
    parts += [f"{number} skipped as {reason}" for reason, number in sorted(counts.skipped.items())]
    return ", ".join(parts) + "."


def _event_hub(session: Session, number: int | None) -> "SourceConfig":
    hubs = [source for source in session.config.sources if source.type == "eventhub"]
    if number is not None:
        chosen = session.config.sources[number : number + 1]
        if not chosen or chosen[0].type != "eventhub":
            raise NotFoundError(f"source {number} is no event hub", remedy="`acrwatch config show` lists the sources")
        return chosen[0]
    if len(hubs) != 1:
        raise ConfigError(f"{len(hubs)} event hubs are configured", remedy="Say which with --source")
    return hubs[0]
