"""Charts as SVG that stands in the page: drawn without a browser and without the network, readable by a screen reader.

Needs the extra `charts`.
"""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from acrwatch.core.errors import ConfigError
from acrwatch.core.log import mask, printable
from acrwatch.report.palette import GRID, INK, MUTED

if TYPE_CHECKING:
    import altair as alt

_SVG: Final = "http://www.w3.org/2000/svg"
# What XML cannot hold although Unicode knows it; control characters are escaped before.
_NO_XML: Final = re.compile("[\ud800-\udfff\ufffe\uffff]")
_LOOK: Final = {
    "background": None,
    "font": "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif",
    "axis": {
        "labelColor": MUTED[0],
        "titleColor": MUTED[0],
        "tickColor": GRID[0],
        "domainColor": GRID[0],
        "gridColor": GRID[0],
        "titleFontWeight": "normal",
        "labelFontSize": 11,
        "titleFontSize": 11,
        "labelLimit": 260,
    },
    "legend": {"labelColor": INK[0], "labelFontSize": 11, "orient": "top", "title": None},
    "title": {"color": INK[0], "fontSize": 12, "anchor": "start", "fontWeight": 600},
    "view": {"stroke": None},
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart as SVG text, safe to stand in HTML as it is."""

    svg: str


def require_charts() -> None:
    """Raise ConfigError where what draws and writes reports is not installed."""
    try:
        import altair as alt  # noqa: F401
        import jinja2  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"a report needs the Python package {error.name}, which is not installed",
            remedy="Install the extra that has it: pip install 'acrwatch[charts]'",
        ) from error


def shown(text: object) -> str:
    """Return a value as a report shows it: secrets masked, and nothing in it that steers or forges the page's text."""
    return _NO_XML.sub("\ufffd", printable(mask(str(text))))


def drawn(chart: "alt.TopLevelMixin", *, name: str, title: str, description: str) -> Drawing:
    """Return a chart as SVG. `name` is unique on the page; title and description are what a screen reader says."""
    import vl_convert

    text = vl_convert.vegalite_to_svg({**chart.to_dict(), "config": _LOOK})
    return Drawing(_accessible(text, name, title, description))


def _accessible(svg: str, name: str, title: str, description: str) -> str:
    """Make one picture of a drawing: with a title and a description, as wide as there is room."""
    ET.register_namespace("", _SVG)
    root = ET.fromstring(svg)  # noqa: S314 - written by the drawing library a moment ago
    for element in root.iter():
        for attribute in [key for key in element.attrib if key.startswith("aria-") or key == "role"]:
            del element.attrib[attribute]
    width = root.attrib.pop("width")
    root.attrib.pop("height")
    root.attrib |= {
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-description",
        "style": f"max-width: {width}px",
    }
    for place, (tag, said) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(f"{{{_SVG}}}{tag}", {"id": f"{name}-{'title' if tag == 'title' else 'description'}"})
        element.text = shown(said)
        root.insert(place, element)
    return ET.tostring(root, encoding="unicode")
