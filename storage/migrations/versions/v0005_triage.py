"""Who works on an alert, and since when somebody has known of it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alerts", sa.Column("assignee", sa.String(200), nullable=True))
    op.add_column("alerts", sa.Column("acked_at", sa.DateTime(timezone=True), nullable=True))
