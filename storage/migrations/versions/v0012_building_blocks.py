"""Room for the word building-block where alerts and rules keep theirs. SQLite keeps text of any width as it is."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        return
    for table, column in (("alerts", "status"), ("rule_stages", "stage")):
        op.alter_column(table, column, type_=sa.String(20), existing_type=sa.String(10), existing_nullable=False)
