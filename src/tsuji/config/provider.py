"""A provider as catalogue, configuration and environment say together."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tsuji import catalog
from tsuji.core.errors import ConfigError
from tsuji.core.model import ModelRef, parse_model
from tsuji.core.provider import Auth, Provider, Quirks, Setting, Variant, filled, moved, placeholders, spoken

from .secret import Secret

if TYPE_CHECKING:
    from .schema import ProviderTable, VariantTable

_AUTHORS = {"responses": "openai", "bedrock": "openai"}
"""Dialects that have no provider of their name; and Bedrock's, whose API keys are bearer tokens as OpenAI's are."""
_IN_A_URL = re.compile(r"[A-Za-z0-9_.~:-]+")


class ProviderConfig(msgspec.Struct, frozen=True):
    """What the configuration says of a provider; None leaves the catalogue's word. With a dialect and a base_url it
    needs no catalogue row.

    api_keys: in place of api_key, used in turn. quirks, headers, endpoints, settings: by field or name; each replaces
    the row's of that name, or is added. timeouts: likewise. auth: fields of core.provider.Auth, in place of the row's
    as a whole. dialects: name -> fields of core.provider.Variant, each as above; the row's stay, but for those that
    have a base URL of their own where base_url is given, and for all of them where dialect is.
    """

    dialect: str | None = None
    base_url: str | None = None
    api_key: str | Secret | None = None
    name: str | None = None
    headers: Mapping[str, str] = {}
    timeouts: Mapping[str, float] = {}
    quirks: Mapping[str, Any] = {}
    auth: Mapping[str, Any] | None = None
    endpoints: Mapping[str, str] = {}
    settings: Mapping[str, str] = {}
    dialects: Mapping[str, Mapping[str, Any]] = {}
    prices: str | None = None
    api_keys: tuple[str | Secret, ...] = ()

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Its keys, as the configuration names them."""
        given = self.api_keys or (() if self.api_key is None else (self.api_key,))
        return tuple([Secret.of(key) for key in given])

    def __repr__(self) -> str:
        # Headers may carry keys as well.
        keys = ", ".join([str(key) for key in self.secrets])
        return f"ProviderConfig(dialect={self.dialect!r}, base_url={self.base_url!r}, api_keys=[{keys}])"


def provider_config(table: "ProviderTable", folder: Path) -> ProviderConfig:
    """folder: of the file, for secrets in files."""
    return ProviderConfig(
        dialect=table.dialect,
        base_url=table.base_url,
        api_key=Secret(table.api_key, folder) if table.api_key is not None else None,
        name=table.name,
        headers=table.headers or {},
        timeouts=table.timeouts.given() if table.timeouts else {},
        quirks=table.quirks.given() if table.quirks else {},
        auth=table.auth.given() if table.auth else None,
        endpoints=table.endpoints.given() if table.endpoints else {},
        settings=table.settings or {},
        dialects={name: _deep(variant) for name, variant in (table.dialects or {}).items()},
        prices=table.prices,
        api_keys=tuple([Secret(key, folder) for key in table.api_keys or ()]),
    )


def _deep(table: "VariantTable") -> dict[str, Any]:
    from .schema import Table

    return {name: part.given() if isinstance(part, Table) else part for name, part in table.given().items()}


def merge(id: str, given: ProviderConfig) -> Provider:
    """A provider of the configuration. Raises ConfigError where it is neither of the catalogue nor complete."""
    row = base = _base(id, given)
    if given.dialect:
        # Its other dialects are those that are named, and so is what it does otherwise than its dialect.
        base = spoken(row, given.dialect)
        if base.dialect != given.dialect:
            base = msgspec.structs.replace(base, dialect=given.dialect, endpoints={}, quirks=Quirks())
        base = msgspec.structs.replace(base, dialects={})
    if given.base_url:
        # The configuration is nearer than the environment.
        base = msgspec.structs.replace(moved(base, given.base_url), base_url_env=None)
    changes: dict[str, Any] = {
        name: value for name in ("name", "prices") if (value := getattr(given, name)) is not None
    }
    changes |= _changes(base, given.auth, given.quirks, given.headers, given.endpoints)
    changes["settings"] = {
        **base.settings,
        **{name: _said(base.settings.get(name), value) for name, value in given.settings.items()},
    }
    changes["dialects"] = {
        **base.dialects,
        **{name: _variant(row.dialects.get(name), name, said) for name, said in given.dialects.items()},
    }
    return msgspec.structs.replace(base, **changes)


def model_ref(text: str) -> ModelRef:
    """As `parse_model`, but an alias of a provider is its id."""
    ref = parse_model(text)
    return ModelRef(catalog.canonical(ref.provider), ref.model)


def _base(id: str, given: ProviderConfig) -> Provider:
    if catalog.canonical(id) in catalog.provider_ids():
        return catalog.provider(id)
    if not (given.dialect and given.base_url):
        raise ConfigError(f"provider {id!r} is not in the catalogue: it needs a dialect and a base_url")
    author = _author(given.dialect)
    return Provider(
        id=id,
        name=id,
        dialect=given.dialect,
        base_url=given.base_url,
        auth=author.auth,
        headers=author.headers,
        key_optional=True,
    )


def _author(dialect: str) -> Provider:
    """Whoever made the dialect says how a key and a version are sent."""
    return catalog.provider(_AUTHORS.get(dialect, dialect))


def _changes(
    base: Provider | Variant,
    auth: Mapping[str, Any] | None,
    quirks: Mapping[str, Any],
    headers: Mapping[str, str],
    endpoints: Mapping[str, str],
) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if auth is not None:
        changes["auth"] = Auth(**auth)
    if quirks:
        changes["quirks"] = msgspec.structs.replace(base.quirks, **quirks)
    changes["headers"] = {**base.headers, **headers}
    changes["endpoints"] = {**base.endpoints, **endpoints}
    return changes


def _said(row: Setting | None, value: str) -> Setting:
    return Setting(default=value, hosts=row.hosts if row is not None else {})


def _variant(row: Variant | None, name: str, said: Mapping[str, Any]) -> Variant:
    if row is None:
        author = _author(name)
        row = Variant(auth=author.auth, headers=author.headers)
    base_url = said.get("base_url")
    changes = _changes(
        row, said.get("auth"), said.get("quirks") or {}, said.get("headers") or {}, said.get("endpoints") or {}
    )
    return msgspec.structs.replace(row, base_url=base_url or row.base_url, **changes)


def relocated(provider: Provider) -> Provider:
    """The provider at what its base URL variable says, where that is set."""
    if provider.base_url_env and (value := os.environ.get(provider.base_url_env)):
        return moved(provider, _from_variable(provider, value))
    return provider


def setting(provider: Provider, name: str) -> str | None:
    """What configuration, environment or row say; None where none does."""
    one = provider.settings.get(name, Setting())
    found = next((value for variable in one.env if (value := os.environ.get(variable))), one.default)
    if found is not None and not _IN_A_URL.fullmatch(found):
        raise ConfigError(
            f"{name} of {provider.name} is {found!r}, which cannot stand in a URL; {_ways(provider, name)}",
            provider=provider.id,
        )
    return found


def located(provider: Provider, known: Mapping[str, str] | None = None) -> Provider:
    """With the values of its settings in its base URL. known: those that its credentials give.

    Raises ConfigError, which says what to set.
    """
    names = placeholders(provider.base_url)
    if not names:
        return provider
    values = {name: needed(provider, name, known) for name in names}
    url = provider.base_url
    for name, value in values.items():
        if host := provider.settings.get(name, Setting()).hosts.get(value):
            scheme, _, rest = url.partition("://")
            url = f"{scheme}://{host}{rest[rest.find('/') :] if '/' in rest else ''}"
    return msgspec.structs.replace(provider, base_url=filled(url, values.__getitem__))


def needed(provider: Provider, name: str, known: Mapping[str, str] | None = None) -> str:
    """As `setting`, else of `known`. Raises ConfigError, which says what to set."""
    found = setting(provider, name) or (known or {}).get(name)
    if not found:
        raise ConfigError(f"{provider.name} needs a {name}: {_ways(provider, name)}", provider=provider.id)
    return found


def _ways(provider: Provider, name: str) -> str:
    variables = " or ".join(provider.settings.get(name, Setting()).env)
    return (
        f"set {variables + ', or ' if variables else ''}{name} under [providers.{provider.id}.settings] in tsuji.toml"
    )


def _from_variable(provider: Provider, value: str) -> str:
    """A variable that ends in _HOST holds host[:port], perhaps with a scheme; scheme, port and path are the row's. One
    that ends in _ENDPOINT holds a URL whose path, unless it has one, is the row's.

    OLLAMA_HOST is also what the server itself listens on, where 0.0.0.0 means every address:
    https://github.com/ollama/ollama/blob/main/docs/faq.mdx
    """
    from urllib.parse import urlsplit

    variable = provider.base_url_env or ""
    row = urlsplit(provider.base_url)
    if variable.endswith("_ENDPOINT"):
        return value.rstrip("/") + ("" if urlsplit(value).path.strip("/") else row.path)
    if not variable.endswith("_HOST"):
        return value
    given = urlsplit(value if "://" in value else f"{row.scheme}://{value}")
    host = f"[{given.hostname}]" if given.hostname and ":" in given.hostname else given.hostname or row.hostname
    port = given.port or (row.port if given.scheme == row.scheme else None)
    if host == "0.0.0.0":  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"{given.scheme}://{host}{f':{port}' if port else ''}{row.path}"
