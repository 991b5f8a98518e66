"""Experiments: a request's arm, feedback on it, and what was stopped."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_USAGE = (
    ("experiment", sa.String),
    ("arm", sa.String),
    ("unit", sa.String),
    ("share", sa.Double),
    ("shadow_of", sa.String),
)


def upgrade() -> None:
    for name, kind in _USAGE:
        op.add_column("usage", sa.Column(name, kind))
    op.create_index("usage_experiment_time", "usage", ["experiment", "time"])
    op.create_table(
        "feedback",
        sa.Column("request_id", sa.String, primary_key=True),
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("key_id", sa.String, primary_key=True),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("choice", sa.String),
        sa.Column("comment", sa.Text),
    )
    op.create_index("feedback_time", "feedback", ["time"])
    op.create_table(
        "experiment_stops",
        sa.Column("experiment", sa.String, primary_key=True),
        sa.Column("arm", sa.String, primary_key=True),
        sa.Column("winner", sa.String),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("experiment_stops")
    op.drop_table("feedback")
    op.drop_index("usage_experiment_time", "usage")
    for name, _ in reversed(_USAGE):
        op.drop_column("usage", name)
