"""A provider made ready to be called: its address, its path prefix and its header bytes, worked out once."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from tsuji.core.errors import InvalidRequestError, MissingApiKeyError, UnsupportedParameterError
from tsuji.core.provider import Provider
from tsuji.http.message import render_headers
from tsuji.http.url import Origin, split_url
from tsuji.wire import Dialect, dialect

if TYPE_CHECKING:
    from tsuji.providers import Signer

USER_AGENT = "tsuji/0.1"


class Upstream(msgspec.Struct, frozen=True):
    """prefix: path of the base URL, no slash at its end. query: the key as "name=value", where it goes there.

    headers: rendered lines, auth and content type included; what a request adds comes after them. signer: what adds to
    them whose request it is, where no key does. pooled: the key that it is made with, where that is one of several.
    """

    provider: Provider
    dialect: Dialect
    origin: Origin
    prefix: str
    headers: bytes
    query: str = ""
    signer: "Signer | None" = None
    pooled: str | None = None

    def __repr__(self) -> str:
        return f"Upstream({self.provider.id!r}, {str(self.origin)!r})"  # its headers and its query carry the key

    def target(self, operation: str, path: str, model: str, stream: bool = False) -> bytes:
        """The request target of `operation` ("chat", "embeddings", "models", "count_tokens").

        path: below the base URL, as the dialect renders it; the provider's own path for the operation replaces it,
        its query stays. stream: of a chat, that its answer is to come as one. Raises UnsupportedParameterError for an
        operation that the provider does not have, InvalidRequestError for a name that no path segment can be.
        """
        if model in (".", ".."):
            raise InvalidRequestError(f"{model!r} is no model's name, but a way through a path", param="model")
        served = "chat" if operation == "count_tokens" else operation  # who answers a prompt is asked how long it is
        if served not in self.provider.operations:
            raise UnsupportedParameterError(_lacks(self.provider, operation), provider=self.provider.id, param="model")
        endpoints = self.provider.endpoints
        own = endpoints.get("stream") if stream and operation == "chat" else None
        own = own or endpoints.get(operation)
        if own is not None:
            path = _fill(own, model) + ("?" + path.partition("?")[2] if "?" in path else "")
        if self.query:
            path += ("&" if "?" in path else "?") + self.query
        return (self.prefix + path).encode("ascii")


def _lacks(provider: Provider, operation: str) -> str:
    has = f"only {' and '.join(provider.operations)}" if provider.operations else "nothing that can be asked for here"
    return f"{provider.name} has no {operation}: {has}; see {provider.docs}"


def _fill(template: str, model: str) -> str:
    if "{model}" not in template:
        return template
    from urllib.parse import quote

    return template.replace("{model}", quote(model, safe=""))


def upstream(
    provider: Provider,
    key: str | None,
    extra_headers: Mapping[str, str] | None = None,
    signer: "Signer | None" = None,
    *,
    pooled: bool = False,
) -> Upstream:
    """signer: in place of a key that is sent. pooled: the key is one of several.

    Raises MissingApiKeyError without a key that the provider needs, InvalidRequestError for a bad URL or header.
    """
    origin, prefix = split_url(provider.base_url)
    auth = provider.auth
    query = ""
    pairs: dict[str, tuple[str, str]] = {}
    for name, value in [("content-type", "application/json"), ("user-agent", USER_AGENT), *provider.headers.items()]:
        pairs[name.lower()] = (name, value)
    if signer is not None:
        if any(name.lower() == "authorization" for name in extra_headers or ()):
            signer = None  # the caller says who asks
    elif key is None:
        if not provider.key_optional and auth.scheme != "none":
            raise MissingApiKeyError(
                f"no API key for {provider.name}; pass api_key, or set {_names(provider)}", provider=provider.id
            )
    elif auth.scheme == "bearer":
        pairs[auth.name.lower()] = (auth.name, f"Bearer {key}")
    elif auth.scheme == "header":
        pairs[auth.name.lower()] = (auth.name, key)
    elif auth.scheme == "query":
        from urllib.parse import quote

        query = f"{auth.name}={quote(key, safe='')}"
    for name, value in (extra_headers or {}).items():
        pairs[name.lower()] = (name, value)
    return Upstream(
        provider=provider,
        dialect=dialect(provider.dialect),
        origin=origin,
        prefix=prefix.rstrip("/"),
        headers=render_headers(pairs.values()),
        query=query,
        signer=signer,
        pooled=key if pooled else None,
    )


def _names(provider: Provider) -> str:
    return " or ".join(provider.env) if provider.env else "api_key in its config"
