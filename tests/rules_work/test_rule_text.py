"""What no rule file may hold is refused where it stands, before anything is built of it, and costs no other file."""

from pathlib import Path

import pytest

from detections.rule import read_rules
from tests.rules_work.conftest import RULE

SOURCE = "logsource: {product: azure, service: containerregistry}\n"
# What is `{}` of a file, by where a rule file has room for more: each is right without more.
PLACES = {
    "selection": "title: T\n" + SOURCE + "detection:\n  s: {identity: ci}\n  {}\n  condition: s\n",
    "top level": RULE.format(identity="ci") + "{}\n",
    "own key": RULE.format(identity="ci") + "x_entities:\n  {}\n  ip: caller_ip\n",
    "filter": "title: F\n" + SOURCE + "filter:\n  rules: [none]\n  s: {identity: ci}\n  {}\n  condition: not s\n",
    "correlation": RULE.format(identity="ci")
    + "name: one\n---\ntitle: C\ncorrelation:\n  type: event_count\n  rules: [one]\n  group-by: [actor]\n"
    "  timespan: 10m\n  condition: {gte: 3}\n  {}\n",
}


def refused(folder: Path, text: str) -> str:
    """Return what is said of a file with this text, which keeps no other from loading."""
    file = folder / "hostile.yml"
    file.write_text(text)
    rules = read_rules([folder])
    assert set(rules.detections) == {"ci-pulls"}
    (mistake,) = rules.mistakes
    assert mistake.file == file
    return f"{mistake.line}: {mistake.message}"


def line_of(text: str, words: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), start=1) if words in line)


@pytest.mark.parametrize("place", PLACES)
def test_each_place_of_these_tests_has_room(folder: Path, place: str) -> None:
    (folder / "another.yml").write_text(PLACES[place].replace("{}", ""))
    assert read_rules([folder]).mistakes == ()


@pytest.mark.parametrize("place", PLACES)
def test_what_holds_itself_is_refused(folder: Path, place: str) -> None:
    text = PLACES[place].replace("{}", "self: &s [*s, {identity: x}]")
    assert refused(folder, text) == f"{line_of(text, 'self:')}: this holds itself: an alias in it names it"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("many", ["[{}]", "<<: [{}]"])
def test_aliases_that_multiply_are_refused_at_once(folder: Path, place: str, many: str) -> None:
    indent = next(line for line in PLACES[place].splitlines() if "{}" in line).partition("{}")[0]
    lines = ["l0: &l0 {identity: ci}"]
    for n in range(1, 8):
        body = many.replace("{}", ", ".join([f"*l{n - 1}"] * 9))
        lines.append(f"l{n}: &l{n} " + (f"{{{body}}}" if ":" in many else body))
    text = PLACES[place].replace("{}", f"\n{indent}".join(lines))
    words = refused(folder, text)
    assert words == f"{line_of(text, 'l4:')}: aliases make more of this than any rule needs: write out what is meant"


def test_aliases_as_people_use_them_are_no_mistake(folder: Path) -> None:
    (folder / "aliased.yml").write_text(
        "title: T\n" + SOURCE + "detection:\n  a: &a {identity: [x, y]}\n  b: {<<: *a, operation: pull}\n"
        "  c: [*a, {identity: z}]\n  condition: 1 of them\n"
    )
    assert read_rules([folder]).mistakes == ()


@pytest.mark.parametrize("place", PLACES)
def test_a_second_key_of_one_name_is_refused_where_it_stands(folder: Path, place: str) -> None:
    text = PLACES[place].replace("{}", "more: {identity: ci,\n      operation: pull,\n      identity: other}")
    first = line_of(text, "more:")
    words = f"{first + 2}: the key 'identity' is written twice in one mapping, first on line {first}"
    assert refused(folder, text) == words


@pytest.mark.parametrize("keys", ["yes: 1, true: 2", "1: a, 0x1: b", '"a": 1, a: 2', "<<: {a: 1}, <<: {b: 1}"])
def test_keys_that_mean_one_thing_are_one_key(folder: Path, keys: str) -> None:
    assert "is written twice" in refused(folder, PLACES["selection"].replace("{}", f"more: {{{keys}}}"))


@pytest.mark.parametrize("keys", ["1: a, '1': b", "a: 1, A: 2", "<<: {a: 1}, a: 2"])
def test_keys_that_differ_are_two(folder: Path, keys: str) -> None:
    (folder / "another.yml").write_text(RULE.format(identity="ci") + f"custom: {{{keys}}}\n")
    assert read_rules([folder]).mistakes == ()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("half", ["\\ud800", "\\ud83d\\ude00"])
def test_half_a_character_is_refused_where_it_stands(folder: Path, place: str, half: str) -> None:
    text = PLACES[place].replace("{}", f'more:\n    identity: "a{half}b"')
    assert refused(folder, text).startswith(f"{line_of(text, half)}: 'a{half[:6]}")
    assert "holds half of a character, U+D8" in refused(folder, text)


def test_half_a_character_in_a_key_is_refused(folder: Path) -> None:
    assert "holds half of a character" in refused(folder, PLACES["top level"].replace("{}", '"x\\udfff": 1'))


def test_a_nul_is_refused_where_it_stands(folder: Path) -> None:
    text = PLACES["top level"].replace("{}", 'description: "a\\0b"')
    assert refused(folder, text) == f"{line_of(text, 'description')}: 'a\\x00b' holds a NUL, which no event does"


@pytest.mark.parametrize(
    ("value", "kind"),
    [("2026-02-30", "timestamp"), ("!!int ''", "int"), ("!!float ''", "float"), ("!!bool maybe", "bool")],
)
def test_a_value_that_is_none_of_its_kind_is_refused_where_it_stands(folder: Path, value: str, kind: str) -> None:
    text = PLACES["top level"].replace("{}", f"date: {value}")
    assert refused(folder, text).startswith(f"{line_of(text, 'date:')}: ")
    assert f"is no {kind}: " in refused(folder, text)


def test_of_two_mistakes_the_first_is_told(folder: Path) -> None:
    text = PLACES["top level"].replace("{}", 'description: "\\ud800"\nauthor: "\\0"')
    assert "half of a character" in refused(folder, text)
