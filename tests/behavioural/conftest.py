"""Small worlds for detections by habits, over the bench that all detections are tested on."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from acrwatch.core.registry import RegistryContext
from detections.behavioural import discover
from detections.behavioural.habit import Absence, HabitDetection, Novelty, Rate
from detections.context import with_shipped
from detections.places import CASE_PLACES
from tests.detections.conftest import Bench

CONTEXT = with_shipped({
    "contoso": RegistryContext(lists={"purge_identities": ("sweeper",), "known_repositories": ("app", "w*")})
})  # fmt: skip


def small(detection: HabitDetection) -> HabitDetection:
    """Return a detection that asks the same with smaller numbers, so that a world of some hundred events answers."""
    question = detection.question
    if isinstance(question, Novelty):
        question = Novelty(least_dates=2, most_news=question.most_news)
    elif isinstance(question, Absence):
        question = Absence(timedelta(days=20), least_dates=3)
    elif isinstance(question, Rate):
        question = replace(question, floor=4, factor=1.5, deviations=2, least_dates=3)
    return replace(detection, question=question, metadata=replace(detection.metadata, stage="active"))


@pytest.fixture(scope="session")
def habits() -> Mapping[str, HabitDetection]:
    """Every detection by habits that is shipped, asking with small numbers."""
    return {slug: small(one) for slug, one in discover(CASE_PLACES).items() if isinstance(one, HabitDetection)}


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[[Mapping[str, HabitDetection]], Bench]]:
    """Return a maker of benches for these detections."""
    made: list[Bench] = []

    def bench(detections: Mapping[str, HabitDetection]) -> Bench:
        folder = tmp_path / f"bench{len(made)}"
        folder.mkdir()
        made.append(Bench(folder, detections, context=CONTEXT))
        return made[-1]

    yield bench
    for one in made:
        one.database.close()
