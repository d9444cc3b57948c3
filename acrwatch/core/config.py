"""The configuration: one table of settings per section, read from a file and the environment, wholly checked at once.

Order of precedence: `ACRWATCH__SECTION__KEY`, then the file, then the default. A secret may be given as the path of a
file that holds it, under the same name with `_FILE` (in TOML `_file`). Relative paths are relative to the folder of the
configuration file, whoever set them, or to the working directory where there is no file.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from acrwatch.core.layers import Tree, overlay, read_file
from acrwatch.core.registry import ELSEWHERE, EVERY, SETTINGS, RegistryContext, from_settings
from acrwatch.core.section import Entry, SectionReader
from acrwatch.core.setting import (
    REQUIRED,
    DatabaseUrl,
    Setting,
    at_least_a_day,
    database_url,
    duration,
    file_path,
    paths,
    text,
)

DEFAULT_FILE: Final = "acrwatch.toml"

STORE: Final = (
    Setting("path", text, "./data/lake", "The folder where events are kept."),
    Setting(
        "database",
        database_url,
        DatabaseUrl("sqlite:///data/state.db"),
        "State: sqlite:///FILE, or postgresql+psycopg://USER@HOST/NAME.",
    ),
    Setting(
        "retention",
        duration,
        None,
        "Events older than this on arrival are refused, and counted; stored dates go whole. Without it, all is kept.",
    ),
    Setting(
        "closed_after",
        duration,
        timedelta(hours=36),
        "A date that ended this long ago, and got nothing new since, is put in order for look-ups.",
    ),
    Setting(
        "state_retention",
        at_least_a_day,
        timedelta(days=30),
        "How long runs, finished deliveries and replayed rejects are remembered, at least 1d. What was not delivered "
        "is never forgotten.",
    ),
)
DETECTIONS: Final = (
    Setting(
        "every", duration, timedelta(seconds=30), "Fallback between passes; a commit of new events wakes one at once."
    ),
    Setting(
        "lateness",
        duration,
        timedelta(hours=24),
        "Events later than this raise only historical alerts, which are not delivered.",
    ),
    Setting(
        "geoip",
        file_path,
        None,
        "A GeoIP file (.mmdb, City or Country) of yours, for detections that ask for countries and distances.",
    ),
    Setting("rules", paths, (), "Folders (or files) of rules of your own, used beside those that come with acrwatch."),
)
TYPE: Final = Setting("type", text, REQUIRED, "Which kind it is; decides the other keys.")
NAME: Final = Setting("name", text, REQUIRED, "A unique name of letters, digits, dots, hyphens and underscores.")

SettingTables = Mapping[str, tuple[Setting[Any], ...]]


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """Where things are kept. `path` and `database` are absolute, or URLs."""

    path: str
    database: str
    retention: timedelta | None
    closed_after: timedelta
    state_retention: timedelta


@dataclass(frozen=True, slots=True)
class DetectionsConfig:
    """When detections run, how late an event may come, where further rules are and a GeoIP file (absolute paths)."""

    every: timedelta
    lateness: timedelta
    rules: tuple[Path, ...] = ()
    geoip: Path | None = None


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One `[[sources]]` item: parsed values by setting name, and where it stands (for messages)."""

    type: str
    values: Mapping[str, object]
    where: str


@dataclass(frozen=True, slots=True)
class DestinationConfig:
    """One `[[destinations]]` item."""

    name: str
    type: str
    values: Mapping[str, object]
    where: str


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that was configured. `entries` lists each value with its origin, in the order of the tables.

    `registries` are those named; what holds for every registry (`[registries."*"]`) is `every_registry`.
    """

    store: StoreConfig
    detections: DetectionsConfig
    registries: Mapping[str, RegistryContext]
    every_registry: RegistryContext
    sources: tuple[SourceConfig, ...]
    destinations: tuple[DestinationConfig, ...]
    path: Path | None = None
    entries: tuple[Entry, ...] = field(default=(), repr=False)


class _Item(NamedTuple):
    head: dict[str, Any]
    type: str
    values: Mapping[str, object]
    where: str


def load(
    path: Path | None,
    environ: Mapping[str, str],
    *,
    source_settings: SettingTables,
    destination_settings: SettingTables,
) -> Config:
    """Read `path` (None: ./acrwatch.toml if there is one) and the environment.

    The two tables map each known `type` to its settings. Raises ConfigError that lists every mistake found, each with
    its place and, for a misspelt name, the nearest known one.
    """
    path = path or (Path(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else None)
    tree: Tree = read_file(path) if path else {}
    base = (path.parent if path else Path()).absolute()
    reader = SectionReader(tree, str(path) if path else "the environment", base, overlay(tree, environ))
    reader.known_sections(("store", "detections", "registries", "sources", "destinations"))
    store = reader.values(("store",), STORE)
    detections = reader.values(("detections",), DETECTIONS)
    registries = _registries(reader)
    sources = [
        SourceConfig(item.type, item.values, item.where) for item in _items(reader, "sources", (), source_settings)
    ]
    destinations = _destinations(reader, destination_settings)
    reader.raise_mistakes()
    return Config(
        store=StoreConfig(**_located(store, base)),
        detections=DetectionsConfig(**detections),
        registries=MappingProxyType({name: one for name, one in registries.items() if name != EVERY}),
        every_registry=registries.get(EVERY, RegistryContext()),
        sources=tuple(sources),
        destinations=destinations,
        path=path,
        entries=tuple(reader.entries),
    )


def _registries(reader: SectionReader) -> dict[str, RegistryContext]:
    found: dict[str, RegistryContext] = {}
    for keys in reader.tables(("registries",)):
        name = keys[-1].casefold()
        if not re.fullmatch(r"[a-z0-9]+|\*", name):
            hint = name.partition(".")[0]
            reader.mistake(
                keys, f"is no registry name; write the name alone (perhaps `[registries.{hint}]`), not its login server"
            )
        elif name in found:
            reader.mistake(keys, f"registry {name} is configured twice; upper and lower case are the same")
        else:
            found[name] = from_settings(reader.values(keys, SETTINGS, elsewhere=ELSEWHERE))
    return found


def _destinations(reader: SectionReader, tables: SettingTables) -> tuple[DestinationConfig, ...]:
    found: dict[str, DestinationConfig] = {}
    for item in _items(reader, "destinations", (NAME,), tables):
        name = item.head["name"]
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", name):
            reader.note(
                f"{item.where}: name {name!r} may have only letters, digits, dots, hyphens and underscores, at most 100"
            )
        elif name in found:
            reader.note(f"{item.where}: name {name!r} is taken by {found[name].where}")
        else:
            found[name] = DestinationConfig(name, item.type, item.values, item.where)
    return tuple(found.values())


def _items(reader: SectionReader, section: str, head: tuple[Setting[Any], ...], tables: SettingTables) -> list[_Item]:
    """Return every item of a list whose type is known and whose head (such as its name) is in order."""
    found: list[_Item] = []
    for keys in reader.items(section):
        kind = reader.values(keys, (TYPE,), others_allowed=True).get("type")
        if kind is not None and kind not in tables:
            reader.unknown_word((*keys, "type"), f"type {kind!r}", str(kind), tables)
        elif kind is not None:
            values = reader.values(keys, (*head, *tables[kind]), also_known=("type",))
            start = {setting.name: values.pop(setting.name) for setting in head if setting.name in values}
            if len(start) == len(head):
                found.append(_Item(start, str(kind), MappingProxyType(values), reader.where(keys)))
    return found


def _located(store: dict[str, Any], base: Path) -> dict[str, Any]:
    path, database = store["path"], store["database"].reveal()
    located = path if "://" in path else str((base / path).resolve())
    relative = re.fullmatch(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:)(.+)", database)
    if relative:
        database = f"{relative[1]}{(base / relative[2]).resolve()}"
    return {**store, "path": located, "database": database}
