"""What behavioural detections remember of habits. Starts empty: a detection that is new builds its own from history."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "habit_firsts",
        *_key("detection", "subject", "value", table="habit_firsts"),
        sa.Column("first_date", sa.String(10), nullable=False),
    )
    op.create_index(
        "ix_habit_firsts_detection_subject_first_date", "habit_firsts", ["detection", "subject", "first_date"]
    )
    op.create_table(
        "habit_days",
        *_key("detection", "subject", "value", "date", table="habit_days"),
        sa.Column("amount", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "habit_matches",
        *_key("detection", "subject", "value", "date", table="habit_matches"),
        sa.Column("group_key", sa.String(700), nullable=False),
        sa.Column("judgement", sa.JSON, nullable=False),
        sa.Column("episode", sa.JSON, nullable=False),
    )
    op.create_index("ix_habit_matches_detection_group_key", "habit_matches", ["detection", "group_key"])
    op.create_index("ix_habit_matches_detection_date", "habit_matches", ["detection", "date"])


def _key(*names: str, table: str) -> list[sa.schema.SchemaItem]:
    width = {"detection": 100, "date": 10}
    columns: list[sa.schema.SchemaItem] = [
        sa.Column(name, sa.String(width.get(name, 300)), nullable=False) for name in names
    ]
    return [*columns, sa.PrimaryKeyConstraint(*names, name=f"pk_{table}")]
