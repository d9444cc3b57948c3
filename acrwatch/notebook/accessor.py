"""`df.acr`: what investigators ask of a frame of events, registered when this module is imported."""

from collections.abc import Iterable

import pandas as pd


@pd.api.extensions.register_dataframe_accessor("acr")
class Acr:
    """Questions to a frame of events. Each raises AttributeError that names the columns it lacks."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def _with(self, columns: Iterable[str]) -> pd.DataFrame:
        missing = [name for name in columns if name not in self._frame.columns]
        if missing:
            raise AttributeError(f"df.acr needs the columns {', '.join(missing)}, which this frame lacks")
        return self._frame
