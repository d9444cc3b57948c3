"""What each registry's identities used first: the prior of anomalous-source-ip.

Starts empty, on purpose: filled from old profiles it would judge newcomers of the past anew, and an upgrade would raise
alerts about last month. A registry is learned for 14 days from the upgrade instead.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registry_homes",
        sa.Column("registry", sa.String(200), nullable=False),
        sa.Column("identity_key", sa.String(300), nullable=False),
        sa.Column("network", sa.String(50), nullable=False),
        sa.Column("first_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("second_date", sa.String(10), nullable=True),
        sa.PrimaryKeyConstraint("registry", "identity_key", name="pk_registry_homes"),
    )
