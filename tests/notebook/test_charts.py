"""Charts: what is counted before it is drawn, within Altair's limit, and what is said where Altair is missing."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from acrwatch.core.errors import ConfigError
from acrwatch.notebook import Client, charts
from tests.notebook.world import DELETED, EVENTS

ALTAIR_ROWS = 5_000  # altair.MaxRowsError: https://altair-viz.github.io/user_guide/large_datasets.html


def test_every_event_is_in_exactly_one_bucket(client: Client) -> None:
    frame = client.events()
    step = charts.step_of(frame["event_time"])
    counted = charts.counts_over_time(frame, "operation", step)
    assert step == "1h"
    assert counted["events"].sum() == len(EVENTS)
    assert ((counted["until"] - counted["time"]) == pd.Timedelta(step)).all()
    deletes = counted[counted["kind"] == "delete"]
    assert deletes[["time", "events"]].to_numpy().tolist() == [[pd.Timestamp(DELETED[0].time).floor("1h"), 25]]


@pytest.mark.parametrize("span", ["0s", "3s", "10min", "1D", "40D", "3000D"])
def test_buckets_are_at_most_150_whatever_the_span(span: str) -> None:
    times = pd.Series(pd.to_datetime(["2026-01-01T00:00:00Z"] * 2)) + pd.to_timedelta(["0s", span])
    step = pd.Timedelta(charts.step_of(times))
    assert pd.Timedelta(span) / step < 150


def test_many_values_become_few_and_the_rest_one(client: Client) -> None:
    frame = client.events()
    many = frame.assign(identity=[f"user{n}" for n in range(len(frame))])
    counted = charts.counts_over_time(many, "identity", "1h")
    assert counted["kind"].nunique() == 10
    assert counted["events"].sum() == len(EVENTS)
    assert len(charts.counts_over_time(many, "identity", "5min")) < ALTAIR_ROWS


def test_a_heatmap_has_40_by_40_cells_at_most_and_says_what_it_leaves_out() -> None:
    pairs = pd.DataFrame([{"identity": f"u{n % 90}", "repository": f"r{n % 77}"} for n in range(7_000)])
    pairs.loc[0, "repository"] = None
    counted = charts.counts_of_pairs(pairs, "identity", "repository")
    assert (counted["a"].nunique(), counted["b"].nunique()) == (40, 40)
    left_out = len(pairs) - counted["events"].sum()
    title = " ".join(charts.heatmap(pairs, "identity", "repository").to_dict()["title"])
    assert title == f"identity by repository; {left_out:,} events without either, or of rarer values, left out"


def test_charts_are_drawn_in_utc_without_a_browser(client: Client, tmp_path: Path) -> None:
    frame = client.events()
    timeline, heatmap = frame.acr.timeline(by="identity"), frame.acr.heatmap("identity", "repository")
    assert timeline.to_dict()["layer"][0]["encoding"]["x"]["scale"] == {"type": "utc"}
    for number, chart in enumerate(
        (timeline, heatmap, frame[:0].acr.timeline(), frame[:0].acr.heatmap("tag", "digest"))
    ):
        chart.save(tmp_path / f"{number}.svg")
        assert (tmp_path / f"{number}.svg").read_text().startswith("<svg")
    assert "mallory@example.com" in (tmp_path / "0.svg").read_text()


def test_bars_stand_on_each_other(client: Client) -> None:
    chart = client.events().acr.timeline().to_dict()
    bars = pd.DataFrame(chart["datasets"][chart["data"]["name"]])
    assert ((bars["high"] - bars["low"]) == bars["events"]).all()
    for _, stack in bars.groupby("time"):
        ordered = stack.sort_values("low")
        assert ordered["low"].tolist() == [0, *ordered["high"].tolist()[:-1]]


def test_without_altair_the_extra_is_named(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(ConfigError, match=r"charts need the package altair. pip install 'acrwatch\[charts\]'"):
        client.events().acr.timeline()
