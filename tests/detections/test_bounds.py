"""A rule that asks for too much is refused where it is written, or fails alone: it stalls no pass."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from acrwatch.core.errors import StoreError
from detections.compile import LONGEST_LIST, LONGEST_PATTERN, UnsupportedError
from detections.detection import Detection
from detections.rule import parse_rule, read_rules
from storage.lake.snapshot import Snapshot
from storage.query import Reader
from storage.state import runs

Write = Callable[..., str]
# Some hours of work for any engine, and no memory.
ENDLESS = "(SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range * b.range % 7 = 8) > 0"


class Endless:
    """A detection whose query does not end."""

    has_profile = False
    asks = ()

    def __init__(self, metadata: Any) -> None:
        self.metadata = metadata

    def observe(self, events: Any) -> Any:
        return events.new("count(*) AS n", ENDLESS)

    def judge(self, observed: Any, _connection: Any) -> Any:
        return observed


def _told(folder: Path, text: str) -> list[str]:
    (folder / "too-much.yml").write_text(text)
    return [f"{one.line}: {one.message}" for one in read_rules([folder]).mistakes]


def _listing(values: list[Any], modifier: str = "") -> dict[str, Any]:
    return {"s": {f"identity{modifier}": values}, "condition": "s"}


def test_a_list_of_a_hundred_thousand_values_is_refused_before_it_is_read(tmp_path: Path, write_rule: Write) -> None:
    (told,) = _told(tmp_path, write_rule(_listing([f"user{n}@example.com" for n in range(100_000)])))
    assert told == "1: the file has over 1,000,000 bytes, which no rule needs"


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (_listing([f"u{n}" for n in range(LONGEST_LIST + 1)]), "5,001 values in one list"),
        (_listing([f"u{n}" for n in range(1001)], "|re"), "1,001 values in one list"),
        (_listing([f"u{n}" for n in range(1001)], "|contains|all"), "1,001 values in one list"),
        (_listing(["x" * (LONGEST_PATTERN + 1)], "|re"), "a regular expression of 2,001 characters"),
    ],
    ids=["texts", "patterns", "all", "pattern"],
)
def test_what_a_pass_would_take_long_for_is_refused_with_its_line(
    tmp_path: Path, write_rule: Write, selection: Mapping[str, Any], words: str
) -> None:
    (told,) = _told(tmp_path, write_rule(selection))
    assert words in told
    assert told.startswith("6: ")


def test_keywords_count_once_for_every_field_they_are_looked_for_in(write_rule: Write) -> None:
    with pytest.raises(UnsupportedError, match="values in one list"):
        parse_rule(write_rule({"s": [f"word{n}" for n in range(60)], "condition": "s"}), "test-rule")


def test_long_queries_show_no_progress_among_the_data() -> None:
    with Reader(Snapshot(Path(), 0, ())) as reader:
        assert reader.query("SELECT current_setting('enable_progress_bar') AS shown").to_pylist() == [{"shown": False}]


def test_a_list_at_its_limit_is_looked_up_as_a_table(write_rule: Write) -> None:
    rule: Any = parse_rule(write_rule(_listing([f"u{n}" for n in range(LONGEST_LIST)])), "test-rule")
    assert rule.where.count("lower(e.identity)") == 1


def test_a_regular_expression_that_backtracks_elsewhere_takes_no_time(
    make_bench: Any, make_rule: Any, happening: Any
) -> None:
    """`(a*)*b` over a thousand letters takes a backtracking engine longer than the sun will shine."""
    detection = make_rule(_listing(["^(a*)*b$", "(a|a)*c"], "|re"))
    bench = make_bench({"test-rule": detection})
    bench.store([happening(1, identity="a" * 10_000)])
    assert replace(bench.engine(), query_seconds=20.0).run_until_done().failed == ()


def test_a_query_that_takes_too_long_is_ended() -> None:
    with Reader(Snapshot(Path(), 0, ())) as reader:
        with reader.within(0.05), pytest.raises(StoreError, match=r"longer than the 0\.05 s"):
            reader.query(f"SELECT {ENDLESS} AS x")
        assert reader.query("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_the_time_is_that_of_all_queries_together() -> None:
    with Reader(Snapshot(Path(), 0, ())) as reader, reader.within(0.05):
        with pytest.raises(StoreError):
            reader.query(f"SELECT {ENDLESS} AS x")
        with pytest.raises(StoreError):
            reader.query("SELECT count(*) FROM range(100000000) a WHERE a.range % 7 = 8")


def test_a_detection_that_takes_too_long_fails_and_the_others_judge(
    make_bench: Any, everything: dict[str, Detection], happening: Any
) -> None:
    other = everything["pull-outside-allowed-ranges"]
    endless: Any = Endless(everything["mass-delete"].metadata)
    bench = make_bench({"mass-delete": endless, "pull-outside-allowed-ranges": other})
    bench.store([happening(1, ip="203.0.113.9")])
    passed = replace(bench.engine(), query_seconds=1.5).run_until_done()
    assert (passed.failed, passed.created) == (("mass-delete",), 1)
    with bench.database.connect() as connection:
        assert "longer than the 1.5 s" in (runs.latest(connection)["mass-delete"].error or "")
