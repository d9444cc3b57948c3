"""The conditions of all detections are put to new events at once; what finds nothing is written down together."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import pytest
from sqlalchemy import event

from acrwatch.core.errors import ConflictError
from detections.behavioural import discover
from detections.binding import bound
from detections.context import Context
from detections.detection import Detection, Judgement, Metadata
from detections.placeholders import placeholder
from detections.rule import load_rules
from detections.rule_event import EventRule
from storage.query import Reader
from storage.state import contexts, runs
from tests.detections.conftest import CONTEXT

Make = Callable[..., Any]
# What no rule that was compiled does: DuckDB refuses it as it runs, row by row.
RAISES = "error('no such luck')"
ENDLESS = "(SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range * b.range % 7 = 8) > 0"


@dataclass
class Quiet:
    """Observes nothing, and raises when asked what it makes of it."""

    metadata: Metadata
    has_profile: ClassVar[bool] = False
    asks: ClassVar[Collection[str]] = ()

    def observe(self, _events: Any, /) -> Judgement:
        return Judgement()

    def judge(self, _observed: Any, _connection: Any, /) -> Judgement:
        raise ZeroDivisionError("of nothing")

    def nearby(self, *_: Any) -> Mapping[str, Any]:
        return {}


class Unasked(NamedTuple):
    """What an Asking detection observed: nothing, as far as anybody can see."""

    events: Any

    def __bool__(self) -> bool:
        return False


class Asking(Quiet):
    """Observes nothing, and then asks without end."""

    def observe(self, events: Any, /) -> Any:
        return Unasked(events)

    def judge(self, observed: Any, _connection: Any, /) -> Judgement:
        return Judgement(matched=observed.events.count(ENDLESS))


class Mute(Quiet):
    """Does not get so far as to say what it asks."""

    @property
    def asks(self) -> Collection[str]:  # type: ignore[override]
        raise LookupError("no such condition")

    def judge(self, _observed: Any, _connection: Any, /) -> Judgement:
        return Judgement()


@pytest.fixture(scope="module")
def rules() -> Mapping[str, Detection]:
    return {**load_rules(), **discover()}


def _ruled(everything: Mapping[str, Detection], where: str) -> EventRule:
    return EventRule(replace(everything["admin-user-login"].metadata, slug="ours"), where)


def _cursors(bench: Any) -> dict[str, int]:
    with bench.database.connect() as connection:
        return {slug: cursor.generation for slug, cursor in runs.load(connection).items()}


@pytest.mark.parametrize("where", [RAISES, ENDLESS], ids=["raises", "never ends"])
def test_a_condition_that_fails_costs_no_other_detection(
    make_bench: Make, everything: Mapping[str, Detection], happening: Make, where: str
) -> None:
    other = everything["pull-outside-allowed-ranges"]
    bench = make_bench({"ours": _ruled(everything, where), "pull-outside-allowed-ranges": other})
    bench.store([happening(1, ip="203.0.113.9")])
    passed = replace(bench.engine(), query_seconds=0.5).run_until_done()
    assert (passed.failed, passed.created) == (("ours",), 1)


def test_one_that_raises_over_nothing_fails_alone(
    admin_bench: Any, everything: Mapping[str, Detection], happening: Make
) -> None:
    bench = admin_bench
    quiet: Any = Quiet(replace(everything["admin-user-login"].metadata, slug="quiet"))
    bench.detections = {**everything, "quiet": quiet}
    passed = bench.judge(happening(1))
    assert passed.failed == ("quiet",)
    moved = {slug for slug, generation in _cursors(bench).items() if generation}
    assert moved == everything.keys()


def test_one_that_asks_without_end_over_nothing_fails_alone_and_in_time(
    admin_bench: Any, everything: Mapping[str, Detection], happening: Make
) -> None:
    bench = admin_bench
    asking: Any = Asking(replace(everything["admin-user-login"].metadata, slug="asking"))
    bench.detections = {**everything, "asking": asking}
    bench.store([happening(1)])
    assert replace(bench.engine(), query_seconds=1.0).run_until_done().failed == ("asking",)
    assert {slug for slug, generation in _cursors(bench).items() if generation} == everything.keys()


def test_one_that_cannot_say_what_it_asks_costs_no_other(
    make_bench: Make, everything: Mapping[str, Detection], happening: Make
) -> None:
    other = everything["pull-outside-allowed-ranges"]
    mute: Any = Mute(replace(everything["admin-user-login"].metadata, slug="mute"))
    bench = make_bench({"mute": mute, "pull-outside-allowed-ranges": other})
    bench.store([happening(1, ip="203.0.113.9")])
    assert bench.engine().run_until_done().created == 1


def test_what_adds_up_is_told_by_a_context_that_is_kept(admin_bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alerts name the context they were judged by; a person's change can make one while no event brings a match."""
    monkeypatch.setattr("detections.engine.waiting", lambda _: True)
    done = SimpleNamespace(created=1, updated=0, more=False)
    monkeypatch.setattr("detections.engine.assess", lambda *_, **__: done)
    admin_bench.engine().run_pass()
    with admin_bench.database.connect() as connection:
        assert contexts.load(connection, CONTEXT.version())


def _let_another_be_first(monkeypatch: pytest.MonkeyPatch, run: Callable[[], object]) -> None:
    """Let another service judge once the first detection of a pass has observed."""

    def reached(moment: str) -> None:
        if moment == "pass.observed":
            monkeypatch.setattr("detections.engine.reach", lambda _: None)
            run()

    monkeypatch.setattr("detections.engine.reach", reached)


def _one_judged_one_waiting(make_bench: Make, detections: Mapping[str, Detection], happening: Make) -> Any:
    """A bench on which every cursor stands at the first of two events."""
    bench = make_bench(detections)
    bench.judge(happening(1))
    bench.store([happening(2)])
    return bench


def test_one_whose_cursor_was_moved_by_another_process_keeps_no_other(
    make_bench: Make, everything: Mapping[str, Detection], happening: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = _one_judged_one_waiting(make_bench, everything, happening)
    alone = {"mass-delete": everything["mass-delete"]}
    _let_another_be_first(monkeypatch, lambda: replace(bench.engine(), detections=alone).run_until_done())
    passed = bench.engine().run_pass()
    assert (passed.failed, passed.more) == ((), True)
    assert set(_cursors(bench).values()) == {2}
    with bench.database.connect() as connection:
        found = connection.exec_driver_sql("SELECT detection, sum(new_events) FROM runs GROUP BY detection").all()
    assert {total for _, total in found} == {2}


def test_two_services_that_judge_the_same_events_say_nothing_of_errors(
    make_bench: Make,
    everything: Mapping[str, Detection],
    happening: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = _one_judged_one_waiting(make_bench, everything, happening)
    _let_another_be_first(monkeypatch, lambda: bench.engine().run_until_done())
    bench.engine().run_until_done()
    assert set(_cursors(bench).values()) == {2}
    with bench.database.connect() as connection:
        runs_of = connection.exec_driver_sql("SELECT count(*) FROM runs GROUP BY detection").scalars().all()
    assert set(runs_of) == {2}
    assert not [record for record in caplog.records if record.exc_info or record.levelname != "INFO"]


def test_a_database_that_refuses_a_change_for_another_s_is_asked_again_without_a_word_of_errors(
    make_bench: Make,
    everything: Mapping[str, Detection],
    happening: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A deadlock or a serialisation failure: whose fault it is cannot be told, and trying again helps."""
    bench = _one_judged_one_waiting(make_bench, everything, happening)
    advance = runs.advance

    def refused(*given: Any, **more: Any) -> Any:
        monkeypatch.setattr("detections.engine.runs.advance", advance)
        raise ConflictError("was changed by another process first")

    monkeypatch.setattr("detections.engine.runs.advance", refused)
    assert bench.engine().run_until_done().failed == ()
    assert set(_cursors(bench).values()) == {2}
    assert not [record for record in caplog.records if record.exc_info]


def test_detections_that_find_nothing_share_one_transaction(
    make_bench: Make, rules: Mapping[str, Detection], happening: Make
) -> None:
    bench = make_bench(rules)
    bench.judge(happening(1, operation="login", status=500))
    bench.store([happening(2, operation="login", status=500)])
    commits: list[int] = []
    event.listen(bench.database._writer, "commit", lambda _: commits.append(1))
    assert bench.engine().run_pass().new_events == 1
    assert len(rules) > 40
    assert len(commits) < 6


def test_every_shipped_rule_asks_new_events_by_what_it_says_it_asks(
    make_bench: Make, rules: Mapping[str, Detection], happening: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A condition that differs by a letter is answered all the same, but costs a question of its own with each pass."""
    bench = make_bench(rules)
    bench.judge(happening(1, operation="login", status=500))
    asked: list[str] = []
    rows = Reader.rows

    def noting(self: Reader, sql: str, parameters: Any = ()) -> Any:
        asked.append(sql)
        return rows(self, sql, parameters)

    monkeypatch.setattr(Reader, "rows", noting)
    bench.store([happening(2, operation="login", status=500)])
    assert bench.engine().run_pass().new_events == 1
    # How far the rows reach; how many meet each condition; their times; the days of the control plane's.
    assert len(asked) == 4, "\n".join(asked)


def test_texts_of_a_rule_are_no_marks() -> None:
    mark = placeholder("identity", "e.identity", "push_identities")
    text = "e.tag = '@{values:push_identities:e.tag}, it''s' AND " + mark
    assert bound(text, Context()) == "e.tag = '@{values:push_identities:e.tag}, it''s' AND false"


def test_a_name_that_no_list_can_have_is_an_empty_list() -> None:
    assert placeholder("identity", "e.identity", "it's:}") == "false"
