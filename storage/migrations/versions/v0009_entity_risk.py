"""Which alerts speak of which entity, and which of them its risk has not been judged by yet.

Alerts of before count as judged: an upgrade must not raise alerts about last year.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alerts", sa.Column("risk_revision", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE alerts SET risk_revision = revision")
    changed = sa.text("risk_revision <> revision")
    op.create_index("ix_alerts_unassessed", "alerts", ["id"], sqlite_where=changed, postgresql_where=changed)
    op.create_table(
        "entity_alerts",
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("entity", sa.String(500), nullable=False),
        sa.Column("alert_id", sa.String(40), nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "entity", "alert_id", name="pk_entity_alerts"),
    )
    op.create_index("ix_entity_alerts_alert_id", "entity_alerts", ["alert_id"])
