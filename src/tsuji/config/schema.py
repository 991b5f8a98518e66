"""The shape of `tsuji.toml`. What a description says here is what the JSON schema tells an editor."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field
from msgspec.structs import asdict

Seconds = Annotated[float, Meta(gt=0, description="Seconds.")]
Dollars = Annotated[float, Meta(ge=0, description="US dollars, per million tokens where not said otherwise.")]
Count = Annotated[int, Meta(ge=1)]


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """Every table refuses keys that it does not know."""

    def given(self) -> dict[str, Any]:
        """What the table says, without what it leaves to others."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class ServerTable(Table, frozen=True):
    """Where the gateway listens, and who may ask."""

    host: Annotated[str, Meta(description="Address to listen on. Anything but loopback needs `keys`.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="0 takes any free port.")] = 4141
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


class TimeoutsTable(Table, frozen=True):
    """Limits on one attempt at a target; what is left out falls to the next: target, route, provider, default."""

    connect: Annotated[Seconds | None, Meta(description="Seconds for DNS, TCP and TLS. Default 5.")] = None
    first_byte: Annotated[
        Seconds | None,
        Meta(description="Seconds until the answer begins. Default 60 for a stream; a whole answer has `total` alone."),
    ] = None
    idle: Annotated[Seconds | None, Meta(description="Seconds between two pieces of the answer. Default 30.")] = None
    total: Annotated[Seconds | None, Meta(description="Seconds for the whole attempt. Default 600.")] = None


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


class PriceTable(Table, frozen=True):
    """What a target costs, in US dollars. It stands in place of any known price; kinds left out are billed as whole."""

    input: Dollars | None = None
    output: Dollars | None = None
    cache_read: Dollars | None = None
    cache_write: Dollars | None = None
    cache_write_1h: Dollars | None = None
    audio_input: Dollars | None = None
    audio_output: Dollars | None = None
    reasoning: Dollars | None = None
    per_request: Annotated[Dollars | None, Meta(description="US dollars per request.")] = None


class LimitsTable(Table, frozen=True):
    """What a target may be asked for."""

    rpm: Annotated[Count | None, Meta(description="Requests per minute.")] = None
    tpm: Annotated[Count | None, Meta(description="Tokens per minute.")] = None
    concurrent: Annotated[Count | None, Meta(description="Requests at one time.")] = None


class TargetTable(Table, frozen=True):
    """A target with more to say than its name."""

    model: Annotated[str, Meta(description="`provider:model`.")]
    weight: Annotated[float, Meta(ge=0, description="Its share where the strategy draws.")] = 1.0
    timeouts: TimeoutsTable | None = None
    price: PriceTable | None = None
    limits: LimitsTable | None = None


class RouteTable(Table, frozen=True):
    """A model name that clients ask for, and the targets that can answer."""

    targets: Annotated[
        tuple[str | TargetTable, ...], Meta(min_length=1, description="`provider:model`, or a table. Tried in order.")
    ]
    strategy: Annotated[Literal["priority"], Meta(description="How a target is chosen.")] = "priority"
    timeouts: TimeoutsTable | None = None
    drop_params: Annotated[
        bool | None, Meta(description="Leave out what a target cannot say, instead of refusing the request.")
    ] = None
    refuse_unpriced: Annotated[
        bool, Meta(description="Gateway: skip targets whose price is not known; refuse where none is left.")
    ] = False


class FileTable(Table, frozen=True):
    """The configuration of Tsuji."""

    server: ServerTable = field(default_factory=ServerTable)
    ledger: LedgerTable = field(default_factory=LedgerTable)
    admin: AdminTable = field(default_factory=AdminTable)
    providers: dict[str, ProviderTable] = {}
    routes: dict[str, RouteTable] = {}
    drop_params: Annotated[
        bool, Meta(description="Leave out what a target cannot say, instead of refusing the request.")
    ] = False
