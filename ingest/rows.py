"""What the decode stages hand to each other: rows of raw columns, and why a record is none."""

from typing import Any, Final, TypeAlias

from storage.schema import COLUMNS

RAW_COLUMNS: Final = tuple(column for column in COLUMNS if column.wire is not None)
"""The columns that a record fills, in the order of `Row`; `extra` follows them."""

RAW_NAMES: Final = (*(column.name for column in RAW_COLUMNS), "extra")
PLACE: Final = {name: index for index, name in enumerate(RAW_NAMES)}

Row: TypeAlias = tuple[Any, ...]
"""One event before derivation: a value or None per name of RAW_NAMES; `event_time` is microseconds since 1970 UTC."""

TEXT_LIMIT: Final = 65_536
"""Characters a text may hold. Event Hubs carries 1 MB per message; no member of an audit record comes near 64 Ki."""

SHOWN_LIMIT: Final = 80
"""Characters of a value quoted in a reject's detail: enough to recognise it, too few to flood a page."""

ABSENT: Final = frozenset({"", "<nil>"})
"""Texts that say "no value": `<nil>` is Go's nil, as the registry logs a digest it could not resolve."""

GUID_COLUMNS: Final = frozenset({"correlation_id", "jwt_id", "user_tenant_id"})
ABSENT_GUIDS: Final = frozenset({"null", "None"})
"""Exporters of Log Analytics rows print these for a guid they lack. Only there: a tag may well be called "null"."""


class UnfitError(ValueError):
    """A record cannot become an event. `reason` is a short stable word, `detail` a sentence naming member and value."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def shown(value: object, *, quoted: bool = True) -> str:
    """Return a value for a sentence, as JSON names it: texts and bytes quoted (those that are JSON themselves need
    not be), printable ASCII, cut to SHOWN_LIMIT characters."""
    if isinstance(value, str | bytes):
        # Cut first: ascii() of a hostile megabyte would cost four.
        sample = value[: SHOWN_LIMIT + 1]
        text = ascii(sample if isinstance(sample, str) else sample.decode("latin-1"))
        text = text if quoted else text[1:-1]
    elif value is None or isinstance(value, bool):
        text = "null" if value is None else str(value).lower()
    else:
        text = ascii(value) if isinstance(value, int | float) else f"a JSON {_json_kind(value)}"
    return text if len(text) <= SHOWN_LIMIT else text[: SHOWN_LIMIT - 3] + "..."


def _json_kind(value: object) -> str:
    return "array" if isinstance(value, list) else "object"
