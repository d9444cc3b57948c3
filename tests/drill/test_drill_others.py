"""What the drill asks of other engines: it sees where one finds something else, and says what is missing."""

from pathlib import Path

import pytest

from acrwatch.core.errors import ConfigError
from drill.engines import spark_connect
from drill.exported import Question, questions
from storage.schema import CATEGORIES


@pytest.fixture(scope="module")
def asked() -> dict[str, Question]:
    found = [question for question in questions(["anonymous-pull", "failed-login-burst"]) if question.found.alerts]
    return {question.name.partition(":")[0]: question for question in found}


def test_a_query_that_finds_other_events_is_told(asked: dict[str, Question]) -> None:
    question = asked["anonymous-pull"]
    mine = [event for alert in question.found.alerts for _, event in alert.evidence]
    other = bytes(16).hex()
    assert question.differs([*mine, *mine]) is None  # a row that is told twice is one event
    assert question.differs(mine[1:]) == f"found {len(mine) - 1} events, acrwatch {len(mine)}"
    assert question.differs([*mine[1:], other]) is not None
    assert question.differs([*mine, other]) is not None


def test_a_query_for_full_windows_that_finds_none_is_told(asked: dict[str, Question]) -> None:
    question = asked["failed-login-burst"]
    assert question.differs([None]) is None
    assert question.differs([]) == "0 windows, acrwatch has 1 alerts"


def test_events_lie_in_the_tables_as_log_analytics_has_them(asked: dict[str, Question]) -> None:
    tables = asked["anonymous-pull"].tables()
    assert set(tables) == set(CATEGORIES)
    row = tables["ContainerRegistryRepositoryEvents"][0]
    assert (row["OperationName"], row["Identity"], row["Type"]) == ("Pull", "", "ContainerRegistryRepositoryEvents")


def test_an_environment_without_spark_is_told_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no Spark") as told, spark_connect(tmp_path):
        pass
    assert told.value.remedy == "make drill-engines"
