"""The page itself: needs nothing, runs nothing, is read by everyone, whatever the log's words are."""

import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from acrwatch.report import charts, palette
from acrwatch.report.drawing import Drawing
from acrwatch.report.page import alert_page, shift_page
from acrwatch.report.scope import Scope
from storage.state import incidents
from storage.state.alerts import record
from tests.cli.test_alerts_command import ALERT, ROW
from tests.detections.conftest import Bench, Happening
from tests.report.conftest import SINCE, UNTIL, Desk

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}\u202eexe.\x1b[31m\ufffe"
KNOWN_TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "header", "section", "article", "nav", "div", "span"),
    *("h1", "h2", "h3", "h4", "p", "ul", "ol", "li", "strong", "b", "a", "code", "dl", "dt", "dd", "time"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "details", "summary"),
    *("svg", "desc", "g", "path", "rect", "line", "text", "defs", "clippath", "use"),
}
VOID = {"meta"}


class Page(HTMLParser):
    """What a browser would make of a page: elements with their attributes, and the text that is shown."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Page]:
    """A shift and an alert in which every value is hostile."""
    folder: Path = tmp_path_factory.mktemp("pages")
    desk = Desk(Bench(folder, {}))
    desk.bench.store([
        Happening(n, timedelta(minutes=n), identity=HOSTILE, repository=HOSTILE, tag=HOSTILE, user_agent=HOSTILE)
        for n in range(3)
    ])  # fmt: skip
    row = {**ROW, "identity": HOSTILE, "user_agent": HOSTILE, "repository": HOSTILE, "tag": "v" * 4_000}
    words: dict[str, Any] = {
        "title": HOSTILE,
        "reason": HOSTILE,
        "assignee": HOSTILE,
        "entities": [{"type": "identity", "value": HOSTILE}],
        "evidence_rows": [[[SINCE.isoformat(), "ab" * 16], row]],
    }
    for number, severity in enumerate(palette.SEVERITY):
        desk.alert(f"{number}a", timedelta(hours=1), severity=severity, **words)
    alert = desk.alert("9a", timedelta(hours=2), **words)
    with desk.bench.database.begin() as connection:
        incidents.open(connection, HOSTILE, kind="gap", message=HOSTILE, remedy=HOSTILE, now=SINCE)
    made = {
        "shift": Page(shift_page(desk.shift(), {}, {"acrwatch": "1"})),
        "alert": Page(alert_page(desk.around(alert), {}, {"acrwatch": "1"})),
    }
    desk.bench.database.close()
    return made


@pytest.fixture(params=["shift", "alert"])
def page(pages: dict[str, Page], request: pytest.FixtureRequest) -> Page:
    return pages[request.param]


def test_hostile_values_are_shown_and_are_nothing_but_text(page: Page) -> None:
    assert {tag for tag, _ in page.elements} <= KNOWN_TAGS
    assert [name for _, attributes in page.elements for name in attributes if name.startswith("on")] == []
    assert page.open == []
    shown = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}\\u202eexe.\\x1b[31m\ufffd"
    assert page.text.count(shown) >= 5


def test_nothing_in_it_steers_text_or_terminals(page: Page) -> None:
    assert (
        re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]", page.html) == []
    )


def test_it_fetches_and_runs_nothing(page: Page) -> None:
    links = [value for _, attributes in page.elements for name, value in attributes.items() if name in ("src", "href")]
    assert [link for link in links if not (link or "").startswith("#")] == []
    styles = "".join(re.findall(r"<style>(.*?)</style>", page.html, re.DOTALL))
    assert "url(" not in styles
    assert "@import" not in styles
    policy = next(at["content"] for _, at in page.elements if at.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "script" not in policy


def test_every_link_has_a_place_to_go_to_and_every_id_is_one(page: Page) -> None:
    ids = Counter(at["id"] for _, at in page.elements if "id" in at)
    assert [name for name, number in ids.items() if number > 1] == []
    pointed = {str(at["href"])[1:] for tag, at in page.elements if tag == "a" and "href" in at}
    pointed |= {name for _, at in page.elements for name in (at.get("aria-labelledby") or "").split()}
    pointed |= set(re.findall(r'"url\(#([^)]*)\)"', page.html))
    assert pointed - set(ids) == set()


def test_a_picture_has_a_title_and_a_description(page: Page) -> None:
    drawings = re.findall(r"<svg.*?</svg>", page.html, re.DOTALL)
    assert len(drawings) >= 2
    for drawing in drawings:
        assert re.match(r'<svg [^>]*role="img"', drawing)
        assert re.search(r'<title id="[a-z]+-title">[^<]+</title><desc id="[a-z]+-description">[^<]+</desc>', drawing)


def test_every_colour_of_a_picture_has_a_shade_for_the_dark(page: Page) -> None:
    drawings = "".join(re.findall(r"<svg.*?</svg>", page.html, re.DOTALL))
    used = {
        colour for colour in re.findall(r'(?:fill|stroke)="([^"]+)"', drawings) if colour not in ("none", "transparent")
    }
    overridden = set(re.findall(r'svg \[(?:fill|stroke)="([^"]+)"\]', page.html))
    assert used
    assert used - overridden == set()


def test_no_heading_skips_a_rank(page: Page) -> None:
    ranks = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert ranks[0] == 1
    assert [(above, below) for above, below in pairwise(ranks) if below > above + 1] == []


def test_times_are_in_utc_for_people_and_programs(page: Page) -> None:
    times = [at["datetime"] for tag, at in page.elements if tag == "time"]
    assert times
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(time)) for time in times)
    assert "All times are UTC" in page.text


def test_severities_are_words_not_only_colours(pages: dict[str, Page]) -> None:
    for severity in palette.SEVERITY:
        assert f'<span class="severity {severity}">{severity}</span>' in pages["shift"].html


def test_a_secret_in_a_value_is_masked(pages: dict[str, Page], desk: Desk) -> None:
    desk.alert("a", timedelta(hours=1), reason="pulled with token=c2VjcmV0LXZhbHVl from afar")
    html = shift_page(desk.shift(), {}, {})
    assert "c2VjcmV0LXZhbHVl" not in html
    assert "token=********" in html


def test_a_report_on_nothing_says_what_that_is_worth(desk: Desk) -> None:
    text = Page(shift_page(desk.shift(), {}, {})).text
    assert "No alerts. That is worth only as much as could be seen:" in text
    assert "No event of this time is stored at all" in text


@pytest.mark.parametrize(
    ("identities", "said"),
    [
        (["a", "b"], "All 2 identities."),
        (["a", None], "1 identity, and the events that name none."),
        ([None], "No event names one."),
        ([*map(str, range(16)), None], "The 15 identities with most events of 16, and the events that name none."),
    ],
)
def test_a_table_says_how_many_there_are_as_the_tiles_do(desk: Desk, identities: list[str | None], said: str) -> None:
    desk.bench.store([Happening(n, identity=identity) for n, identity in enumerate(identities)])
    html = shift_page(desk.shift(), {}, {})
    assert f"<caption>{said}</caption>" in html
    assert f"<li><b>{len(set(identities) - {None})}</b> identit" in html


def test_removals_are_named_by_operation_as_alerts_name_them(desk: Desk) -> None:
    operations = ["delete"] * 3 + ["untag"] * 2
    desk.bench.store([Happening(n, operation=operation, identity="eve") for n, operation in enumerate(operations)])
    alert = desk.alert("a", timedelta(), entities=[{"type": "identity", "value": "eve"}])
    for html in (shift_page(desk.shift(), {}, {}), alert_page(desk.around(alert), {}, {})):
        assert "5 removals 3\xa0delete, 2\xa0untag" in Page(html).text
        assert '<th class="n">Removals</th>' in html
        assert "removals are deletes, untags and purges" in html
        assert "deletions" not in html


def test_a_verdict_breaks_between_its_parts_and_nowhere_else(desk: Desk) -> None:
    desk.alert("a", timedelta(hours=1), status="closed", close_reason="benign_positive.suspicious_but_expected")
    html = shift_page(desk.shift(), {}, {})
    words = '<span class="verdict">benign positive:</span> <span class="verdict">suspicious but expected</span>'
    assert html.count(f"closed, {words}") == 2  # in the table and in full
    assert re.findall(r"\.verdict \{([^}]*)\}", html) == [" white-space: nowrap; "]


def test_an_alert_about_risk_lists_what_it_is_made_of(desk: Desk) -> None:
    part = {"id": "0193aa", "rule": "mass-delete", "severity": "low", "first_seen": "2026-03-02T10:30:00+00:00"}
    alert = desk.alert("a", timedelta(hours=1), rule="entity-risk", facts={"notes": {"parts": [part]}})
    plain = desk.alert("b", timedelta(hours=1))
    for html in (shift_page(desk.shift(), {}, {}), alert_page(desk.around(alert), {}, {})):
        _, _, told = html.partition("Made of these alerts</h")
        row = told.partition("<tbody>")[2].partition("</tbody>")[0]
        assert Page(row.replace("</td>", " </td>")).text.split() == [
            "2026-03-02",
            "10:30:00Z",
            "low",
            "mass-delete",
            "0193aa",
        ]
    assert "Made of these alerts" not in alert_page(desk.around(plain), {}, {})


@pytest.mark.parametrize(("rows", "said"), [(1, "In this row: status 200"), (2, "In every row shown: status 200")])
def test_what_rows_of_evidence_share_is_said_of_those_shown(desk: Desk, rows: int, said: str) -> None:
    """Ten rows are shown of an alert of a thousand events: the others may differ."""
    shown = tuple(((SINCE.isoformat(), f"{n:032x}"), {**ROW, "tag": f"v{n}"}) for n in range(rows))
    alert = desk.alert("a", timedelta(hours=1), evidence_rows=shown)
    assert said in Page(alert_page(desk.around(alert), {}, {})).text


PLURALS = "alerts|events|calls|removals|identities|networks|registries|repositories|pulls|pushes|times|rules"


def test_one_is_never_said_in_the_plural(desk: Desk) -> None:
    desk.bench.store([
        Happening(number, operation=operation, identity="eve", status=status)
        for number, (operation, status) in enumerate([("delete", 202), ("push", 201), ("pull", 401), ("pull", 200)])
    ])  # fmt: skip
    alert = desk.alert("a", timedelta(), entities=[{"type": "identity", "value": "eve"}])
    with desk.bench.database.begin() as connection:
        record(connection, alert.id, "created", {"count": 1}, actor="engine", now=SINCE)
        incidents.open(connection, "gap", kind="gap", message="x", remedy="", now=SINCE)
    for html in (shift_page(desk.shift(), {}, {}), alert_page(desk.around(alert), {}, {})):
        assert "created: with 1 matching event" in html
        assert re.findall(rf"\b1 (?:{PLURALS})\b", re.sub("</?b>", "", html)) == []
        assert "(s)" not in html
    assert "It belongs to nobody." in shift_page(desk.shift(), {}, {})


def test_of_several_open_alerts_it_is_said_how_many_belong_to_nobody(desk: Desk) -> None:
    desk.alert("a", timedelta(), assignee="dana")
    assert "It is assigned." in shift_page(desk.shift(), {}, {})
    desk.alert("b", timedelta())
    assert "1 of them belongs to nobody." in shift_page(desk.shift(), {}, {})
    desk.alert("c", timedelta())
    assert "2 of them belong to nobody." in shift_page(desk.shift(), {}, {})


def test_more_alerts_of_a_rule_than_are_listed_are_counted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acrwatch.report.page.LISTED", 2)
    for number in range(5):
        desk.alert(f"{number}a", timedelta(hours=1))
    html = shift_page(desk.shift(), {}, {})
    assert "The 2 gravest and earliest of 5" in html
    assert "<svg" in html.split("Alerts by rule", 1)[0]


def test_many_open_or_related_alerts_are_cut_with_a_word(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acrwatch.report.page.LISTED", 2)
    for number in range(4):
        desk.alert(f"{number}b", timedelta(hours=-9))
        desk.alert(f"{number}c", timedelta(hours=1))
    assert "The oldest 2 of 4" in shift_page(desk.shift(), {}, {})
    found = desk.around(desk.alert("me", timedelta(hours=1)))
    html = alert_page(found, {}, {})
    assert "The earliest 2 of 4" in html
    assert html.count("3c".ljust(24, "0")) == 0


def brightness(colour: str) -> float:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colours", [palette.SEVERITY, palette.OUTCOME], ids=["severity", "outcome"])
def test_a_print_in_grey_keeps_the_order_of_colours(colours: dict[str, tuple[str, str]]) -> None:
    shades = [brightness(light) for light, _ in colours.values()]
    assert shades == sorted(shades)
    assert min(b - a for a, b in pairwise(shades)) > 20


def test_bars_stand_where_alerts_begin() -> None:
    scope = Scope(SINCE, UNTIL)
    alerts = [replace(ALERT, first_seen=SINCE + timedelta(hours=hours)) for hours in (-3, 4, 4)]
    drawing: Drawing = charts.timeline(scope, [], alerts, [], now=UNTIL)
    # Two bars: the one that began before the span stands at its beginning, the two of one time on each other.
    bars = re.findall(r'<path d="M([\d.]+),([\d.]+)h[\d.]+v([\d.]+)h-[\d.]+Z" fill="#c2431a"', drawing.svg)
    heights = sorted(float(height) for _, _, height in bars)
    assert len(heights) == 2
    assert heights[1] == pytest.approx(2 * heights[0])
    assert min(float(left) for left, _, _ in bars) == 0


def test_a_count_that_is_the_least_is_called_so(tmp_path: Path) -> None:
    desk = Desk(Bench(tmp_path, {}))
    part = {"id": "9b", "rule": "mass-delete", "severity": "low", "first_seen": "2026-11-22T02:40:00+00:00"}
    facts = {"notes": {"parts": [part], "count_is_minimum": True}}
    alert = desk.alert("9a", timedelta(hours=1), count=1200, facts=facts)
    for html in (shift_page(desk.shift(), {}, {}), alert_page(desk.around(alert), {}, {})):
        assert "<dt>Events</dt><dd>at least 1,200, from" in html
        assert "Evidence, 1 of at least 1,200 events</h" in html
    desk.bench.database.close()
