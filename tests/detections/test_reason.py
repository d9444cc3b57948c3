"""Which templates a reason may have: those that every alert can fill."""

import pytest

from detections.reason import template_mistake


@pytest.mark.parametrize(
    "template",
    [
        "{count:call} by {identity} {span}",
        "{count:successful call}, {count:sign-in}, {count:Abruf}, {count}",
        "{{count!r}} {{0}} is text",
        "x" * 2_000,
    ],
)
def test_a_template_of_names_and_nouns_is_right(template: str) -> None:
    assert template_mistake(template, ["identity"]) is None


@pytest.mark.parametrize("noun", ["5d", "ca:ll", "call\n", "c" * 41, "-call", "call{", ",", "=>9"])
def test_what_is_no_noun_is_refused(noun: str) -> None:
    assert template_mistake(f"{{count:{noun}}}", []) is not None
