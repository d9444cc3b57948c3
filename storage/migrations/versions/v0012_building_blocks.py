"""Room for the word building-block where alerts and rules keep theirs, and the past of rules that begin so from now on.

SQLite keeps text of any width as it is. Two detections that were active so far are building blocks by their files; what
they told stays told, for their stage until now is written down.
"""

from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from alembic import op

from storage.state.dialect import database_time

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_BLOCKS_NOW: Final = ("first-country", "first-seen-identity")


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        for table, column in (("alerts", "status"), ("rule_stages", "stage")):
            op.alter_column(table, column, type_=sa.String(20), existing_type=sa.String(10), existing_nullable=False)
    running = sa.select(sa.table("cursors", sa.column("detection")).c.detection)
    spoken_of = sa.select(sa.table("rule_stages", sa.column("rule")).c.rule)
    connection = op.get_bind()
    known = set(connection.execute(running).scalars()) - set(connection.execute(spoken_of).scalars())
    now = database_time(connection)
    for rule in known.intersection(_BLOCKS_NOW):
        for stage, since in (("active", datetime(1970, 1, 1, tzinfo=UTC)), ("building-block", now)):
            _take(rule, stage, since, now)


def _take(rule: str, stage: str, since: datetime, now: datetime) -> None:
    moment = sa.DateTime(timezone=True)
    stages = sa.table(
        "rule_stages", sa.column("rule"), sa.column("stage"), sa.column("since", moment), sa.column("at", moment),
        sa.column("actor"), sa.column("reason"),
    )  # fmt: skip
    why = "since acrwatch keeps building blocks (docs/decisions/0019)"
    row = {"rule": rule, "stage": stage, "since": since, "at": now, "actor": "engine", "reason": why}
    op.get_bind().execute(sa.insert(stages).values(row))
