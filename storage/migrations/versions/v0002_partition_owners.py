"""Which process reads which partition of an event hub."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "partition_owners",
        sa.Column("namespace", sa.String(260), nullable=False),
        sa.Column("eventhub", sa.String(260), nullable=False),
        sa.Column("consumer_group", sa.String(60), nullable=False),
        sa.Column("partition_id", sa.String(20), nullable=False),
        sa.Column("owner", sa.String(120), nullable=False),
        sa.Column("etag", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("begun_after", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("namespace", "eventhub", "consumer_group", "partition_id", name="pk_partition_owners"),
    )
