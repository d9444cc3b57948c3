"""The command `acrwatch` itself: options that hold for every command, and the table of commands."""

from pathlib import Path
from typing import Final

import click

from acrwatch import __version__
from acrwatch.cli.lazy import Entry, LazyGroup

COMMANDS: Final = {
    "demo": Entry("acrwatch.cli.demo:demo", "See the whole thing work, on simulated traffic and without Azure."),
    "init": Entry("acrwatch.cli.init:init", "Write a commented acrwatch.toml and print the next steps."),
    "check": Entry("acrwatch.cli.check:check", "Check that everything works, and say what to do where it does not."),
    "run": Entry("acrwatch.cli.service:run", "Ingest, detect and deliver until stopped."),
    "ingest": Entry("acrwatch.cli.ingest:ingest", "Read the configured sources into the lake."),
    "import": Entry("acrwatch.cli.imports:import_files", "Import files of audit records."),
    "backfill": Entry("acrwatch.cli.backfill:backfill", "Bring history that Azure keeps elsewhere."),
    "detect": Entry("acrwatch.cli.service:detect", "Judge new events by the rules."),
    "deliver": Entry("acrwatch.cli.service:deliver", "Send what waits in the outbox to its destinations."),
    "alerts": Entry("acrwatch.cli.alerts:alerts", "List, read, assign and close alerts."),
    "events": Entry("acrwatch.cli.events:events", "Query stored events by SQL, and watch new ones come."),
    "suppressions": Entry("acrwatch.cli.suppressions:suppressions", "Say what need not be told, how long, and why."),
    "entities": Entry("acrwatch.cli.entities:entities", "See whom alerts speak of."),
    "incidents": Entry("acrwatch.cli.incidents:incidents", "List and acknowledge what makes acrwatch blind."),
    "rejects": Entry("acrwatch.cli.rejects:rejects", "List and replay records that could not become events."),
    "rules": Entry("acrwatch.cli.rules:rules", "List, read, test and check detection rules."),
    "context": Entry("acrwatch.cli.context:context", "Import and read what rules know of the registries."),
    "report": Entry("acrwatch.cli.report:report", "Write a shift, or one alert and what lies around it, as HTML."),
    "posture": Entry("acrwatch.cli.posture:posture", "Report registries against documented good practice."),
    "watch": Entry(
        "acrwatch.cli.watch:watch", "Be told of each event that an address, digest or identity has in a registry's log."
    ),
    "destinations": Entry("acrwatch.cli.destinations:destinations", "List and test where alerts are sent."),
    "deliveries": Entry("acrwatch.cli.deliveries:deliveries", "List and retry what was sent, waits or was given up."),
    "config": Entry("acrwatch.cli.config:config", "Show the configuration in force."),
    "db": Entry("acrwatch.cli.db:db", "Look after the state database and the lake."),
    "devhub": Entry("acrwatch.cli.devhub:devhub", "Serve a local Event Hubs endpoint for development."),
    "simulate": Entry("acrwatch.cli.simulate:simulate", "Make registry traffic with labelled attacks."),
    "version": Entry("acrwatch.cli.version:version", "Show the version."),
}


@click.group(cls=LazyGroup, entries=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="ACRWATCH_CONFIG",
    help="Configuration file. Default: ./acrwatch.toml, if there is one.",
)
@click.option("-v", "--verbose", count=True, help="Log more; twice: the libraries' messages too.")
@click.option("-q", "--quiet", is_flag=True, help="Log only warnings and errors.")
@click.version_option(__version__, prog_name="acrwatch", message="%(prog)s %(version)s")
@click.pass_context
def root(ctx: click.Context, config_path: Path | None, verbose: int, quiet: bool) -> None:
    """Audit-log analytics and alerting for Azure Container Registry."""
    from acrwatch.cli.session import Session
    from acrwatch.core.log import set_up
    from acrwatch.core.siblings import check_siblings

    set_up(verbosity=verbose, quiet=quiet)
    check_siblings()
    ctx.obj = Session(config_path, clock=ctx.obj)
