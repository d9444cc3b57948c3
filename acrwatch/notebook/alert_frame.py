"""Alerts as a DataFrame, severities in their order."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from acrwatch.choosing import SEVERITIES
from acrwatch.notebook.frames import frame_of


def alert_frame(table: pa.Table, query: Mapping[str, Any]) -> pd.DataFrame:
    """Return alerts as a frame; `severity` is an ordered category, so that `frame.severity >= "medium"` holds."""
    frame = frame_of(table, query)
    frame["severity"] = pd.Categorical(frame["severity"], categories=list(SEVERITIES), ordered=True)
    return frame
