"""The tables as SQLAlchemy Core. `migrations` makes them; a test holds the two together.

ledger: one row. keys_version and limits_version rise with every change of a key or limit, shortages whenever a worker
wants what others have leased; secret_check is of the secret that the keys are hashed with. keys: see keys.Key. usage,
attempts: see record.Record; the columns are named alike. contents: see contents.Contents. limits: see limits.Limit.
balances, leases, runs: see leases. audit: see audit.Change. feedback: see feedback.Feedback. experiment_stops: arms
that get nothing more; arm "": the experiment is over, and `winner` gets all.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

ledger = Table(
    "ledger",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("keys_version", BigInteger, nullable=False),
    Column("secret_check", LargeBinary),
    Column("limits_version", BigInteger, nullable=False, server_default="0"),
    Column("shortages", BigInteger, nullable=False, server_default="0"),
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
    Column("explain", JSON(none_as_null=True)),
    Column("experiment", String),
    Column("arm", String),
    Column("unit", String),
    Column("share", Double),
    Column("shadow_of", String),
    Index("usage_time", "time"),
    Index("usage_key_time", "key_id", "time"),
    Index("usage_experiment_time", "experiment", "time"),
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

contents = Table(
    "contents",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("request", Text),
    Column("response", Text),
    Column("request_bytes", BigInteger),
    Column("response_bytes", BigInteger),
    Index("contents_expires", "expires"),
)

teams = Table(
    "teams",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("created", BigInteger, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("team_id", String),
    Column("created", BigInteger, nullable=False),
)

limits = Table(
    "limits",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("unit", String, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("soft", BigInteger),
    Column("period", String, nullable=False),
    Column("unpriced", String, nullable=False),
    Column("created", BigInteger, nullable=False),
    UniqueConstraint("kind", "subject", "unit", "period", name="limits_one_of_a_kind"),
)

balances = Table(
    "balances",
    metadata,
    Column("limit_id", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("window", BigInteger, primary_key=True, autoincrement=False),
    Column("spent", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("wanted", Boolean, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String, primary_key=True),
    Column("expires", BigInteger, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("id", String, primary_key=True),
    Column("run", String, nullable=False),
    Column("limit_id", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("window", BigInteger, nullable=False),
    Column("granted", BigInteger, nullable=False),
    Column("returned", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("closed", Boolean, nullable=False),
    Column("spare", Boolean, nullable=False),
    Index("leases_run", "run"),
    Index("leases_balance", "limit_id", "subject", "window"),
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

feedback = Table(
    "feedback",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("key_id", String, primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("value", Double),
    Column("choice", String),
    Column("comment", Text),
    Index("feedback_time", "time"),
)

experiment_stops = Table(
    "experiment_stops",
    metadata,
    Column("experiment", String, primary_key=True),
    Column("arm", String, primary_key=True),
    Column("winner", String),
    Column("time", BigInteger, nullable=False),
    Column("who", String, nullable=False),
    Column("reason", Text, nullable=False),
)
