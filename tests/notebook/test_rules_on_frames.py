"""`Client.rule(...).run(frame)`: the alerts that production would raise, and a warning where it could not have."""

import re
import warnings
from datetime import timedelta

import pandas as pd
import pytest

from acrwatch.core.errors import AcrWatchError, ConfigError, NotFoundError
from acrwatch.notebook import BlindWarning, Client
from detections.context import Context
from detections.library import read_library
from detections.trial import try_rules
from storage.lake.reading import read_snapshot
from storage.query import Reader
from tests.notebook.world import DELETED, NOW, START


def test_a_frame_raises_what_the_lake_raises(client: Client) -> None:
    """The same detection over the lake itself, by the code of a backtest."""
    slug = "mass-delete"
    frame = client.events()
    snapshot = read_snapshot(frame.attrs["query"]["lake"])
    with Reader(snapshot) as reader:
        detections = {slug: read_library().detections[slug]}
        (trial,) = try_rules(detections, reader, Context(), START, NOW)
    found = client.rule(slug).run(frame)
    assert [(alert.reason, alert.count, alert.first_seen) for alert in trial.alerts] == [
        (row.reason, row["count"], row.first_seen) for _, row in found.iterrows()
    ]
    (row,) = found.to_dict("records")
    assert (row["count"], row["identities"], row["severity"]) == (25, ["mallory@example.com"], "critical")
    assert row["evidence"] == [one.event_id for one in DELETED]
    assert "id" not in row
    assert "status" not in row
    assert found.attrs["query"]["matched"] == 25


def test_a_frame_in_any_order_with_rows_twice_raises_the_same(client: Client) -> None:
    frame = client.events()
    jumbled = pd.concat([frame[::-1], frame.sample(frac=0.5, random_state=7)])
    one, other = (client.rule("mass-delete").run(events) for events in (frame, jumbled))
    pd.testing.assert_frame_equal(one, other)
    assert len(one) == 1


def test_what_a_frame_leaves_out_and_no_rule_judges_by_is_made_up(client: Client) -> None:
    frame = client.events(identity="mallory@example.com")
    kept = frame.drop(columns=["source", "sequence_number", "ingested_at", "enqueued_time", "partition_id"])
    assert len(client.rule("mass-delete").run(kept)) == 1


def test_rows_of_a_frame_are_judged_as_they_are(client: Client) -> None:
    frame = client.events()
    deletes = frame[frame["operation"] == "delete"]
    assert len(client.rule("mass-delete").run(deletes[:19])) == 0
    assert len(client.rule("mass-delete").run(deletes.assign(succeeded=False))) == 0
    assert len(client.rule("mass-delete").run(deletes[:20])) == 1
    assert len(client.rule("mass-delete").run(frame[:0])) == 0


def test_what_lies_before_is_history_and_raises_nothing(client: Client) -> None:
    frame = client.events()
    rule = client.rule("mass-delete")
    assert len(rule.run(frame, since=DELETED[-1].time + timedelta(seconds=1))) == 0
    assert len(rule.run(frame, since=DELETED[0].time)) == 1


def test_a_baseline_judges_a_frame_by_the_days_before(client: Client) -> None:
    """Sixty days of one identity from one network, then from another: learning is a matter of the rows passed."""
    event = client.events(identity="ci").iloc[:1]
    days = pd.concat([event] * 60, ignore_index=True)
    days["event_time"] = [START + timedelta(days=n) for n in range(60)]
    days["event_id"] = [f"{n:032x}" for n in range(60)]
    for name in ("ingested_at", "enqueued_time"):
        days[name] = days["event_time"]
    days.loc[59, ["caller_ip", "caller_ip_address"]] = "203.0.113.77"
    found = client.rule("anomalous-source-ip").run(days, since=START + timedelta(days=50))
    assert list(found["evidence"]) == [[f"{59:032x}"]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame[["event_id", "event_time"]], "the frame lacks category, operation_name"),
        (lambda frame: frame.drop(columns="digest"), "the frame lacks digest, which a rule may judge by"),
        (lambda frame: frame.assign(event_id="xyz"), "column event_id of the frame holds what is no binary"),
        (lambda frame: frame.drop(columns="duration_ms"), "the frame lacks duration_ms"),
        (lambda frame: frame.assign(event_time=frame["event_time"].dt.tz_localize(None)), "its times have no zone"),
        (lambda frame: frame.assign(registry=None), "column registry of the frame lacks 88 values"),
        (lambda frame: frame.assign(status_code="many"), "column status_code of the frame holds what is no int16"),
    ],
)
def test_a_frame_that_cannot_be_judged_is_refused_with_the_column(client: Client, change: object, said: str) -> None:
    assert callable(change)
    with pytest.raises(ConfigError, match=re.escape(said)):
        client.rule("mass-delete").run(change(client.events()))


def test_a_rule_that_lacks_what_it_must_know_says_so(client: Client) -> None:
    with pytest.warns(BlindWarning, match="cannot fire: no registry has allowed_ranges configured"):
        assert len(client.rule("pull-outside-allowed-ranges").run(client.events())) == 0


def test_a_rule_on_the_control_plane_wants_its_records(client: Client) -> None:
    rule = client.rule("admin-user-enabled")
    with pytest.warns(BlindWarning, match="judges the control plane, of which the frame has no record"):
        rule.run(client.events())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(rule.run(client.sql("SELECT * FROM activity"))) == 0


def test_a_rule_says_what_it_is(client: Client) -> None:
    rule = client.rule("mass-delete")
    assert rule.about.level == "critical"
    assert repr(rule) == "<rule mass-delete: critical, Many images deleted in a short time>"
    with pytest.raises(NotFoundError, match=r"there is no rule 'mas-delete'\. Did you mean mass-delete\?"):
        client.rule("mas-delete")
    with pytest.raises(ConfigError, match="entity-risk is computed from the alerts of rules"):
        client.rule("entity-risk")


def test_a_detection_that_fails_is_an_error_and_not_silence(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = client.rule("mass-delete")

    def fail(*_: object) -> None:
        raise ZeroDivisionError("seven")

    monkeypatch.setattr(type(rule._detection), "observe", fail)
    with pytest.raises(AcrWatchError, match="mass-delete failed on these events: ZeroDivisionError: seven"):
        rule.run(client.events())
