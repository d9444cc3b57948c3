"""Adding a kind of source is adding a module."""

from types import ModuleType

import pytest

from acrwatch.core.errors import ConfigError
from ingest.sources.discover import collect, source_types


def module(name: str, **members: object) -> ModuleType:
    made = ModuleType(name)
    made.__dict__.update(members)
    return made


def test_every_module_with_a_type_is_a_kind_of_source() -> None:
    assert {"eventhub", "files"} <= source_types().keys()


def test_the_mapping_is_fresh_each_time() -> None:
    source_types().clear()
    assert source_types()


def test_modules_without_a_type_are_none() -> None:
    assert collect([module("plain")]) == {}


def test_two_modules_with_one_type_are_refused() -> None:
    twice = [module(name, TYPE="queue", SETTINGS=(), open=print) for name in ("a", "b")]
    with pytest.raises(ConfigError, match="'queue' is claimed by a and b"):
        collect(twice)


def test_every_setting_has_a_default_that_its_own_reader_may_return() -> None:
    for kind in source_types().values():
        assert len({setting.name for setting in kind.settings}) == len(kind.settings)
        assert all(setting.doc.endswith(".") for setting in kind.settings)
