"""The configuration in force, with every kind of source and destination that is installed."""

from collections.abc import Mapping
from pathlib import Path

from acrwatch.core.config import Config, load


def configured(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read `path` (None: ./acrwatch.toml if there is one) and the environment. Raises ConfigError."""
    from acrwatch.delivery.sinks.discover import sink_types
    from ingest.sources.discover import source_types

    return load(
        path,
        environ,
        source_settings={name: kind.settings for name, kind in source_types().items()},
        destination_settings={name: kind.settings for name, kind in sink_types().items()},
    )
