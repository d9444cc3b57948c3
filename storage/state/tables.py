"""Every table of the state database. `storage/migrations` creates them; a test holds the two together.

All times are aware UTC. Portable between SQLite and PostgreSQL: no type below exists in only one of them.
"""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeDecorator, TypeEngine


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime. SQLite keeps no zone, so it is put back on the way out; a naive value is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}: pass an aware one")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _json() -> "JSON":
    return JSON(none_as_null=True)


def _word() -> TypeEngine[str]:
    """A status or a stage. SQLite asks for no width, so the columns that were made narrower there stay as they are: to
    widen one is to copy the whole table."""
    return String(20).with_variant(String(10), "sqlite")


metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _column(name: str, *definition: Any, **options: Any) -> Column[Any]:
    options.setdefault("nullable", False)
    return Column(name, *definition, **options)


# --- detection: how far each detection has judged, what its runs did, what it remembers ---------------------------

cursors: Final = Table(
    "cursors",
    metadata,
    _column("detection", String(100), primary_key=True),
    _column("generation", Integer),  # compare-and-swap: every advance adds one
    _column("positions", _json()),  # {stream: last judged sequence number}
    _column("lake_version", BigInteger, nullable=True),  # hint only: log entry up to which files are known
    _column("lake_entry", String(64), nullable=True),  # hint only: hash of that entry
    _column("rule_version", String(64)),
    _column("updated_at", UtcDateTime()),
)

runs: Final = Table(
    "runs",
    metadata,
    _column("id", Integer, primary_key=True, autoincrement=True),
    _column("detection", String(100)),
    _column("rule_version", String(64)),
    _column("started_at", UtcDateTime()),
    _column("finished_at", UtcDateTime()),
    _column("outcome", String(20)),  # succeeded | failed
    _column("new_events", BigInteger),
    _column("matched", BigInteger),
    _column("unjudged", BigInteger),
    _column("alerts_created", Integer),
    _column("alerts_updated", Integer),
    _column("error", Text, nullable=True),
    Index(None, "detection", "id"),
)

network_days: Final = Table(  # profile of anomalous-source-ip: one row per identity, network and UTC date
    "network_days",
    metadata,
    _column("identity_key", String(300), primary_key=True),
    _column("network", String(50), primary_key=True),
    _column("date", String(10), primary_key=True),
    _column("first_time", UtcDateTime()),
    _column("last_time", UtcDateTime()),
    _column("events", BigInteger),
    _column("late", Boolean),  # every event of the day arrived later than `lateness`
    _column("sample", _json()),  # capped evidence: [[time, event id, row], ...] earliest first
    _column("judgement", _json(), nullable=True),  # why the day matched; null where it did not
    Index(None, "identity_key", "date"),
    Index(
        "ix_network_days_judged",
        "identity_key",
        "network",
        "date",
        sqlite_where=text("judgement IS NOT NULL"),
        postgresql_where=text("judgement IS NOT NULL"),
    ),
)

registry_homes: Final = Table(  # profile of anomalous-source-ip: the network an identity used first on a registry
    "registry_homes",
    metadata,
    _column("registry", String(200), primary_key=True),
    _column("identity_key", String(300), primary_key=True),
    _column("network", String(50)),
    _column("first_time", UtcDateTime()),
    _column("second_date", String(10), nullable=True),  # second UTC date of its use there; it counts from then on
)

habit_firsts: Final = Table(  # habits, of each detection its own: when a subject first showed a value
    "habit_firsts",
    metadata,
    _column("detection", String(100), primary_key=True),
    _column("subject", String(300), primary_key=True),
    _column("value", String(300), primary_key=True),
    _column("first_date", String(10)),  # UTC
    Index(None, "detection", "subject", "first_date"),
)

habit_days: Final = Table(  # habits: the UTC dates on which a subject was seen, and how much
    "habit_days",
    metadata,
    _column("detection", String(100), primary_key=True),
    _column("subject", String(300), primary_key=True),
    _column("value", String(300), primary_key=True),  # "": the date's measure; else what it is measured from
    _column("date", String(10), primary_key=True),
    _column("amount", BigInteger),
)

habit_matches: Final = Table(  # what stands: the dates of a subject (and value) that match, with their evidence
    "habit_matches",
    metadata,
    _column("detection", String(100), primary_key=True),
    _column("subject", String(300), primary_key=True),
    _column("value", String(300), primary_key=True),
    _column("date", String(10), primary_key=True),
    _column("group_key", String(700)),  # the alert's group, as alerts.group_key
    _column("judgement", _json()),  # why it matches
    _column("episode", _json()),  # what matches
    Index(None, "detection", "group_key"),
    Index(None, "detection", "date"),
)

contexts: Final = Table(
    "contexts",
    metadata,
    _column("version", String(64), primary_key=True),
    _column("document", _json()),
    _column("created_at", UtcDateTime()),
)

# --- alerts -------------------------------------------------------------------------------------------------------

alerts: Final = Table(
    "alerts",
    metadata,
    _column("id", String(40), primary_key=True),  # assigned once, time-ordered, never derived from times
    _column("rule", String(100)),
    _column("rule_id", String(40)),
    _column("rule_version", String(64)),
    _column("context_version", String(64), nullable=True),
    _column("title", Text),
    _column("severity", String(20)),
    _column("tags", _json()),
    _column("group_key", String(700)),  # canonical JSON of the group's members
    _column("entities", _json()),  # [{"type", "value"}]
    _column("registries", _json()),
    _column("status", _word()),  # new | active | closed, or apart from those: suppressed | staged | building-block
    _column("close_reason", String(60), nullable=True),  # merged | superseded | a verdict
    _column("merged_into", String(40), nullable=True),  # the alert it is part of, or a duplicate of
    _column("historical", Boolean),
    _column("first_seen", UtcDateTime()),
    _column("last_seen", UtcDateTime()),
    _column("count", BigInteger),  # distinct events that matched
    _column("evidence", _json()),  # event ids (hex), earliest first, capped
    _column("evidence_rows", _json()),  # a few of those events whole: outlive retention
    _column("facts", _json()),  # what the reason is built of; mergeable
    _column("reason", Text),
    _column("revision", Integer),
    _column("created_at", UtcDateTime()),
    _column("updated_at", UtcDateTime()),
    _column("raised_at", UtcDateTime()),  # last created/updated notice; a long alert is raised daily
    _column("closed_at", UtcDateTime(), nullable=True),
    _column("changed_after_close", Boolean),
    _column("assignee", String(200), nullable=True),
    _column("acked_at", UtcDateTime(), nullable=True),  # when a person first took note of it
    _column("suppressed_by", Integer, nullable=True),  # the suppression that keeps it from being told
    _column("risk_revision", Integer, server_default="0"),  # the revision that its entities' risk was judged by
    Index(None, "rule", "group_key", "last_seen"),
    Index(None, "created_at", "id"),
    Index(
        "ix_alerts_unassessed",
        "id",
        sqlite_where=text("risk_revision <> revision"),
        postgresql_where=text("risk_revision <> revision"),
    ),
)

entity_alerts: Final = Table(  # derived: which alerts speak of which entity, and when; storage.state.risk
    "entity_alerts",
    metadata,
    _column("kind", String(20), primary_key=True),  # identity | ip
    _column("entity", String(500), primary_key=True),
    _column("alert_id", String(40), primary_key=True, index=True),
    _column("first_seen", UtcDateTime()),
    _column("last_seen", UtcDateTime()),
)

alert_history: Final = Table(  # append-only: who changed what, when
    "alert_history",
    metadata,
    _column("id", Integer, primary_key=True, autoincrement=True),
    _column("alert_id", String(40), ForeignKey("alerts.id"), index=True),
    _column("at", UtcDateTime()),
    _column("actor", String(200)),  # "engine" or a person
    _column("change", String(40)),
    _column("detail", _json()),  # of a person: {"fields": {name: {"from", "to"}}, "comment"}
)

suppressions: Final = Table(  # what people do not want to be told of; never deleted, ended at most
    "suppressions",
    metadata,
    _column("id", Integer, primary_key=True, autoincrement=True),
    _column("rule", String(100), nullable=True),  # null in a condition: any
    _column("registry", String(200), nullable=True),
    _column("identity", String(200), nullable=True),
    _column("network", String(50), nullable=True),
    _column("repository", String(200), nullable=True),
    _column("digest", String(200), nullable=True),
    _column("owner", String(200)),
    _column("reason", Text),
    _column("starts_at", UtcDateTime()),
    _column("expires_at", UtcDateTime()),
    _column("created_at", UtcDateTime()),
    _column("created_by", String(200)),
    _column("ended_at", UtcDateTime(), nullable=True),
    _column("ended_by", String(200), nullable=True),
)

rule_stages: Final = Table(  # append-only: the life of each rule; one without a row is as its file says
    "rule_stages",
    metadata,
    _column("id", Integer, primary_key=True, autoincrement=True),
    _column("rule", String(100)),
    _column("stage", _word()),  # staged | building-block | active | retired
    _column("since", UtcDateTime()),  # events from this time on
    _column("at", UtcDateTime()),
    _column("actor", String(200)),  # "engine" or a person
    _column("reason", Text),
)

# --- delivery -----------------------------------------------------------------------------------------------------

deliveries: Final = Table(  # the outbox: rows are written in the transaction that changes the alert
    "deliveries",
    metadata,
    _column("sequence", Integer, primary_key=True, autoincrement=True),
    _column("id", String(200), unique=True),  # the webhook-id: stable over retries
    _column("destination", String(100)),
    _column("alert_id", String(40), nullable=True),  # null for test.ping
    _column("type", String(20)),  # alert.created | alert.updated | alert.closed | test.ping
    _column("revision", Integer),
    _column("body", Text),
    _column("status", String(10)),  # pending | sent | folded | dead
    _column("attempts", Integer),
    _column("created_at", UtcDateTime()),
    _column("not_before", UtcDateTime()),
    _column("lease_owner", String(80), nullable=True),
    _column("lease_until", UtcDateTime(), nullable=True),
    _column("finished_at", UtcDateTime(), nullable=True),
    Index(None, "status", "not_before"),
    Index(None, "alert_id", "destination", "sequence"),
)

attempts: Final = Table(
    "attempts",
    metadata,
    _column("id", Integer, primary_key=True, autoincrement=True),
    _column("delivery_id", String(200), index=True),
    _column("at", UtcDateTime()),
    _column("seconds", Float),
    _column("status_code", Integer, nullable=True),
    _column("outcome", String(20)),  # sent | retry | dead
    _column("detail", Text, nullable=True),
)

# --- ingest -------------------------------------------------------------------------------------------------------

rejects: Final = Table(  # records that could not become events: kept, counted, replayable
    "rejects",
    metadata,
    _column("stream", String(300), primary_key=True),
    _column("sequence_number", BigInteger, primary_key=True),
    _column("ordinal", Integer, primary_key=True),  # position in the message; -1: the whole message
    _column("reason", String(60)),  # short, stable: invalid_json, missing_member, ...
    _column("detail", Text),
    _column("body", LargeBinary),  # capped
    _column("body_length", BigInteger),  # before the cap
    _column("enqueued_time", UtcDateTime(), nullable=True),
    _column("rejected_at", UtcDateTime()),
    _column("replayed_at", UtcDateTime(), nullable=True),
    Index(None, "rejected_at"),
)

ingest_counts: Final = Table(  # what was not stored, and why: skipped categories, expired events, reject overflow
    "ingest_counts",
    metadata,
    _column("date", String(10), primary_key=True),
    _column("name", String(100), primary_key=True),
    _column("count", BigInteger),
)

position_hints: Final = Table(  # where to start reading; the lake's transactions are the truth
    "position_hints",
    metadata,
    _column("stream", String(300), primary_key=True),
    _column("offset", String(100)),
    _column("sequence_number", BigInteger),
    _column("updated_at", UtcDateTime()),
)

partition_owners: Final = Table(  # which process reads which partition; storage.state.ownership
    "partition_owners",
    metadata,
    _column("namespace", String(260), primary_key=True),
    _column("eventhub", String(260), primary_key=True),
    _column("consumer_group", String(60), primary_key=True),
    _column("partition_id", String(20), primary_key=True),
    _column("owner", String(120)),  # "": released
    _column("etag", BigInteger),  # compare-and-swap: every change adds one
    _column("modified_at", UtcDateTime()),  # by the database's clock
    _column("begun_after", BigInteger, nullable=True),  # what "latest" meant when reading began
)

files: Final = Table(  # ledger of imported files, advanced after their rows are durable
    "files",
    metadata,
    _column("sha256", String(64), primary_key=True),
    _column("path", Text),
    _column("size", BigInteger),
    _column("offset", BigInteger),
    _column("records", BigInteger),
    _column("finished_at", UtcDateTime(), nullable=True),
    _column("updated_at", UtcDateTime()),
)

log_reads: Final = Table(  # how far Log Analytics has been read; storage.state.log_reads
    "log_reads",
    metadata,
    _column("name", String(300), primary_key=True),
    _column("since", UtcDateTime(), primary_key=True),
    _column("reached", UtcDateTime()),
    _column("swept", UtcDateTime()),
    _column("updated_at", UtcDateTime()),
)

blobs: Final = Table(  # ledger of a storage archive's blobs, advanced after their rows are durable
    "blobs",
    metadata,
    _column("key", String(64), primary_key=True),  # SHA-256 of the name
    _column("name", Text),  # account, container and path
    _column("offset", BigInteger),
    _column("records", BigInteger),
    _column("tail_length", Integer),
    _column("tail_sha256", String(64)),
    _column("etag", String(100)),
    _column("updated_at", UtcDateTime()),
)

# --- health and coordination --------------------------------------------------------------------------------------

incidents: Final = Table(  # what makes us blind, for as long as it does
    "incidents",
    metadata,
    _column("key", String(400), primary_key=True),
    _column("kind", String(40)),  # failed_detection | gap | sequence_went_back | source_down ...
    _column("message", Text),
    _column("remedy", Text),
    _column("since", UtcDateTime()),
    _column("last_seen", UtcDateTime()),
    _column("occurrences", Integer),
    _column("resolved_at", UtcDateTime(), nullable=True),
)

registry_facts: Final = Table(  # settings of registries as imported, one row per import that changed them
    "registry_facts",
    metadata,
    _column("id", Integer, primary_key=True, autoincrement=True),
    _column("registry", String(50)),
    _column("kind", String(20)),  # registry | network rules | endpoints | tokens | credential | diagnostics | defender
    _column("facts", _json()),
    _column("file", Text),
    _column("imported_at", UtcDateTime()),
    _column("confirmed_at", UtcDateTime()),  # when it was imported last and said the same
    Index(None, "registry", "kind", "id"),
)

watch_entries: Final = Table(  # addresses, digests and identities of which each event is an alert
    "watch_entries",
    metadata,
    _column("id", Integer, primary_key=True, autoincrement=True),
    _column("type", String(20)),  # ip | digest | identity
    _column("value", Text),
    _column("owner", Text),
    _column("reason", Text),
    _column("added_at", UtcDateTime()),
    _column("expires_at", UtcDateTime(), nullable=True),
    _column("removed_at", UtcDateTime(), nullable=True),
    _column("removed_by", Text, nullable=True),
)

leases: Final = Table(
    "leases",
    metadata,
    _column("name", String(100), primary_key=True),
    _column("owner", String(80)),
    _column("until", UtcDateTime()),
)
