"""Charts of what an attacker named: no HTML that Altair puts around them is ended or begun by a value, and the value is
shown as it was."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import pytest
import vl_convert

from acrwatch.notebook import charts
from tests.notebook.world import EVENTS

SHORT = "</script><img src=x onerror=document.title='RUN'>"
EVIL = [SHORT, "<!--<script>", "a&lt;b &amp; c<", r"\x3c\u003c'\"<", "plain"]
CHROMIUM = shutil.which("chromium")
REQUIRED = "chromium" in os.environ.get("ACRWATCH_REQUIRE", "").split(",")


@pytest.fixture
def frame(client: Any) -> pd.DataFrame:
    found: pd.DataFrame = client.events()
    said = [EVIL[n % len(EVIL)] for n in range(len(EVENTS))]
    return found.assign(identity=said, repository=said[::-1], user_agent=said, **{"<svg onload=alert(1)>": said})


class Elements(HTMLParser):
    """Every element that a browser would make."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the name that the parser calls
        self.found.append(tag)


def elements(html: str) -> list[str]:
    parser = Elements()
    parser.feed(html)
    return parser.found


def timeline(frame: pd.DataFrame, by: str = "user_agent") -> Any:
    marked = (EVENTS[0].time, EVENTS[5].time)
    return charts.timeline(frame, by=by, marked=marked, title=f"{SHORT} did it")


CHARTS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "timeline": timeline,
    "column": lambda frame: timeline(frame, "<svg onload=alert(1)>"),
    "heatmap": lambda frame: frame.acr.heatmap("identity", "repository"),
    "heatmap of a column": lambda frame: frame.acr.heatmap("identity", "<svg onload=alert(1)>"),
    "beside": lambda frame: timeline(frame) | frame.acr.heatmap("identity", "repository"),
    "below": lambda frame: frame.acr.heatmap("identity", "repository") & timeline(frame),
    "above each other": lambda frame: frame.acr.timeline(by="user_agent") + frame.acr.timeline(by="identity"),
    "changed": lambda frame: frame.acr.heatmap("identity", "repository").properties(width=900).interactive(),
}


@pytest.mark.parametrize("name", CHARTS)
def test_no_value_ends_or_begins_an_element(frame: pd.DataFrame, tmp_path: Path, name: str) -> None:
    chart = CHARTS[name](frame)
    chart.save(tmp_path / "chart.html")
    shown = chart._repr_mimebundle_()
    shown = shown[0] if isinstance(shown, tuple) else shown
    pages = [(tmp_path / "chart.html").read_text(), chart.to_html(), chart.to_html(fullhtml=False), shown["text/html"]]
    for page in pages:
        assert set(elements(page)) <= {"html", "head", "meta", "style", "script", "body", "div"}
        assert "onerror" in page or "onload" in page
    assert "<" not in chart.to_json()


def texts(chart: Any) -> set[str]:
    """Return what a chart writes, as Vega draws it."""
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    return {unescape(one) for one in re.findall(r"<(?:text|tspan)[^>]*>([^<]*)</", svg)}


def test_values_are_drawn_as_they_were(frame: pd.DataFrame) -> None:
    assert set(EVIL) <= texts(frame.acr.heatmap("identity", "repository"))
    assert {*EVIL, f"{SHORT} did it"} <= texts(timeline(frame))
    other = frame.acr.timeline(by="identity") | frame.acr.heatmap("user_agent", "repository")
    assert set(EVIL) <= texts(other)


def test_the_mimetype_of_vega_is_the_same_chart(frame: pd.DataFrame) -> None:
    chart = frame.acr.heatmap("identity", "repository")
    with alt.renderers.enable("mimetype"):
        shown = chart._repr_mimebundle_()
    shown = shown[0] if isinstance(shown, tuple) else shown
    (spec,) = [value for kind, value in shown.items() if "vegalite" in kind]
    svg = vl_convert.vegalite_to_svg(spec)
    assert set(EVIL) <= {unescape(one) for one in re.findall(r"<text[^>]*>([^<]*)</", svg)}


def test_the_most_frequent_values_come_first_and_the_rest_last() -> None:
    who = ["a"] * 3 + ["c"] * 9 + [f"u{n}" for n in range(60)]
    chart = charts.heatmap(pd.DataFrame({"identity": who, "tag": "v1"}), "identity", "tag")
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    labels = [one for one in re.findall(r"<text[^>]*>([^<]*)</", svg) if one in who]
    assert labels[:2] == ["c", "a"]
    times = pd.to_datetime(["2026-01-01T00:00:00Z"] * len(who))
    frame = pd.DataFrame({"event_time": times, "identity": ["zoe"] * 9 + who[9:]})
    svg = vl_convert.vegalite_to_svg(charts.timeline(frame, by="identity").to_dict())
    labels = [one for one in re.findall(r"<text[^>]*>([^<]*)</", svg) if one in (*who, "zoe", "all others")]
    assert labels[-2:] == ["zoe", "all others"]


@pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="Chromium is not installed")
def test_a_browser_runs_nothing_of_it_and_shows_it(frame: pd.DataFrame, tmp_path: Path) -> None:
    """With Vega within the page, so that it is drawn without the network."""
    chart = frame.acr.heatmap("identity", "repository") | timeline(frame)
    page = tmp_path / "chart.html"
    chart.save(page, inline=True, embed_options={"renderer": "svg"})
    assert CHROMIUM is not None, "ACRWATCH_REQUIRE names chromium, and it is not installed"
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=10000", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "<title>RUN" not in done.stdout
    assert "img" not in elements(done.stdout)
    assert f"{escape(SHORT, quote=False)} did it</text>" in done.stdout
    assert (
        len(re.findall(r"&lt;/script&gt;&lt;img src=x onerror=[^<]*</text>", done.stdout)) == 4
    )  # axes, legend, title
