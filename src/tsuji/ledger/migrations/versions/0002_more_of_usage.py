"""What the cache and the guardrails had to do with a request, and what each attempt cost."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("usage", sa.Column("cache", sa.String))
    op.add_column("usage", sa.Column("guarded", sa.JSON))
    op.add_column("attempts", sa.Column("cost", sa.BigInteger))


def downgrade() -> None:
    op.drop_column("attempts", "cost")
    op.drop_column("usage", "guarded")
    op.drop_column("usage", "cache")
