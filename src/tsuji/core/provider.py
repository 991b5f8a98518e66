"""A provider and its quirks, as data."""

import re
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from .parts import Noun

AuthScheme = Literal["bearer", "header", "query", "ibm", "none"]
Keyless = Literal["", "aws", "google", "entra"]
Operation = Literal["chat", "embeddings", "models"]
SERVED: tuple[Operation, ...] = ("chat", "embeddings", "models")
OPERATIONS = ("chat", "stream", "embeddings", "models", "count_tokens")
"""What `endpoints` may name; "stream" is a chat whose answer is to come as a stream."""
OF_CREDENTIALS = {"aws": "region", "google": "project"}
"""By Auth.keyless, the setting that credentials know where nobody else says it."""
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class Quirks(Noun, frozen=True, forbid_unknown_fields=True):
    """How a provider's dialect differs from the one it names. All names are request fields of that dialect, top level.

    drop: fields the provider does not take; refused by name if the caller set one, dropped with `drop_params`.
    rename: field of the dialect -> the provider's name for it (max_completion_tokens -> max_tokens).
    defaults: fields sent unless the caller set them.
    reasoning_field: where the dialect's messages carry thinking text ("reasoning_content", "reasoning").
    system_role: "system" or "developer": what a system message's role is called.
    stream_usage: whether `stream_options.include_usage` is understood.
    accepts: extensions of the dialect, common (top_k, min_p) or another dialect's (repeat_penalty), that the provider
    takes; without it they are refused.
    tasks: what vectors may be for (query, document, classification, clustering, similarity) -> the provider's word for
    it, sent as `input_type`.
    flat_content: messages without media must be one string, not a list of text parts.
    model_in_path: the path names the model (`endpoints` say where), and the body must not.
    thinking_off: the field that turns thinking off ("thinking"), where `reasoning_effort` has no word for that.
    tool_call_ids: how many letters and digits the id of a tool call has; others' ids become such ones.
    """

    drop: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    defaults: dict[str, Any] = {}
    reasoning_field: str | None = None
    system_role: str | None = None
    stream_usage: bool = True
    accepts: tuple[str, ...] = ()
    tasks: dict[str, str] = {}
    flat_content: bool = False
    model_in_path: bool = False
    thinking_off: str | None = None
    tool_call_ids: int = 0

    @property
    def on_fields(self) -> bool:
        """Whether the top-level fields of a body are to change."""
        return bool(self.drop or self.rename or self.defaults or self.model_in_path or self.thinking_off)


class Auth(Noun, frozen=True, forbid_unknown_fields=True):
    """How a request says who asks.

    scheme: what is done with a key. "header": it goes into `name` as it is; "query": into the query parameter `name`;
    "ibm": it is exchanged for a bearer token at `token_url`, https://iam.cloud.ibm.com/identity/token if "".
    keyless: how it is done where there is no key. "aws": signed with SigV4, for `service` ("bedrock", "sagemaker") in
    the region of the setting "region", or, with a `scope`, by a token signed so for that action of the service;
    "google": application default credentials; "entra": Entra ID, for `scope`
    ("https://cognitiveservices.azure.com/.default"). "": there must be a key.
    """

    scheme: AuthScheme = "bearer"
    name: str = "authorization"
    keyless: Keyless = ""
    service: str = ""
    scope: str = ""
    token_url: str = ""


class Setting(Noun, frozen=True, forbid_unknown_fields=True):
    """The value of a {placeholder} of a base URL: the configuration's, else of `env` the first that is set, else
    `default`; else, of those in OF_CREDENTIALS, what the AWS profile or Google's credentials say.

    hosts: value -> the URL's whole host for it, where that is not as base_url spells it.
    """

    env: tuple[str, ...] = ()
    default: str | None = None
    hosts: dict[str, str] = {}


class Variant(Noun, frozen=True, forbid_unknown_fields=True):
    """Another dialect that a provider speaks. None leaves the row's word. headers come on top of the row's; endpoints
    and quirks are all there are. docs: the page it was checked against.
    """

    base_url: str | None = None
    auth: Auth | None = None
    headers: dict[str, str] = {}
    endpoints: dict[str, str] = {}
    quirks: Quirks = Quirks()
    docs: str | None = None


class Provider(Noun, frozen=True, forbid_unknown_fields=True):
    """A place that serves models.

    aliases: other names it goes by. operations: what it can be asked for; nothing else is sent to it.
    dialect: what it is asked in, unless the caller speaks one of `dialects` (name -> how that one differs).
    base_url: what the provider's official client takes; {name} stands for a value of `settings`. env: variables that
    may hold the key, first one set wins. base_url_env: a variable that overrides base_url.
    endpoints: of OPERATIONS -> path template, overriding the dialect's own; {model} is replaced.
    headers: sent with every request. key_optional: works without a key.
    prices: this provider's id in the price data. docs, verified: the page this row was checked against, and when.
    """

    id: str
    name: str
    dialect: str
    base_url: str
    aliases: tuple[str, ...] = ()
    operations: tuple[Operation, ...] = SERVED
    auth: Auth = Auth()
    env: tuple[str, ...] = ()
    base_url_env: str | None = None
    settings: dict[str, Setting] = {}
    headers: dict[str, str] = {}
    endpoints: dict[str, str] = {}
    quirks: Quirks = Quirks()
    dialects: dict[str, Variant] = {}
    key_optional: bool = False
    prices: str | None = None
    docs: str | None = None
    verified: str | None = None

    def __repr__(self) -> str:
        return f"Provider({self.id!r}, {self.dialect!r})"  # its headers may be secrets


def placeholders(url: str) -> tuple[str, ...]:
    """The names in braces, in order."""
    return tuple(_PLACEHOLDER.findall(url))


def filled(url: str, value: Callable[[str], str]) -> str:
    """The URL with `value(name)` for each {name}."""
    return _PLACEHOLDER.sub(lambda found: value(found[1]), url)


def spoken(provider: Provider, dialect: str) -> Provider:
    """The provider as it is for those who ask in `dialect`: its variant, or itself where it has none of that name."""
    variant = provider.dialects.get(dialect)
    if variant is None:
        return provider
    return msgspec.structs.replace(
        provider,
        dialect=dialect,
        base_url=variant.base_url or provider.base_url,
        auth=variant.auth or provider.auth,
        headers={**provider.headers, **variant.headers},
        endpoints=variant.endpoints,
        quirks=variant.quirks,
        dialects={},
        docs=variant.docs or provider.docs,
    )


def moved(provider: Provider, base_url: str) -> Provider:
    """The provider at another address: what stood at addresses of its own is not there, what it lacks may be."""
    here = {name: variant for name, variant in provider.dialects.items() if variant.base_url is None}
    settings = {name: msgspec.structs.replace(one, hosts={}) for name, one in provider.settings.items()}
    return msgspec.structs.replace(provider, base_url=base_url, operations=SERVED, settings=settings, dialects=here)
