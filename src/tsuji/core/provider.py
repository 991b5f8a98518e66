"""A provider and its quirks, as data."""

from typing import Any, Literal

from .parts import Noun

AuthScheme = Literal["bearer", "header", "query", "none"]


class Quirks(Noun, frozen=True, forbid_unknown_fields=True):
    """How a provider's dialect differs from the one it names. All names are request fields of that dialect, top level.

    drop: fields the provider does not take; refused by name if the caller set one, dropped with `drop_params`.
    rename: field of the dialect -> the provider's name for it (max_completion_tokens -> max_tokens).
    defaults: fields sent unless the caller set them.
    reasoning_field: where the dialect's messages carry thinking text ("reasoning_content", "reasoning").
    system_role: "system" or "developer": what a system message's role is called.
    stream_usage: whether `stream_options.include_usage` is understood.
    accepts: common extensions of the dialect that the provider takes (top_k, min_p); without it they are refused.
    tasks: what vectors may be for (query, document, classification, clustering, similarity) -> the provider's word for
    it, sent as `input_type`.
    flat_content: messages without media must be one string, not a list of text parts.
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


class Auth(Noun, frozen=True, forbid_unknown_fields=True):
    """scheme "header": the key goes into `name` as it is; "query": into the query parameter `name`."""

    scheme: AuthScheme = "bearer"
    name: str = "authorization"


class Provider(Noun, frozen=True, forbid_unknown_fields=True):
    """A place that serves models.

    base_url: what the provider's official client takes. env: variables that may hold the key, first one set wins.
    base_url_env: a variable that overrides base_url. endpoints: operation ("chat", "embeddings", "models") -> path
    template, overriding
    the dialect's own; {model} is replaced. headers: sent with every request. key_optional: works without a key.
    prices: this provider's id in the price data. docs, verified: the page this row was checked against, and when.
    """

    id: str
    name: str
    dialect: str
    base_url: str
    auth: Auth = Auth()
    env: tuple[str, ...] = ()
    base_url_env: str | None = None
    headers: dict[str, str] = {}
    endpoints: dict[str, str] = {}
    quirks: Quirks = Quirks()
    key_optional: bool = False
    prices: str | None = None
    docs: str | None = None
    verified: str | None = None
