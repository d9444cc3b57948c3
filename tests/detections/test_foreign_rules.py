"""Sigma rules as others write them load unchanged, and mean what their authors meant."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detections import rule
from detections.rule import SHIPPED, load_rules, parse_rule, read_rules

Make = Callable[..., Any]

FOREIGN = """
title: Unusual client
status: experimental
logsource: {product: azure, service: ContainerRegistryRepositoryEvents}
detection:
  selection:
    %s
  condition: selection
"""


@pytest.mark.parametrize(
    "item",
    [
        "CallerIpAddress|cidr: 203.0.113.0/24",
        "callerIpAddress|startswith: '203.0.113.'",
        "properties.callerIpAddress: 203.0.113.9",
        "caller_ip_address: 203.0.113.9",
        "Identity|contains|all: [C, i]",
        "event_time|hour: 9",
        "event_time|hour|lt: 10",
        "Tag|fieldref|startswith: Tag",
    ],
)
def test_every_spelling_of_a_field_loads_and_finds(make_bench: Make, happening: Make, item: str) -> None:
    bench = make_bench({"unusual": parse_rule(FOREIGN % item, "unusual")})
    bench.judge(happening(1, ip="203.0.113.9"))
    assert bench.only().reason.startswith("Unusual client: 1 call (1 pull) by ci on contoso at ")


KEYWORDS = "title: Words\nlogsource: {product: azure, service: acr}\ndetection: {k: [%s], condition: k}\n"


@pytest.mark.parametrize(("words", "count"), [("KANIKO", 1), ("'kan?ko'", 1), ("203", 1), ("zot", 0), ("pull", 1)])
def test_a_keyword_is_looked_for_in_what_the_log_says(
    make_bench: Make, happening: Make, words: str, count: int
) -> None:
    bench = make_bench({"words": parse_rule(KEYWORDS % words, "words")})
    bench.judge(happening(1, user_agent="kaniko/1.9 (203)"))
    assert len(bench.standing()) == count


FILTER = """
title: Not the scanner
logsource: {product: azure, service: containerregistry}
filter:
  rules: [unusual_pull]
  scanner: {identity: scanner}
  condition: not scanner
"""
PULLS = """
title: Pull
name: unusual_pull
logsource: {product: azure, service: containerregistry}
detection: {s: {operation: pull}, condition: s}
"""


def test_a_filter_in_a_file_of_its_own_narrows_the_rule_it_names(
    make_bench: Make, happening: Make, tmp_path: Path
) -> None:
    (tmp_path / "pulls.yml").write_text(PULLS)
    alone = load_rules([tmp_path])["pulls"].metadata.version
    (tmp_path / "scanner.yml").write_text(FILTER)
    narrowed = load_rules([tmp_path])
    assert set(narrowed) == {"pulls"}
    assert narrowed["pulls"].metadata.version != alone
    bench = make_bench(narrowed)
    bench.judge(happening(1, identity="scanner"), happening(2, identity="ana"))
    assert "contoso/ana" in bench.only().group_key


def test_a_rule_of_ours_is_tried_on_the_database_where_a_filter_narrows_it(tmp_path: Path) -> None:
    ours = SHIPPED / "anonymous-pull.yml"
    alone = read_rules([ours]).detections["anonymous-pull"].metadata.version
    (tmp_path / "known.yml").write_text(FILTER.replace("unusual_pull", "755d6afe-ed85-4e94-a3af-c85c168d835a"))
    narrowed = read_rules([ours, tmp_path]).detections["anonymous-pull"].metadata.version
    assert {alone, narrowed} & rule._TRIED == {narrowed}


CORRELATION = """
title: Pulls
correlation: {type: event_count, rules: [unusual_pull], timespan: 1h, condition: {gte: 2}}
"""


def test_a_correlation_may_be_over_a_rule_of_another_file_which_then_is_silent(tmp_path: Path) -> None:
    (tmp_path / "pulls.yml").write_text(PULLS)
    (tmp_path / "many.yml").write_text(CORRELATION)
    assert set(load_rules([tmp_path])) == {"many"}


def test_a_broken_file_is_told_with_its_line_and_costs_no_other(tmp_path: Path) -> None:
    (tmp_path / "pulls.yml").write_text(PULLS)
    (tmp_path / "broken.yml").write_text(
        PULLS.replace("operation: pull", "operatoin: pull").replace("name: u", "name: n")
    )
    (tmp_path / "open.yml").write_text("title: [\n  a,\n")
    rules = read_rules([tmp_path])
    assert set(rules.detections) == {"pulls"}
    told = sorted(str(mistake).removeprefix(f"{tmp_path}/") for mistake in rules.mistakes)
    assert told[0] == "broken.yml:5: unknown field 'operatoin': did you mean 'operation'?"
    assert told[1].startswith("open.yml:3: while parsing")


def test_a_rule_of_its_own_file_comes_before_one_of_that_name_elsewhere(tmp_path: Path) -> None:
    both = f"{PULLS}---{CORRELATION}"
    (tmp_path / "first.yml").write_text(both)
    (tmp_path / "second.yml").write_text(both)
    assert set(load_rules([tmp_path])) == {"first", "second"}


def test_what_a_rule_says_of_itself_is_text_however_it_is_written() -> None:
    said = parse_rule(FOREIGN % "Tag: v1" + "falsepositives: [0.1, ~]\nreferences: [5]\n", "said").metadata
    assert (said.falsepositives, said.references) == (("0.1", "None"), ("5",))
