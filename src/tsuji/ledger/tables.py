"""The tables as SQLAlchemy Core. `migrations` makes them; a test holds the two together.

ledger: one row. keys_version rises with every change of a key; secret_check is of the secret that the keys are hashed
with. keys: see keys.Key. usage, attempts: see record.Record; the columns are named alike. audit: see audit.Change.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

metadata = MetaData()

ledger = Table(
    "ledger",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("keys_version", BigInteger, nullable=False),
    Column("secret_check", LargeBinary),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("user_id", String),
    Column("team_id", String),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("revoked", BigInteger),
    Column("replaced_by", String),
    Column("scopes", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    Column("id", String, primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("key_id", String),
    Column("user_id", String),
    Column("team_id", String),
    Column("route", String, nullable=False),
    Column("target", String),
    Column("dialect", String, nullable=False),
    Column("provider_dialect", String),
    Column("operation", String, nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("status", String, nullable=False),
    Column("http_status", Integer),
    Column("error", String),
    Column("latency", BigInteger, nullable=False),
    Column("first_token", BigInteger),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("cache_write_tokens", BigInteger),
    Column("cache_write_1h_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("audio_input_tokens", BigInteger),
    Column("audio_output_tokens", BigInteger),
    Column("cost", BigInteger),
    Column("price_source", String),
    Column("price_version", String),
    Column("service_tier", String),
    Column("tags", JSON(none_as_null=True)),
    Column("trace", String),
    Column("cache", String),
    Column("guarded", JSON(none_as_null=True)),
    Index("usage_time", "time"),
    Index("usage_key_time", "key_id", "time"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("target", String, nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("ended", BigInteger, nullable=False),
    Column("error", String),
    Column("cost", BigInteger),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("who", String, nullable=False),
    Column("action", String, nullable=False),
    Column("object", String, nullable=False),
    Column("details", JSON, nullable=False),
)
