"""Why a request went where it went."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("usage", sa.Column("explain", sa.JSON))


def downgrade() -> None:
    op.drop_column("usage", "explain")
