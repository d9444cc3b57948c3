"""Labels that acrwatch ships: identities of Azure's own services, user agents that no registry client has."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from acrwatch.core.registry import RegistryContext


@dataclass(frozen=True, slots=True)
class Label:
    """What a value of a list is known to be, and where that is from."""

    value: str
    label: str
    source: str


@cache
def labels() -> Mapping[str, tuple[Label, ...]]:
    """Return the shipped labels by the name of their list (`shipped_context.toml`)."""
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return MappingProxyType({name: tuple(Label(**one) for one in found) for name, found in tomllib.loads(text).items()})


def shipped() -> RegistryContext:
    """Return the lists that the labels are of."""
    return RegistryContext(lists={name: tuple(one.value for one in found) for name, found in labels().items()})
