"""The shape of `tsuji.toml`. What a description says here is what the JSON schema tells an editor."""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from .schema_route import RouteTable, TimeoutsTable
from .table import Count, Seconds, Table, Texts


class TlsTable(Table, frozen=True):
    """PEM files, read again when they change."""

    certificate: Annotated[str, Meta(description="The certificate, and those between it and its authority.")]
    key: Annotated[str, Meta(description="Its private key, without a password.")]
    client_ca: Annotated[
        str | None, Meta(description="Authorities, of one of which every client must show a certificate.")
    ] = None


class ListenTable(Table, frozen=True):
    """One place to listen: a TCP port or a Unix socket."""

    host: Annotated[str, Meta(description="Address to listen on. Anything but loopback needs `keys`.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="0 takes any free port.")] = 4141
    socket: Annotated[str | None, Meta(description="Path of a Unix socket, in place of `host` and `port`.")] = None
    socket_mode: Annotated[
        str, Meta(pattern="^0?[0-7]{3}$", description="Who may connect to `socket`, as chmod takes it.")
    ] = "600"
    tls: Annotated[TlsTable | None, Meta(description="Clients speak TLS 1.2 or newer.")] = None
    proxy_protocol: Annotated[
        bool, Meta(description="Connections begin with a PROXY protocol header (1 or 2) of one of `trusted_proxies`.")
    ] = False


class ServerTable(ListenTable, frozen=True):
    """Where the gateway listens, and who may ask."""

    listen: Annotated[tuple[ListenTable, ...], Meta(description="More places to listen at.")] = ()
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses and ranges of proxies that are believed when they say whom they ask for; `unix`: "
            "whoever connects to a Unix socket."
        ),
    ] = ()
    forwarded_header: Annotated[
        Literal["x-forwarded-for", "forwarded"],
        Meta(description="The header in which trusted proxies say it; the other one is a client's and not read."),
    ] = "x-forwarded-for"
    max_connections: Annotated[
        Count | None,
        Meta(description="Of clients at one time, in one worker. Default: what its limit of open files allows."),
    ] = None
    max_connections_per_address: Annotated[
        Count | None, Meta(description="Of one client address at one time, in one worker. Default: no limit.")
    ] = None
    keys: Annotated[
        tuple[str, ...], Meta(description="Keys that clients must present: literals, `env:NAME` or `file:PATH`.")
    ] = ()
    max_body: Annotated[int, Meta(ge=1024, description="Largest request body, in bytes.")] = 100_000_000
    allowed_hosts: Annotated[
        tuple[str, ...],
        Meta(description="Host names beside loopback's that a request may name while there are no keys."),
    ] = ()
    allowed_origins: Annotated[
        tuple[str, ...],
        Meta(description="Origins of web pages that may call the gateway, such as `http://localhost:3000`."),
    ] = ()
    secret: Annotated[
        str | None,
        Meta(
            description="What the ledger's keys are hashed with, 16 characters or more: a literal, `env:NAME` or "
            "`file:PATH`. Default: made once, beside the ledger."
        ),
    ] = None
    workers: Annotated[
        Count | Literal["auto"] | None,
        Meta(
            description="Processes that answer, under one parent that restarts and rolls them; `auto`: one per core. "
            "Default: one process without a parent."
        ),
    ] = None
    drain: Annotated[
        float, Meta(ge=0, description="Seconds that open requests have to finish when a worker is to end.")
    ] = 30.0
    drain_delay: Annotated[
        float,
        Meta(ge=0, description="Seconds at a stop in which `/readyz` is false and connections are still accepted."),
    ] = 0.0
    metrics: Annotated[
        Literal["keyed", "open", "off"],
        Meta(description="Who may read /metrics: whoever shows a key, where keys are wanted; anyone; nobody."),
    ] = "keyed"
    access_log: Annotated[
        str | None, Meta(description="`stderr` or a file: a line of JSON per request. Default: none.")
    ] = None


class TelemetryTable(Table, frozen=True):
    """Traces and metrics by OpenTelemetry, sent by OTLP over HTTP."""

    otlp: Annotated[
        str | None, Meta(description="The collector, such as `http://localhost:4318`. Default: nothing is sent.")
    ] = None
    headers: Annotated[
        dict[str, str], Meta(description="Sent to the collector: literals, `env:NAME` or `file:PATH`.")
    ] = {}
    traces: Annotated[bool, Meta(description="Whether spans are sent.")] = True
    metrics: Annotated[bool, Meta(description="Whether metrics are sent.")] = True
    sample: Annotated[
        float, Meta(ge=0, le=1, description="The share of traces that is kept, where the client has not decided it.")
    ] = 1.0
    propagate: Annotated[bool, Meta(description="Whether providers are told the trace, by `traceparent`.")] = True
    interval: Annotated[Seconds, Meta(description="Seconds between two exports of metrics.")] = 60.0
    service_name: Annotated[str, Meta(min_length=1, description="The resource's `service.name`.")] = "tsuji"


class LedgerTable(Table, frozen=True):
    """Where virtual keys and usage records are kept."""

    enabled: Annotated[bool, Meta(description="Off: no virtual keys, and nothing is recorded.")] = True
    url: Annotated[
        str | None,
        Meta(
            description="`postgresql+psycopg://user:password@host/name` or `sqlite:////path`: a literal, `env:NAME` or "
            "`file:PATH`. Default: ledger.db in `folder`."
        ),
    ] = None
    folder: Annotated[
        str | None,
        Meta(description="Where records wait for the database; on this machine. Default: $TSUJI_HOME or its default."),
    ] = None
    on_failure: Annotated[
        Literal["continue", "stop"],
        Meta(description="Whether requests go on while the disk is full or the database is down."),
    ] = "continue"


class AdminTable(Table, frozen=True):
    """Where the admin API listens, and its token."""

    host: Annotated[str, Meta(description="Address to listen on. Anything but loopback needs `token`.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="0 takes any free port.")] = 4142
    token: Annotated[
        str | None,
        Meta(
            description="What its clients must present, 16 characters or more: a literal, `env:NAME` or `file:PATH`. "
            "Default: made once, beside the ledger."
        ),
    ] = None
    allowed_hosts: Annotated[
        tuple[str, ...], Meta(description="Host names beside loopback's that a request may name.")
    ] = ()


class QuirksTable(Table, frozen=True):
    """How a provider departs from its dialect. Names are top-level request fields of the dialect."""

    drop: Annotated[tuple[str, ...] | None, Meta(description="Fields the provider does not take.")] = None
    rename: Annotated[dict[str, str] | None, Meta(description="Field -> the provider's name for it.")] = None
    defaults: Annotated[dict[str, Any] | None, Meta(description="Fields sent unless the caller set them.")] = None
    reasoning_field: Annotated[
        Literal["reasoning", "reasoning_content", "reasoning_details", "content"] | None,
        Meta(description="Where messages carry thinking text."),
    ] = None
    system_role: Annotated[
        Literal["system", "developer"] | None, Meta(description="What the role of a system message is called.")
    ] = None
    stream_usage: Annotated[bool | None, Meta(description="Whether `stream_options.include_usage` is understood.")] = (
        None
    )
    accepts: Annotated[
        tuple[str, ...] | None, Meta(description="Extensions of the dialect the provider takes, such as `top_k`.")
    ] = None
    tasks: Annotated[
        dict[str, str] | None,
        Meta(description="What vectors may be for (query, document ...) -> the provider's word, sent as `input_type`."),
    ] = None
    flat_content: Annotated[
        bool | None, Meta(description="Messages without media must be one string, not a list of parts.")
    ] = None
    model_in_path: Annotated[bool | None, Meta(description="The path names the model, and the body must not.")] = None
    thinking_off: Annotated[
        Literal["thinking", "enable_thinking"] | None,
        Meta(description="The field that turns thinking off, where `reasoning_effort` has no word for that."),
    ] = None
    tool_call_ids: Annotated[
        Count | None, Meta(description="How many letters and digits the id of a tool call must have.")
    ] = None


class AuthTable(Table, frozen=True):
    """How a request says who asks."""

    scheme: Annotated[
        Literal["bearer", "header", "query", "ibm", "none"],
        Meta(
            description="What is done with the key. `header`: it goes alone into header `name`; `query`: into the "
            "query parameter `name`; `ibm`: it is exchanged for a bearer token of IBM Cloud."
        ),
    ] = "bearer"
    name: Annotated[str, Meta(min_length=1, description="Of the header or of the query parameter.")] = "authorization"
    keyless: Annotated[
        Literal["aws", "google", "entra"] | None,
        Meta(
            description="How it is done where there is no key. `aws`: signed with AWS credentials; `google`: "
            "application default credentials; `entra`: Microsoft Entra ID."
        ),
    ] = None
    service: Annotated[str, Meta(description="With `aws`: the service that is signed for, such as `bedrock`.")] = ""
    scope: Annotated[
        str,
        Meta(
            description="With `entra`: what is asked for, such as `https://cognitiveservices.azure.com/.default`. With "
            "`aws`: the action that a bearer token is made for, where the service takes no signed requests."
        ),
    ] = ""
    token_url: Annotated[str, Meta(description="With `ibm`: where keys are exchanged, if not at IBM's own.")] = ""


class EndpointsTable(Table, frozen=True):
    """Paths below base_url that differ from the dialect's own; {model} is replaced."""

    chat: str | None = None
    stream: Annotated[str | None, Meta(description="Of a chat that is streamed, where it is not `chat`.")] = None
    embeddings: str | None = None
    models: str | None = None
    count_tokens: str | None = None


class VariantTable(Table, frozen=True):
    """Another dialect that the provider speaks: who asks in it is passed on in it. What is left out is the provider's
    own.
    """

    base_url: Annotated[str | None, Meta(description="Where it is another one.")] = None
    auth: AuthTable | None = None
    headers: Annotated[dict[str, str] | None, Meta(description="Sent on top of the provider's.")] = None
    endpoints: EndpointsTable | None = None
    quirks: QuirksTable | None = None


class ProviderTable(Table, frozen=True):
    """A provider of your own (dialect and base_url are enough), or changes to one of the catalogue."""

    dialect: Annotated[
        Literal["openai", "anthropic", "gemini", "ollama", "responses", "cohere", "bedrock"] | None,
        Meta(description="Its wire format."),
    ] = None
    base_url: Annotated[str | None, Meta(description="What the provider's official client takes.")] = None
    api_key: Annotated[str | None, Meta(description="A literal, `env:NAME` or `file:PATH`.")] = None
    api_keys: Annotated[
        Texts | None,
        Meta(description="Several keys, used in turn, in place of `api_key`; one that is rate-limited rests alone."),
    ] = None
    name: Annotated[str | None, Meta(description="For people.")] = None
    headers: Annotated[dict[str, str] | None, Meta(description="Sent with every request.")] = None
    timeouts: TimeoutsTable | None = None
    quirks: QuirksTable | None = None
    auth: AuthTable | None = None
    endpoints: EndpointsTable | None = None
    settings: Annotated[
        dict[str, str] | None, Meta(description="What stands for each `{name}` in base_url, such as `region`.")
    ] = None
    dialects: Annotated[
        dict[str, VariantTable] | None, Meta(description="Other dialects that the provider speaks, by name.")
    ] = None
    prices: Annotated[
        str | None, Meta(description="This provider's id in genai-prices' data, or `free` where nothing is billed.")
    ] = None


class CacheTable(Table, frozen=True):
    """The stores of routes that have a cache."""

    memory_bytes: Annotated[Count, Meta(description="Of `memory`, in each worker.")] = 67_108_864
    path: Annotated[str | None, Meta(description="Of `sqlite`. Default: cache.db in the ledger's folder.")] = None
    path_bytes: Annotated[Count, Meta(description="Of the answers in it.")] = 1_073_741_824
    redis: Annotated[
        str | None,
        Meta(description="`redis://[user:password@]host:6379/0` or `rediss://`: a literal, `env:NAME` or `file:PATH`."),
    ] = None


class GuardrailTable(Table, frozen=True):
    """What requests and answers are checked for. It is in force on the routes that name it; see docs/guardrails.md."""

    kind: Annotated[
        Literal["regex", "words", "length", "secrets", "pii", "webhook", "model"], Meta(description="What it checks.")
    ]
    on: Annotated[Literal["input", "output", "both"], Meta(description="Requests, answers, or both.")] = "both"
    action: Annotated[
        Literal["block", "redact", "log"],
        Meta(description="`redact` puts a mark in the place of what was found; `log` only notes it."),
    ] = "block"
    everywhere: Annotated[
        bool, Meta(description="In force on every route, and for models that are asked for without one.")
    ] = False
    patterns: Annotated[Texts | None, Meta(description="Of `regex`: without lookaround and backreferences.")] = None
    window: Annotated[
        Annotated[int, Meta(ge=16, le=65536)] | None,
        Meta(description="Of `regex`: bytes that a match has at most. Default 1000."),
    ] = None
    deny: Annotated[Texts | None, Meta(description="Of `words`: words and phrases, in any case.")] = None
    allow: Annotated[
        tuple[str, ...] | None, Meta(description="Of `words`: phrases in which a denied word is no matter.")
    ] = None
    max: Annotated[Count | None, Meta(description="Of `length`: characters, of all texts together.")] = None
    entities: Annotated[
        Annotated[
            tuple[Literal["email", "phone", "card", "iban", "my_number", "postal_code", "ssn"], ...],
            Meta(min_length=1),
        ]
        | None,
        Meta(description="Of `pii`: what is looked for. Default: all."),
    ] = None
    regions: Annotated[
        tuple[str, ...] | None,
        Meta(description="Of `pii`: countries whose telephone numbers are told without a +. Default JP and US."),
    ] = None
    url: Annotated[str | None, Meta(description="Of `webhook`: what is asked, by POST.")] = None
    token: Annotated[
        str | None, Meta(description="Of `webhook`: sent as a bearer token: a literal, `env:NAME` or `file:PATH`.")
    ] = None
    model: Annotated[str | None, Meta(description="Of `model`: that judges; a route, or `provider:model`.")] = None
    prompt: Annotated[str | None, Meta(description="Of `model`: a question that `yes` answers where it is to act.")] = (
        None
    )
    timeout: Annotated[Seconds | None, Meta(description="Of `webhook` (default 5 s) and `model` (default 30 s).")] = (
        None
    )
    on_error: Annotated[
        Literal["block", "allow"] | None,
        Meta(description="Of `webhook` and `model`: what holds where no answer comes. Default `block`."),
    ] = None
    every: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(
            description="Of `webhook` and `model`: a stream is checked at so many characters each, and held back until "
            "then; 0: at its end. Default 500.",
        ),
    ] = None


class FileTable(Table, frozen=True):
    """The configuration of Tsuji."""

    server: ServerTable = field(default_factory=ServerTable)
    ledger: LedgerTable = field(default_factory=LedgerTable)
    cache: CacheTable = field(default_factory=CacheTable)
    telemetry: TelemetryTable = field(default_factory=TelemetryTable)
    admin: AdminTable = field(default_factory=AdminTable)
    providers: dict[str, ProviderTable] = {}
    routes: dict[str, RouteTable] = {}
    guardrails: dict[str, GuardrailTable] = {}
    drop_params: Annotated[
        bool, Meta(description="Leave out what a target cannot say, instead of refusing the request.")
    ] = False
