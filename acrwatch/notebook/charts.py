"""Charts of events: counted first, for Altair refuses more than 5,000 rows, and drawn in UTC.

Each returns an Altair chart, which notebooks show and `chart.save("FILE.svg")` writes without a browser or the network.
Needs the extra `charts`. What events hold is spelled as `acrwatch.notebook.inert` says: HTML may stand around a chart.
"""

import textwrap
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from acrwatch.core.errors import ConfigError
from acrwatch.notebook.inert import heading, restored, spelled, words

if TYPE_CHECKING:
    from altair import Chart, LayerChart

# Fewer than Altair's 5,000 rows in all: 150 buckets of 10 kinds, as many as its colours, or 40 by 40 cells.
_BUCKETS: Final = 150
_KINDS: Final = 9
_CELLS: Final = 40
_REST: Final = "all others"
_STEPS: Final = ("1s", "5s", "15s", "1min", "5min", "15min", "1h", "3h", "6h", "12h", "1D", "7D", "28D", "91D", "364D")
_WIDTH: Final = 680
_LABEL_LIMIT: Final = 260  # pixels: an identity is a name at a domain, and two of one domain differ at their beginning


def timeline(
    frame: pd.DataFrame,
    *,
    by: str = "operation",
    marked: tuple[datetime, datetime] | None = None,
    title: str = "",
) -> "LayerChart":
    """Draw how many events there were over time, by the values of a column, the most frequent 9 of them by name.

    `marked` is a span to shade. Raises AttributeError for columns that the frame lacks, ConfigError without Altair.
    """
    alt = _altair()
    step = step_of(frame["event_time"])
    counted = counts_over_time(frame, by, step)
    x = alt.X("time:T", title="time (UTC)", scale=alt.Scale(type="utc"))
    bars = (
        restored(alt.Chart(_stacked(counted)), "kind")
        .mark_rect()
        .encode(
            x=x,
            x2="until:T",
            y=alt.Y("low:Q", title=f"events per {step}"),
            y2="high:Q",
            color=alt.Color("kind:N", title=words(by), sort=_by_rank(alt), legend=alt.Legend(labelLimit=_LABEL_LIMIT)),
            tooltip=[
                alt.Tooltip("time:T", title="from (UTC)", timeUnit="utcyearmonthdatehoursminutesseconds"),
                alt.Tooltip("kind:N", title=words(by)),
                alt.Tooltip("events:Q", format=","),
            ],
        )
    )
    layers = [bars]
    if marked is not None:
        span = alt.Chart(pd.DataFrame([{"time": marked[0], "until": max(marked[1], marked[0] + pd.Timedelta(step))}]))
        layers.insert(0, span.mark_rect(opacity=0.25, color="#d62728").encode(x=x, x2="until:T"))
    chart: LayerChart = alt.layer(*layers).properties(width=_WIDTH, height=220, title=_titled(title))
    return chart


def heatmap(frame: pd.DataFrame, a: str, b: str, *, title: str = "") -> "Chart":
    """Draw how many events each pair of values of two columns has, of each the 40 most frequent values.

    The title says how many events that leaves out, those that lack either value among them. Raises as `timeline` does.
    """
    alt = _altair()
    counted = counts_of_pairs(frame, a, b)
    left_out = len(frame) - int(counted["events"].sum())
    said = title or f"{words(a)} by {words(b)}"
    ranked = counted.assign(a=spelled(counted["a"]), b=spelled(counted["b"]))
    for name in ("a", "b"):
        ranked[f"{name}_rank"] = -counted.groupby(name)["events"].transform("sum")
    axis = alt.Axis(labelLimit=_LABEL_LIMIT)
    chart: Chart = (
        restored(alt.Chart(ranked), "a", "b")
        .mark_rect()
        .encode(
            x=alt.X("b:N", title=words(b), sort=_by_rank(alt, "b_rank"), axis=axis),
            y=alt.Y("a:N", title=words(a), sort=_by_rank(alt, "a_rank"), axis=axis),
            color=alt.Color("events:Q", scale=alt.Scale(scheme="blues", type="symlog")),
            tooltip=[
                alt.Tooltip("a:N", title=words(a)),
                alt.Tooltip("b:N", title=words(b)),
                alt.Tooltip("events:Q", format=","),
            ],
        )
        .properties(
            title=_titled(
                f"{said}; {left_out:,} events without either, or of rarer values, left out" if left_out else said
            )
        )
    )
    return chart


def step_of(times: pd.Series) -> str:
    """Return the width of a bucket, in pandas' words, so that these times fill at most 150."""
    span = times.max() - times.min() if len(times) else pd.Timedelta(0)
    return next((step for step in _STEPS if span / pd.Timedelta(step) < _BUCKETS), _STEPS[-1])


def counts_over_time(frame: pd.DataFrame, by: str, step: str) -> pd.DataFrame:
    """Return the number of events by bucket and value of a column: time, until, kind, events."""
    start = frame["event_time"].dt.floor(step)
    kinds = pd.DataFrame({"time": start, "kind": most_frequent(frame[by], _KINDS)})
    counted = kinds.value_counts(sort=False).rename("events").reset_index()
    counted["until"] = counted["time"] + pd.Timedelta(step)
    return counted.sort_values(["time", "kind"], ignore_index=True)


def counts_of_pairs(frame: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """Return the number of events of each pair of the 40 most frequent values of two columns: a, b, events."""
    both = frame[frame[a].notna() & frame[b].notna()]
    pairs = pd.DataFrame({"a": as_text(both[a]), "b": as_text(both[b])})
    kept = pairs["a"].isin(_top(pairs["a"], _CELLS)) & pairs["b"].isin(_top(pairs["b"], _CELLS))
    return pairs[kept].value_counts(sort=False).rename("events").reset_index()


def most_frequent(column: pd.Series, number: int) -> pd.Series:
    """Return a column as text with its most frequent values kept and the rest as one."""
    text = as_text(column)
    return text.where(text.isin(_top(text, number)), _REST)


def as_text(column: pd.Series) -> pd.Series:
    """Return a column as plain texts, a missing value as a dash."""
    return column.astype(object).where(column.notna(), "-").astype(str)


def _stacked(counted: pd.DataFrame) -> pd.DataFrame:
    """Add where each bar begins and ends, for Vega-Lite does not stack bars whose width is given by two times, and the
    place of its value in the legend: sorted, the rest last."""
    ordered = counted.sort_values(["time", "kind"])
    high = ordered.groupby("time")["events"].cumsum()
    places = {kind: place for place, kind in enumerate(_rest_last(counted["kind"]))}
    return ordered.assign(
        low=high - ordered["events"], high=high, rank=ordered["kind"].map(places), kind=spelled(ordered["kind"])
    )


def _rest_last(kinds: pd.Series) -> list[str]:
    return sorted(kinds.unique(), key=lambda kind: (kind == _REST, kind))


def _by_rank(alt: Any, field: str = "rank") -> Any:
    """An order by a number beside the values, for a list of the values would have them in the specification raw."""
    return alt.EncodingSortField(field=field, op="min", order="ascending")


def _top(text: pd.Series, number: int) -> Sequence[str]:
    return list(text.value_counts().index[:number])


def _titled(title: str) -> Any:
    """A title on lines that fit the chart."""
    return heading(textwrap.wrap(title, 110))


def _altair() -> Any:
    try:
        import altair as alt
    except ImportError as error:
        raise ConfigError("charts need the package altair", remedy="pip install 'acrwatch[charts]'") from error
    return alt
