"""`df.acr` on frames that people made: a right answer where the meaning is plain, else an error with what to do."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from acrwatch.core.errors import ConfigError
from acrwatch.notebook import Client
from tests.notebook.world import EVENTS

Ask = Callable[[pd.DataFrame], Any]
QUESTIONS: dict[str, Ask] = {
    "by_identity": lambda frame: frame.acr.by_identity(),
    "first_seen": lambda frame: frame.acr.first_seen("identity", "caller_ip"),
    "rare": lambda frame: frame.acr.rare("identity"),
    "sessions": lambda frame: frame.acr.sessions(),
    "diff": lambda frame: frame.acr.diff(frame[:10]),
    "diff back": lambda frame: frame[:10].acr.diff(frame),
}
CHARTS: dict[str, Ask] = {
    "timeline": lambda frame: frame.acr.timeline(by="identity"),
    "heatmap": lambda frame: frame.acr.heatmap("identity", "repository"),
}


@pytest.fixture
def frame(client: Client) -> pd.DataFrame:
    return client.events()


@pytest.mark.parametrize("name", QUESTIONS)
def test_an_index_that_bears_names_of_columns_means_nothing(frame: pd.DataFrame, name: str) -> None:
    indexed = frame.set_index(["registry", "identity"], drop=False)
    pd.testing.assert_frame_equal(QUESTIONS[name](indexed), QUESTIONS[name](frame))


@pytest.mark.parametrize("name", [*QUESTIONS, *CHARTS])
def test_a_column_that_is_there_twice_is_named(frame: pd.DataFrame, name: str) -> None:
    twice = pd.concat([frame, frame[["identity"]]], axis=1)
    with pytest.raises(ConfigError, match=r"column identity 2 times\. Keep one of them: df\.loc"):
        (QUESTIONS | CHARTS)[name](twice)


def test_a_rule_names_it_too(client: Client, frame: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match="the frame has column identity more than once"):
        client.rule("mass-delete").run(pd.concat([frame, frame[["identity"]]], axis=1))


@pytest.mark.parametrize("name", [*QUESTIONS, "timeline"])
def test_times_that_are_texts_are_refused(frame: pd.DataFrame, name: str) -> None:
    texts = frame.assign(event_time=frame["event_time"].astype(str))
    with pytest.raises(
        ConfigError, match=r"holds no times but str.*, such as '2026-11-20 09:30:00\+00:00'\. Convert it"
    ):
        (QUESTIONS | CHARTS)[name](texts)


@pytest.mark.parametrize("name", ["by_identity", "sessions", "diff"])
def test_values_that_cannot_be_counted_are_refused(frame: pd.DataFrame, name: str) -> None:
    lists = frame.assign(repository=[["app"]] * len(frame))
    with pytest.raises(ConfigError, match=r"column repository .* such as \['app'\]\. Give each a row"):
        QUESTIONS[name](lists)


@pytest.mark.parametrize("dtype", ["boolean", object])
def test_an_event_without_a_known_status_failed(frame: pd.DataFrame, dtype: Any) -> None:
    unknown = frame.assign(succeeded=pd.array([None, False] + [True] * (len(frame) - 2), dtype=dtype))
    assert unknown.acr.by_identity()["failed"].sum() == 2
    assert unknown.acr.sessions()["failed"].sum() == 2


def test_what_is_no_truth_value_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match="column succeeded of the frame holds what is no truth value, such as 'soso'"):
        frame.assign(succeeded="soso").acr.by_identity()


def test_a_text_is_one_column(frame: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(frame.acr.sessions(by="registry"), frame.acr.sessions(by=["registry"]))
    assert set(frame[20:].acr.diff(frame[:20], columns="identity")["column"]) == {"identity"}


@pytest.mark.parametrize("by", [("registry", "registry"), ("repository",), ("operation",), ("event_time",)])
def test_any_column_is_a_subject(frame: pd.DataFrame, by: tuple[str, ...]) -> None:
    found = frame.acr.sessions(by=by)
    assert found["events"].sum() == len(EVENTS)
    assert set(by) <= set(found.columns)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda acr: acr.first_seen("identity", "identity"), "first_seen was given 'identity' twice. Name two columns"),
        (lambda acr: acr.sessions(by=()), r"by=\(\) names no column. Pass one such as 'identity'"),
        (lambda acr: acr.diff(acr._frame, columns=[]), r"columns=\[\] names no column"),
        (lambda acr: acr.sessions(by="failed"), "by names 'failed', which is a column of the answer too. Rename it"),
        (lambda acr: acr.rare("events"), "column names 'events'"),
        (lambda acr: acr.sessions("999999999d"), "gap='999999999d' is no pause"),
    ],
)
def test_what_has_no_answer_is_refused(frame: pd.DataFrame, ask: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ask(frame.assign(failed="x", events="x").acr)


@pytest.mark.parametrize("name", ["events", "failed", "registry", "duration"])
def test_an_operation_may_be_called_as_a_column(frame: pd.DataFrame, name: str) -> None:
    renamed = frame.assign(operation=name)
    for found in (renamed.acr.by_identity(), renamed.acr.sessions()):
        assert found[f"operation {name}"].sum() == found["events"].sum() == len(EVENTS)
