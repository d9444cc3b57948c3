"""The tolerant path: one record of any shape Azure is known or suspected to write, read member by member.

Members are looked up in `properties`, then at top level, ignoring case, by their wire and their Log Analytics names;
which names these are comes from the column table in `storage/schema.py`. What no column knows is kept in `extra`.
"""

from typing import Any, Final

import msgspec
import pyarrow as pa

from ingest.activity.reading import is_control, read_control
from ingest.identity import identity_in
from ingest.json_object import object_in, object_of
from ingest.rows import ABSENT, ABSENT_GUIDS, GUID_COLUMNS, PLACE, RAW_COLUMNS, TEXT_LIMIT, Row, UnfitError, shown
from ingest.values import parse_duration, parse_size, parse_time
from ingest.wire import extra_text
from storage.activity_row import ControlRecord
from storage.schema import CATEGORIES, Column

_CATEGORY_BY_FOLD: Final = {category.casefold(): category for category in CATEGORIES}
_ABSENT_IN_GUIDS: Final = ABSENT | ABSENT_GUIDS
_TEXT_COLUMNS: Final = frozenset(column.name for column in RAW_COLUMNS if column.type == pa.string())
_QUOTES: Final = "'\""
# Azure Monitor puts `_ResourceId` into its tables; query results and some exports drop the underscore.
_ALIASES: Final = {"resource_id": ("resourceid",)}
# In a Log Analytics row `TenantId` is the workspace; the caller's tenant, on the wire `tenantId`, is `UserTenantId`.
_NOT_IN_LOG_ANALYTICS: Final = "tenantid"


def _names(column: Column) -> tuple[str, ...]:
    names = [column.wire or "", column.log_analytics or "", *_ALIASES.get(column.name, ())]
    return tuple(dict.fromkeys(name.casefold() for name in names))


_WIRE_NAMES: Final = tuple((column, _names(column)) for column in RAW_COLUMNS)
_ROW_NAMES: Final = tuple(
    (column, tuple(name for name in names if name != _NOT_IN_LOG_ANALYTICS)) for column, names in _WIRE_NAMES
)


class _Members:
    """The members of one JSON object, found whatever their case; remembers which were used.

    Of two spellings of one name the first is found; the other is left over.
    """

    def __init__(self, members: dict[str, Any]) -> None:
        self._members = members
        self._used: set[str] = set()
        self._spellings: dict[str, str] = {}
        self.values: dict[str, Any] = {}
        for name, value in members.items():
            folded = name.casefold()
            if folded not in self.values:
                self.values[folded] = value
                self._spellings[folded] = name

    def take(self, folded: str) -> None:
        """Mark a member as used."""
        self._used.add(self._spellings[folded])

    def open_text(self, folded: str) -> None:
        """Replace a text that holds a JSON object by that object."""
        members = object_in(self.values.get(folded))
        if members is not None:
            self.values[folded] = members
            self._members = {**self._members, self._spellings[folded]: members}

    def left(self) -> dict[str, Any]:
        """Return the members not used, without those that are null."""
        return {k: v for k, v in self._members.items() if v is not None and k not in self._used}


def read_record(raw: bytes) -> Row | ControlRecord | str:
    """Return one record as a row, as one of the control plane, or as the name of the counter that it is skipped under.

    Skipped are metrics (`metric`), records of other categories (`category:<name>`), and control-plane records about
    anything but a registry (`activity:<provider>`). Raises UnfitError where the
    record cannot become an event; never anything else, whatever the bytes.
    """
    try:
        return _read(object_of(raw))
    except RecursionError:
        raise UnfitError("too_deep", "the record nests more levels than can be followed") from None


def _read(record: dict[str, Any]) -> Row | ControlRecord | str:
    top = _Members(record)
    if is_control(top.values):
        return read_control(record)
    is_row = "time" not in top.values and ("timegenerated" in top.values or "_resourceid" in top.values)
    category = _category(top)
    if category not in CATEGORIES:
        return category
    inner = _properties(top)
    if is_row:
        top.open_text("identity")  # what is an object on the wire is its JSON text in a Log Analytics string column
    values = [_value(column, names, inner, top) for column, names in (_ROW_NAMES if is_row else _WIRE_NAMES)]
    values[PLACE["category"]] = category
    _check(values)
    return (*values, _extra(inner, top))


def _category(top: _Members) -> str:
    """Return the category as the table spells it, or the name of the counter for a record of no interest."""
    value = top.values.get("category") or top.values.get("type")
    if value is None and "metricname" in top.values:
        return "metric"
    if not isinstance(value, str):
        reason = "missing_member" if value in (None, "") else "wrong_type"
        raise UnfitError(reason, f"category is {shown(value)} where a text is required")
    return _CATEGORY_BY_FOLD.get(value.casefold()) or f"category:{shown(value).strip(_QUOTES)}"


def _properties(top: _Members) -> _Members:
    """Return the members of `properties`, which some exporters write as JSON inside a text."""
    top.open_text("properties")
    members = top.values.get("properties")
    if isinstance(members, dict):
        top.take("properties")
        return _Members(members)
    return _Members({})


def _value(column: Column, names: tuple[str, ...], inner: _Members, top: _Members) -> Any:
    """Return the first present value of a column, as its type; leave for `extra` what cannot be such a value."""
    absent = _ABSENT_IN_GUIDS if column.name in GUID_COLUMNS else ABSENT
    for members in (inner, top):
        for name in names:
            if name not in members.values:
                continue
            value = members.values[name]
            if value is None or (isinstance(value, str) and value in absent):
                members.take(name)
                continue
            return _typed(column, name, value, members)
    return None


def _typed(column: Column, name: str, value: Any, members: _Members) -> Any:
    if column.name in _TEXT_COLUMNS:
        text = _identity(value) if column.name == "identity" else _text(column, value)
        if column.name != "identity" or not isinstance(value, dict):
            members.take(name)
        return text
    if column.name == "event_time":
        members.take(name)
        return _time(value)
    number = parse_size(value) if column.name == "size" else _duration(value)
    if number is not None:
        members.take(name)
    return number


def _text(column: Column, value: Any) -> str:
    if isinstance(value, dict | list):
        raise UnfitError("wrong_type", f"{column.wire} is {shown(value)} where a text is expected")
    text = value if isinstance(value, str) else _number_text(value)
    if len(text) > TEXT_LIMIT:
        raise UnfitError(
            "text_too_long", f"{column.wire} {shown(text)} has {len(text)} characters, more than {TEXT_LIMIT}"
        )
    return text


def _number_text(value: bool | float) -> str:
    """Return a JSON number or truth value as text; 200.0 as `200`, so that a status is one text however it is sent."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return msgspec.json.encode(value).decode() if isinstance(value, bool | float) else str(value)


_IDENTITY: Final = next(column for column in RAW_COLUMNS if column.name == "identity")


def _identity(value: Any) -> str:
    """Return the principal of an identity given as text or as a claims object.

    An object that names nobody we can recognise is kept as its JSON text: absent would mean anonymous, and it is not.
    """
    return _text(_IDENTITY, identity_in(value) or extra_text(value) if isinstance(value, dict) else value)


def _time(value: Any) -> int:
    if not isinstance(value, str):
        raise UnfitError("wrong_type", f"time is {shown(value)} where a text is expected")
    return parse_time(value)


def _duration(value: Any) -> float | None:
    return parse_duration(str(value)) if isinstance(value, str | float | int) else None


def _check(values: list[Any]) -> None:
    for column, value in zip(RAW_COLUMNS, values, strict=True):
        if column.required and value is None:
            raise UnfitError("missing_member", f"{column.wire} is absent, and no event can be without it")


def _extra(inner: _Members, top: _Members) -> str | None:
    left, nested = top.left(), inner.left()
    if nested:
        left["properties"] = nested
    if not left:
        return None
    text = extra_text(left)
    if len(text) > TEXT_LIMIT:
        raise UnfitError("text_too_long", f"unknown members have {len(text)} characters, more than {TEXT_LIMIT}")
    return text
