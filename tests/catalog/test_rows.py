"""The rows of the catalogue: complete, and true to the dialect they name."""

import re
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tsuji import catalog
from tsuji.catalog import genai
from tsuji.core.errors import ConfigError, ModelNotFoundError
from tsuji.core.provider import SERVED, filled, placeholders
from tsuji.http.url import is_loopback, split_url
from tsuji.wire import DIALECTS, dialect
from tsuji.wire.tasks import TASKS

IDS = catalog.provider_ids()
OF_THE_ISSUE = """
    anthropic azure azureanthropic azureopenai bedrock cerebras cloudflare cohere crusoe dashscope dashscope-intl
    databricks deepinfra deepseek fireworks gemini github groq huggingface inception jina lemonade litellm llamacpp
    llamafile lmstudio local minimax minimax-cn mistral moonshot moonshot-cn nebius novita nvidia ollama openai
    openrouter perplexity portkey sagemaker sambanova sglang snowflake tgi together upstage vertex vertexanthropic
    vllm voyage watsonx xai zai zai-cn zai-coding zai-coding-cn
"""


@pytest.mark.parametrize("id", IDS)
def test_a_row_is_complete(id: str) -> None:
    row = catalog.provider(id)
    assert row.id == id
    assert re.fullmatch(r"[a-z][a-z0-9-]*", id)
    assert row.dialect in DIALECTS
    assert row.docs is not None
    assert row.docs.startswith("https://")
    assert row.verified is not None
    assert date.fromisoformat(row.verified) >= date(2026, 11, 23)
    assert row.key_optional or row.env or row.auth.keyless, "a key that no variable can hold"
    assert len(row.name) <= 25, "a line of `tsuji providers` has eighty columns"


@pytest.mark.parametrize("id", IDS)
def test_addresses_are_encrypted_or_on_this_machine(id: str) -> None:
    row = catalog.provider(id)
    for url in [row.base_url, *[variant.base_url for variant in row.dialects.values() if variant.base_url]]:
        assert not url.endswith("/")
        assert set(placeholders(url)) <= set(row.settings)
        url = filled(url, lambda name: "x")
        split_url(url)
        assert urlsplit(url).scheme == "https" or is_loopback(urlsplit(url).hostname or "")


@pytest.mark.parametrize("id", IDS)
def test_quirks_name_fields_of_the_dialect(id: str) -> None:
    row = catalog.provider(id)
    for name, spoken in {row.dialect: row, **row.dialects}.items():
        quirks, fields = spoken.quirks, dialect(name).fields | dialect(name).embedding_fields
        assert set(quirks.tasks) <= set(TASKS)
        assert {*quirks.drop, *quirks.rename, *quirks.defaults, *quirks.accepts} <= fields
        assert not set(quirks.drop) & {*quirks.rename, *quirks.accepts, *quirks.defaults}
        assert all(path.startswith("/") for path in spoken.endpoints.values())


@pytest.mark.parametrize("id", IDS)
def test_paths_name_the_model_where_the_body_does_not(id: str) -> None:
    row = catalog.provider(id)
    if row.quirks.model_in_path:
        assert "{model}" in row.endpoints["chat"]
    assert set(row.operations) <= set(SERVED)
    of_chat = {"stream": "chat", "count_tokens": "chat"}
    assert {of_chat.get(operation, operation) for operation in row.endpoints} <= set(row.operations)


def test_price_ids_are_those_of_the_data() -> None:
    known = {p.id for p in genai.providers()} | {"free", None}
    assert {catalog.provider(id).prices for id in IDS} <= known


def test_servers_on_this_machine_are_free_or_unknown_and_others_are_not_free() -> None:
    for row in map(catalog.provider, IDS):
        if row.prices == "free":
            assert is_loopback(urlsplit(row.base_url).hostname or "")
            assert row.key_optional


def test_the_providers_of_the_issue_are_there() -> None:
    assert set(OF_THE_ISSUE.split()) <= set(IDS)
    assert len(IDS) >= 70


def test_a_key_of_one_account_is_sent_to_one_place() -> None:
    """`tsuji models` asks everybody whose variable is set: China's platforms have keys of their own."""
    for row in map(catalog.provider, IDS):
        elsewhere = [other for other in map(catalog.provider, IDS) if set(other.env) & set(row.env)]
        hosts = {".".join((urlsplit(one.base_url).hostname or "").split(".")[-2:]) for one in elsewhere}
        assert len(hosts) <= 1, (row.id, hosts)


def test_another_name_of_a_provider_is_the_provider() -> None:
    assert catalog.canonical("vertexai") == "vertex"
    assert catalog.provider("vertexai") == catalog.provider("vertex")
    assert catalog.canonical("openai") == "openai"
    assert catalog.canonical("nobody") == "nobody"
    names = [alias for id in IDS for alias in catalog.provider(id).aliases]
    assert len(set(names) | set(IDS)) == len(names) + len(IDS), "a name that two go by"


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(ModelNotFoundError, match="did you mean 'openai'") as caught:
        catalog.provider("opneai")
    assert caught.value.status == 404
    assert caught.value.fault == "caller"
    with pytest.raises(ModelNotFoundError, match="there are anthropic, atlascloud"):
        catalog.provider("zzz")


@pytest.mark.parametrize("id", ["../providers/openai", "openai.toml", "", "OPENAI", "\0"])
def test_an_id_is_no_path(id: str) -> None:
    with pytest.raises(ModelNotFoundError):
        catalog.provider(id)


X = 'id = "x"\nname = "X"\ndialect = "openai"\nbase_url = "http://x"'


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (f"{X}\nkeyoptional = true", "unknown field `keyoptional`"),
        (f'{X}\n[quirks]\ndrops = ["n"]', "unknown field `drops`"),
        (f'{X}\n[quirks]\ndrop = ["top_n"]', "'top_n' is no request field of the openai dialect"),
        (f'{X}\noperations = ["chats"]', "Invalid enum value 'chats'"),
        ('id = "x"\nname = "X"\ndialect = "openai"', "missing required field `base_url`"),
        ('id = "y"\nname = "X"\ndialect = "openai"\nbase_url = "http://x"', "its id is 'y'"),
        ('id = "x', "Unterminated string|Illegal character"),
    ],
)
def test_a_wrong_row_does_not_load(tmp_path: Path, row: str, complaint: str) -> None:
    file = tmp_path / "x.toml"
    file.write_text(row)
    with pytest.raises(ConfigError, match=complaint):
        catalog.load_row(file)
