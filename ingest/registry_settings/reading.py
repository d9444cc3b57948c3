"""Files of registry settings into facts: what each file is, of which registry, and everything that is wrong with them.

Files are judged together: either all are read or none, and one error names every mistake.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from acrwatch.core.errors import ConfigError, NotFoundError
from ingest.registry_settings.member import Member, WrongShapeError
from ingest.registry_settings.shapes import SHAPES, Shape

_NAME: Final = re.compile("[a-z0-9]{2,50}")
# The settings of a thousand registries are some 5 MB; what is larger is no settings.
_MOST_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Reading:
    """What one file says of one registry: JSON values by name. `assumed` where the file itself names no registry;
    `passwords` is how many passwords the file held: they were left out.
    """

    file: str
    kind: str
    registry: str
    facts: Mapping[str, Any]
    assumed: bool = False
    passwords: int = 0


@dataclass(frozen=True, slots=True)
class _Part:
    """One document of a file, its registry perhaps still unknown."""

    file: str
    place: str
    shape: Shape
    registry: str | None
    facts: Mapping[str, Any]
    passwords: int


def read_settings(files: Iterable[Path], registry: str | None = None) -> list[Reading]:
    """Return what these files say. `registry` is meant where a file names none; without it, the one registry that the
    other files name.

    An empty list (`az acr token list` where there are no tokens) does not say what it lists, nor of which registry:
    beside other files it says nothing, alone it is a mistake.

    Raises NotFoundError for a file that does not exist, ConfigError that lists every mistake by file and member.
    """
    parts: list[_Part] = []
    mistakes: list[str] = []
    empty: list[str] = []
    for file in files:
        try:
            found = _parts(file)
        except WrongShapeError as error:
            mistakes.append(str(error))
            continue
        parts += found
        if not found:
            empty.append(f"{file}: an empty list does not say what it lists, nor of which registry")
    mistakes += [] if parts else empty
    assumed = registry.casefold() if registry else _only([part.registry for part in parts])
    named = [part if part.registry else replace(part, registry=assumed) for part in parts]
    mistakes += [_nameless(part) for part in named if part.registry is None]
    mistakes += [_contradiction(part, registry) for part in parts if registry and part.registry not in (None, assumed)]
    mistakes += [f"{part.place}: no registry is called like that" for part in named if _misnamed(part)]
    if mistakes:
        listed = "\n".join(f"  {line}" for line in dict.fromkeys(mistakes))
        raise ConfigError(f"nothing was imported, for there are mistakes:\n{listed}")
    return _joined(_reading(part, assumed=old.registry is None) for part, old in zip(named, parts, strict=True))


def _parts(file: Path) -> list[_Part]:
    document = Member(_json(file), str(file))
    items = _items(document)
    found = [_part(file, item) for item in items]
    for part, item in zip(found, items, strict=True):
        if part.shape.many and item is document:
            raise WrongShapeError(
                f"{file}: one of a registry's {part.shape.name}; import `{part.shape.command}`, all of them"
            )
    return found


def _items(document: Member) -> list[Member]:
    """Return the documents of a file: itself, or the items of a list, bare or as ARM wraps it."""
    wrapped = document["value"] if document.has("value") and not document.has("id") else document
    return wrapped.items() or [] if isinstance(wrapped.value, list) else [document]


def _part(file: Path, item: Member) -> _Part:
    if not isinstance(item.value, dict):
        raise WrongShapeError(f"{item.place}: expected an object, found something else; {_known()}")
    for shape in SHAPES:
        if shape.fits(item):
            facts = shape.facts(item)
            return _Part(str(file), item.place, shape, shape.registry(item), facts, _passwords(item.value))
    raise WrongShapeError(f"{item.place}: none of the shapes that are known; {_known()}")


def _known() -> str:
    return f"known are the outputs of {', '.join(f'`{shape.command}`' for shape in SHAPES)} (or of `az acr list`)"


def _json(file: Path) -> Any:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise WrongShapeError(
                f"{file}: larger than {_MOST_BYTES >> 20} MB; expected the output of one `az` command"
            )
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {file}", remedy="Check the path") from None
    except OSError as error:
        raise WrongShapeError(f"{file}: cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise WrongShapeError(f"{file}:{error.lineno}: not valid JSON: {error.msg} at column {error.colno}") from None
    except (UnicodeDecodeError, RecursionError):
        raise WrongShapeError(f"{file}: no JSON in UTF-8") from None
    except ValueError:  # of Python's own limit, which names no place
        most = f"{sys.get_int_max_str_digits():,}"
        raise WrongShapeError(f"{file}: holds a number of more than {most} digits, which no setting has") from None


def _passwords(value: Any) -> int:
    """Count the passwords in a document: each item of a list `passwords` that has a value."""
    found = 0
    if isinstance(value, dict):
        for name, child in value.items():
            items = child if name.casefold() == "passwords" and isinstance(child, list) else ()
            found += sum(1 for one in items if isinstance(one, dict) and one.get("value")) or _passwords(child)
    elif isinstance(value, list):
        found = sum(map(_passwords, value))
    return found


def _only(names: Sequence[str | None]) -> str | None:
    known = {name for name in names if name}
    return known.pop() if len(known) == 1 else None


def _nameless(part: _Part) -> str:
    return f"{part.place}: `{part.shape.command}` does not say which registry it is of; say it with --registry"


def _contradiction(part: _Part, registry: str | None) -> str:
    return f"{part.place}: this is of registry {part.registry}, not of {registry}"


def _misnamed(part: _Part) -> bool:
    return part.registry is not None and not _NAME.fullmatch(part.registry)


def _reading(part: _Part, *, assumed: bool) -> Reading:
    facts = {part.shape.name: [dict(part.facts)]} if part.shape.many else part.facts
    return Reading(part.file, part.shape.name, part.registry or "", facts, assumed, part.passwords)


def _joined(readings: Iterable[Reading]) -> list[Reading]:
    """Join what one file says of one registry: its tokens, one by one, are its list of tokens."""
    found: dict[tuple[str, str, str], Reading] = {}
    for one in readings:
        key = (one.file, one.kind, one.registry)
        found[key] = _together(found[key], one) if key in found else one
    return list(found.values())


def _together(first: Reading, second: Reading) -> Reading:
    facts = {
        name: [*value, *second.facts[name]]
        if isinstance(value, list) and name == first.kind
        else second.facts.get(name)
        for name, value in first.facts.items()
    }
    return replace(first, facts=facts, passwords=first.passwords + second.passwords)
