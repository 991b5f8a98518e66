"""Every name of a provider that any-llm knows is one here: its enum's, and its registry's of configured rows."""

from urllib.parse import urlsplit

import pytest

from tsuji import Config, catalog

pytest.importorskip("any_llm", reason="any-llm is not installed here; it is in the environment of peers (make test)")

from any_llm.constants import LLMProvider
from any_llm.providers.registry import PROVIDER_REGISTRY

NAMES = sorted({provider.value for provider in LLMProvider} | set(PROVIDER_REGISTRY))
ELSEWHERE = {
    "nebius": "AI Studio is Token Factory now: https://docs.tokenfactory.nebius.com/api-reference/introduction",
    "perplexity": "the Agent API, which took the place of Sonar on 2026-09-27",
    "telnyx": "https://developers.telnyx.com/docs/inference/getting-started",
}
"""Rows whose address is another one than the registry's, because the provider's own page says so."""


def test_there_are_as_many_as_any_llm_has() -> None:
    assert len(NAMES) >= 55


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_any_llm_is_a_provider_here(name: str) -> None:
    assert Config().provider(name).id == catalog.canonical(name)


@pytest.mark.parametrize("name", sorted(set(PROVIDER_REGISTRY) - set(ELSEWHERE)))
def test_its_registry_and_the_catalogue_agree(name: str) -> None:
    theirs, ours = PROVIDER_REGISTRY[name], catalog.provider(name)
    assert theirs.env_api_key_name in ours.env
    if theirs.api_base is not None:
        address, own = urlsplit(theirs.api_base), urlsplit(ours.base_url)
        assert (address.hostname, address.path.rstrip("/")) == (own.hostname, own.path)
