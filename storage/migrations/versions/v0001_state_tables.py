"""The first schema: cursors, runs, alerts, outbox, ingest, incidents, leases.

Written out, and not derived from `storage.state.tables`, because a revision that has run anywhere must never change.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_detection()
    _create_alerts()
    _create_delivery()
    _create_ingest()
    _create_coordination()


def _moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _required(name: str, kind: Any, *constraints: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, *constraints, nullable=False)


def _optional(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


def _create_detection() -> None:
    op.create_table(
        "cursors",
        _required("detection", sa.String(100)),
        _required("generation", sa.Integer()),
        _required("positions", sa.JSON()),
        _optional("lake_version", sa.BigInteger()),
        _optional("lake_entry", sa.String(64)),
        _required("rule_version", sa.String(64)),
        _required("updated_at", _moment()),
        sa.PrimaryKeyConstraint("detection", name="pk_cursors"),
    )
    op.create_table(
        "runs",
        _required("id", sa.Integer()),
        _required("detection", sa.String(100)),
        _required("rule_version", sa.String(64)),
        _required("started_at", _moment()),
        _required("finished_at", _moment()),
        _required("outcome", sa.String(20)),
        _required("new_events", sa.BigInteger()),
        _required("matched", sa.BigInteger()),
        _required("unjudged", sa.BigInteger()),
        _required("alerts_created", sa.Integer()),
        _required("alerts_updated", sa.Integer()),
        _optional("error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_index("ix_runs_detection_id", "runs", ["detection", "id"])
    op.create_table(
        "network_days",
        _required("identity_key", sa.String(300)),
        _required("network", sa.String(50)),
        _required("date", sa.String(10)),
        _required("first_time", _moment()),
        _required("last_time", _moment()),
        _required("events", sa.BigInteger()),
        _required("late", sa.Boolean()),
        _required("sample", sa.JSON()),
        _optional("judgement", sa.JSON()),
        sa.PrimaryKeyConstraint("identity_key", "network", "date", name="pk_network_days"),
    )
    op.create_table(
        "contexts",
        _required("version", sa.String(64)),
        _required("document", sa.JSON()),
        _required("created_at", _moment()),
        sa.PrimaryKeyConstraint("version", name="pk_contexts"),
    )


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        _required("id", sa.String(40)),
        _required("rule", sa.String(100)),
        _required("rule_id", sa.String(40)),
        _required("rule_version", sa.String(64)),
        _optional("context_version", sa.String(64)),
        _required("title", sa.Text()),
        _required("severity", sa.String(20)),
        _required("tags", sa.JSON()),
        _required("group_key", sa.String(700)),
        _required("entities", sa.JSON()),
        _required("registries", sa.JSON()),
        _required("status", sa.String(10)),
        _optional("close_reason", sa.String(60)),
        _optional("merged_into", sa.String(40)),
        _required("historical", sa.Boolean()),
        _required("first_seen", _moment()),
        _required("last_seen", _moment()),
        _required("count", sa.BigInteger()),
        _required("evidence", sa.JSON()),
        _required("evidence_rows", sa.JSON()),
        _required("facts", sa.JSON()),
        _required("reason", sa.Text()),
        _required("revision", sa.Integer()),
        _required("created_at", _moment()),
        _required("updated_at", _moment()),
        _required("raised_at", _moment()),
        _optional("closed_at", _moment()),
        _required("changed_after_close", sa.Boolean()),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
    )
    op.create_index("ix_alerts_created_at_id", "alerts", ["created_at", "id"])
    op.create_index("ix_alerts_rule_group_key_last_seen", "alerts", ["rule", "group_key", "last_seen"])
    op.create_table(
        "alert_history",
        _required("id", sa.Integer()),
        _required("alert_id", sa.String(40), sa.ForeignKey("alerts.id", name="fk_alert_history_alert_id")),
        _required("at", _moment()),
        _required("actor", sa.String(200)),
        _required("change", sa.String(40)),
        _required("detail", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name="pk_alert_history"),
    )
    op.create_index("ix_alert_history_alert_id", "alert_history", ["alert_id"])


def _create_delivery() -> None:
    op.create_table(
        "deliveries",
        _required("sequence", sa.Integer()),
        _required("id", sa.String(200)),
        _required("destination", sa.String(100)),
        _optional("alert_id", sa.String(40)),
        _required("type", sa.String(20)),
        _required("revision", sa.Integer()),
        _required("body", sa.Text()),
        _required("status", sa.String(10)),
        _required("attempts", sa.Integer()),
        _required("created_at", _moment()),
        _required("not_before", _moment()),
        _optional("lease_owner", sa.String(80)),
        _optional("lease_until", _moment()),
        _optional("finished_at", _moment()),
        sa.PrimaryKeyConstraint("sequence", name="pk_deliveries"),
        sa.UniqueConstraint("id", name="uq_deliveries_id"),
    )
    op.create_index(
        "ix_deliveries_alert_id_destination_sequence", "deliveries", ["alert_id", "destination", "sequence"]
    )
    op.create_index("ix_deliveries_status_not_before", "deliveries", ["status", "not_before"])
    op.create_table(
        "attempts",
        _required("id", sa.Integer()),
        _required("delivery_id", sa.String(200)),
        _required("at", _moment()),
        _required("seconds", sa.Float()),
        _optional("status_code", sa.Integer()),
        _required("outcome", sa.String(20)),
        _optional("detail", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
    )
    op.create_index("ix_attempts_delivery_id", "attempts", ["delivery_id"])


def _create_ingest() -> None:
    op.create_table(
        "rejects",
        _required("stream", sa.String(300)),
        _required("sequence_number", sa.BigInteger()),
        _required("ordinal", sa.Integer()),
        _required("reason", sa.String(60)),
        _required("detail", sa.Text()),
        _required("body", sa.LargeBinary()),
        _required("body_length", sa.BigInteger()),
        _optional("enqueued_time", _moment()),
        _required("rejected_at", _moment()),
        _optional("replayed_at", _moment()),
        sa.PrimaryKeyConstraint("stream", "sequence_number", "ordinal", name="pk_rejects"),
    )
    op.create_index("ix_rejects_rejected_at", "rejects", ["rejected_at"])
    op.create_table(
        "ingest_counts",
        _required("date", sa.String(10)),
        _required("name", sa.String(100)),
        _required("count", sa.BigInteger()),
        sa.PrimaryKeyConstraint("date", "name", name="pk_ingest_counts"),
    )
    op.create_table(
        "position_hints",
        _required("stream", sa.String(300)),
        _required("offset", sa.String(100)),
        _required("sequence_number", sa.BigInteger()),
        _required("updated_at", _moment()),
        sa.PrimaryKeyConstraint("stream", name="pk_position_hints"),
    )
    op.create_table(
        "files",
        _required("sha256", sa.String(64)),
        _required("path", sa.Text()),
        _required("size", sa.BigInteger()),
        _required("offset", sa.BigInteger()),
        _required("records", sa.BigInteger()),
        _optional("finished_at", _moment()),
        _required("updated_at", _moment()),
        sa.PrimaryKeyConstraint("sha256", name="pk_files"),
    )


def _create_coordination() -> None:
    op.create_table(
        "incidents",
        _required("key", sa.String(400)),
        _required("kind", sa.String(40)),
        _required("message", sa.Text()),
        _required("remedy", sa.Text()),
        _required("since", _moment()),
        _required("last_seen", _moment()),
        _required("occurrences", sa.Integer()),
        _optional("resolved_at", _moment()),
        sa.PrimaryKeyConstraint("key", name="pk_incidents"),
    )
    op.create_table(
        "leases",
        _required("name", sa.String(100)),
        _required("owner", sa.String(80)),
        _required("until", _moment()),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
