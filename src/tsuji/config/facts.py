"""What may be told of a provider as it is configured: where its key comes from and whether it is there, never a key."""

import re

import msgspec

from tsuji.core.errors import MissingApiKeyError
from tsuji.core.provider import Provider

from .config import Config

KEYLESS = {"aws": "AWS credentials", "google": "Google credentials", "entra": "Entra ID"}
"""What stands in for a key, by Auth.keyless."""


class ProviderFacts(msgspec.Struct, frozen=True, kw_only=True):
    """key_from: variables, or the configuration. keyless: what stands in for a key. key: "set", "missing" or "not
    needed". settings: name -> variables that may hold it. docs, verified: the page it was checked against, and when.
    """

    id: str
    aliases: tuple[str, ...]
    name: str
    dialect: str
    other_dialects: tuple[str, ...]
    operations: tuple[str, ...]
    key_from: tuple[str, ...]
    keyless: str | None
    key: str
    base_url: str | None
    settings: dict[str, tuple[str, ...]]
    docs: str | None
    verified: str | None
    configured: bool


def provider_facts(config: Config, provider: Provider) -> ProviderFacts:
    given = config.providers.get(provider.id)
    in_config = given is not None and bool(given.secrets)
    return ProviderFacts(
        id=provider.id,
        aliases=provider.aliases,
        name=provider.name,
        dialect=provider.dialect,
        other_dialects=tuple(provider.dialects),
        operations=provider.operations,
        key_from=("the configuration",) if in_config else provider.env,
        keyless=KEYLESS.get(provider.auth.keyless),
        key=key_state(config, provider),
        base_url=None if provider.id == "local" else _without_secrets(provider.base_url),
        settings={name: one.env for name, one in provider.settings.items()},
        docs=provider.docs,
        verified=provider.verified,
        configured=given is not None,
    )


def key_state(config: Config, provider: Provider) -> str:
    """ "set", "missing", or "not needed" where the provider works without one and none is set."""
    try:
        key = config.api_key(provider)
    except MissingApiKeyError:
        return "missing"
    return "set" if key else "not needed"


def _without_secrets(url: str) -> str:
    """Neither credentials nor a query, where a variable has put some."""
    return re.sub(r"//[^/@]*@", "//", url.partition("?")[0])
