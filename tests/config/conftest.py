"""Loading a configuration as tests need it: a file in a temporary folder, and two invented kinds of source and sink."""

from collections.abc import Callable
from pathlib import Path

import pytest

from acrwatch.core.config import Config, load
from acrwatch.core.setting import REQUIRED, Setting, boolean, duration, integer, paths, secret, text

SOURCES = {
    "eventhub": (
        Setting("connection_string", secret, None, "The string."),
        Setting("eventhub", text, REQUIRED, "The hub."),
        Setting("commit_interval", duration, duration("5s"), "How often."),
    ),
    "files": (
        Setting("folder", Path, Path("inbox"), "The folder."),  # type: ignore[arg-type]
        Setting("paths", paths, (), "More of them."),
    ),
}
DESTINATIONS = {
    "webhook": (
        Setting("url", text, REQUIRED, "The address."),
        Setting("secret", secret, None, "The signing secret."),
        Setting("attempts", integer, 12, "How many times."),
        Setting("historical", boolean, False, "Whether late ones too."),
    ),
    "file": (Setting("ca_file", text, None, "A setting whose name ends in _file."),),
}


@pytest.fixture
def load_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Config]:
    """Return a loader: TOML text becomes tmp_path/acrwatch.toml (None: no file), keywords become the environment."""
    monkeypatch.chdir(tmp_path)

    def loaded(toml: str | None = None, **environ: str) -> Config:
        path = tmp_path / "acrwatch.toml" if toml is not None else None
        if path:
            path.write_text(toml or "", encoding="utf-8")
        return load(path, environ, source_settings=SOURCES, destination_settings=DESTINATIONS)

    return loaded
