"""`acrwatch version`."""

import click

from acrwatch import __version__
from acrwatch.cli.output import json_option, write_json, write_text

_PARTS = ("azure-eventhub", "deltalake", "duckdb", "pyarrow", "pysigma", "sqlalchemy")


@click.command()
@json_option
def version(as_json: bool) -> None:
    """Show the version."""
    if not as_json:
        write_text(f"acrwatch {__version__}")
        return
    import platform
    from importlib.metadata import version as version_of

    parts = {name: version_of(name) for name in _PARTS}
    write_json({"version": __version__, "python": platform.python_version(), "system": platform.platform(), **parts})
