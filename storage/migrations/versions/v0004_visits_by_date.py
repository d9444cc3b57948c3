"""Ways into the profile of anomalous-source-ip by date, so that a pass reads what its dates need and no more."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_network_days_identity_key_date", "network_days", ["identity_key", "date"])
    judged = sa.text("judgement IS NOT NULL")
    op.create_index(
        "ix_network_days_judged",
        "network_days",
        ["identity_key", "network", "date"],
        sqlite_where=judged,
        postgresql_where=judged,
    )
