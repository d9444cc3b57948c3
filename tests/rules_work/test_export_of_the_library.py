"""What of the shipped library a query elsewhere would get wrong is refused by name."""

import pytest

from acrwatch.core.registry import RegistryContext
from detections.compile import UnsupportedError
from detections.context import Context
from detections.export import export
from detections.rule import SHIPPED, read_rules

CONTEXT = Context(
    {"contoso": RegistryContext({}, {"known_repositories": ("payments/api",), "working_hours": ("mon 09",)})}
)


@pytest.mark.parametrize("language", ["kql", "spl", "esql"])
@pytest.mark.parametrize(
    ("slug", "words"),
    [
        ("look-alike-repository", "spelled almost like a value of a list"),
        ("tag-overwrite-burst", "a correlation over a correlation"),
        ("off-hours-write", "hour_of_week|identity_kind"),  # the first of the two that a language lacks
    ],
)
def test_what_a_query_elsewhere_cannot_say_is_refused(slug: str, words: str, language: str) -> None:
    document = read_rules([SHIPPED / f"{slug}.yml"]).documents[slug]
    with pytest.raises(UnsupportedError, match=words):
        export(document, language, CONTEXT)
