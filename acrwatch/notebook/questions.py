"""What a question to a frame needs of it: columns that are there, once, with what can be counted in them."""

from collections.abc import Collection, Sequence
from typing import Final

import pandas as pd

from acrwatch.core.errors import ConfigError

TIME: Final = "event_time"
SUCCEEDED: Final = "succeeded"
_CONVERT: Final = 'Convert it first: df.assign(event_time=pd.to_datetime(df["event_time"], utc=True))'


def needed(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the frame if it has these columns, each once, and in them what can be counted.

    Raises AttributeError that names the missing ones, ConfigError.
    """
    asked = list(dict.fromkeys(columns))
    missing = [name for name in asked if name not in frame.columns]
    if missing:
        raise AttributeError(f"df.acr needs columns that the frame lacks: {', '.join(map(str, missing))}")
    for name in asked:
        _refuse_uncountable(frame, name)
    return frame


def rows(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return these columns of a frame, under an index that means nothing: one of theirs may bear a column's name.

    Raises as `needed` does.
    """
    return needed(frame, columns)[list(dict.fromkeys(columns))].reset_index(drop=True)


def names_of(given: str | Sequence[str], argument: str, *, answer: Collection[str]) -> list[str]:
    """Return the columns that an argument names, each once; a text is one. `answer` are the columns of the answer.

    Raises ConfigError where there is none, or where the answer would have two columns of one name.
    """
    names = [given] if isinstance(given, str) else list(dict.fromkeys(given))
    if not names:
        raise ConfigError(f"{argument}={given!r} names no column", remedy="Pass one such as 'identity', or several")
    if both := [name for name in names if name in answer]:
        raise ConfigError(
            f"{argument} names {both[0]!r}, which is a column of the answer too",
            remedy=f"Rename it first: df.rename(columns={{{both[0]!r}: 'my_{both[0]}'}})",
        )
    return names


def failures(frame: pd.DataFrame) -> pd.Series:
    """Return which events failed; one whose status is not known has no 2xx status, so it did. Raises ConfigError."""
    try:
        return ~frame[SUCCEEDED].astype("boolean").fillna(False).astype(bool)
    except (TypeError, ValueError) as error:
        first = frame[SUCCEEDED].dropna().iloc[0]
        raise ConfigError(
            f"column {SUCCEEDED} of the frame holds what is no truth value, such as {first!r}",
            remedy="Pass a frame of c.events(...), or rows of one",
        ) from error


def _refuse_uncountable(frame: pd.DataFrame, name: str) -> None:
    column = frame[name]
    if isinstance(column, pd.DataFrame):
        raise ConfigError(
            f"the frame has column {name} {column.shape[1]} times",
            remedy="Keep one of them: df.loc[:, ~df.columns.duplicated()]",
        )
    values = column.dropna()
    if values.empty:
        return
    if name == TIME and not pd.api.types.is_datetime64_any_dtype(column.dtype):
        raise ConfigError(
            f"column {TIME} of the frame holds no times but {column.dtype}, such as {values.iloc[0]!r}", remedy=_CONVERT
        )
    if column.dtype == object:  # frames of ours have none of these, and none that was only read is slow
        held = values.map(type)
        if not (uncountable := values[held.isin((list, dict, set))]).empty:
            raise ConfigError(
                f"column {name} of the frame holds values that cannot be counted, such as {uncountable.iloc[0]!r}",
                remedy=f"Give each a row, df.explode({name!r}), or make texts of them",
            )
