"""Keys and usage."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    ledger = op.create_table(
        "ledger",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("keys_version", sa.BigInteger, nullable=False),
        sa.Column("secret_check", sa.LargeBinary),
    )
    op.bulk_insert(ledger, [{"id": 1, "keys_version": 0}])
    op.create_table(
        "keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("user_id", sa.String),
        sa.Column("team_id", sa.String),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("revoked", sa.BigInteger),
        sa.Column("replaced_by", sa.String),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
    )
    _usage()


def _usage() -> None:
    texts = ("key_id", "user_id", "team_id")
    tokens = ("input", "output", "cached", "cache_write", "cache_write_1h", "reasoning", "audio_input", "audio_output")
    op.create_table(
        "usage",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("time", sa.BigInteger, nullable=False),
        *[sa.Column(name, sa.String) for name in texts],
        sa.Column("route", sa.String, nullable=False),
        sa.Column("target", sa.String),
        sa.Column("dialect", sa.String, nullable=False),
        sa.Column("provider_dialect", sa.String),
        sa.Column("operation", sa.String, nullable=False),
        sa.Column("stream", sa.Boolean, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("http_status", sa.Integer),
        sa.Column("error", sa.String),
        sa.Column("latency", sa.BigInteger, nullable=False),
        sa.Column("first_token", sa.BigInteger),
        *[sa.Column(f"{kind}_tokens", sa.BigInteger) for kind in tokens],
        sa.Column("cost", sa.BigInteger),
        sa.Column("price_source", sa.String),
        sa.Column("price_version", sa.String),
        sa.Column("service_tier", sa.String),
        sa.Column("tags", sa.JSON),
        sa.Column("trace", sa.String),
    )
    op.create_index("usage_time", "usage", ["time"])
    op.create_index("usage_key_time", "usage", ["key_id", "time"])
    op.create_table(
        "attempts",
        sa.Column("request_id", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("target", sa.String, nullable=False),
        sa.Column("started", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger, nullable=False),
        sa.Column("error", sa.String),
    )
