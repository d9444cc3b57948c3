"""Texts of events in a chart's specification, so spelled that no HTML around it can be ended or begun by one.

Altair writes a specification into a <script> element as `json.dumps` leaves it, and a text with `</script>` would end
that element; identities, repositories and user agents are chosen by whoever knocks. A chart class of ours that escaped
`<` as it writes HTML would not do: `a | b`, `a + b` and facets are charts of Altair's own classes. So it is the data
that have no `<`, and a transform, which goes wherever the data go, gives it back where the chart is drawn.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

import pandas as pd

# In this order, so that a text which held `&lt;` itself comes back as it was. Vega's `'\x3c'` is `<`.
_BACK: Final = r"replace(replace(datum.{0}, regexp('&lt;', 'g'), '\x3c'), regexp('&amp;', 'g'), '&')"
_LOOK_ALIKE: Final = "\uff1c"


def spelled(texts: pd.Series) -> pd.Series:
    """Return texts as the data of a chart hold them; `restored` makes them what they were."""
    return texts.str.replace("&", "&amp;", regex=False).str.replace("<", "&lt;", regex=False)


def restored(chart: Any, *fields: str) -> Any:
    """Return an Altair chart that draws the spelled texts of these fields as what they were."""
    return chart.transform_calculate(**{field: _BACK.format(field) for field in fields})


def heading(lines: Sequence[str]) -> Any:
    """Return the lines of a chart's title: an expression that gives them, where they could not stand as they are."""
    if not any("<" in line for line in lines):
        return list(lines)
    import altair as alt

    return alt.TitleParams(text=alt.ExprRef(json.dumps(list(lines)).replace("<", r"\u003c")))


def words(column: str) -> str:
    """Return the name of a column for people. Altair takes no expression as an axis' title, so `<` has a stand-in."""
    return column.replace("_", " ").replace("<", _LOOK_ALIKE)
