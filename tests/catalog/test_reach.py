"""A request for each provider, through the library, arrives where the provider documents it, with its key.

EXPECTED is written by hand from the providers' pages, not from the rows: URL of a chat, URL of embeddings where it has
them, and the header that carries the key "secret".
"""

from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests import answers
from tests.scripted import Reply, Request, Scripted
from tsuji import Client, Config, UnsupportedParameterError, catalog
from tsuji.config import ProviderConfig
from tsuji.config.provider import located
from tsuji.core.provider import spoken

HI = [{"role": "user", "content": "hi"}]
MODEL = "m:1"
"""A name with what has to be escaped in a path."""
IDS = [id for id in catalog.provider_ids() if id != "local"]
ASKED = [id for id in IDS if catalog.provider(id).operations]
CHAT_PATH = {
    "openai": "/chat/completions",
    "responses": "/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/m%3A1:generateContent",
    "ollama": "/api/chat",
    "bedrock": "/model/m%3A1/converse",
    "cohere": "/v2/chat",
}
EMBEDDERS = {"bedrock": "amazon.titan-embed-text-v2:0"}
"""By dialect, a model that it is known of how it embeds, where that matters."""


class Place(NamedTuple):
    chat: str
    embeddings: str = ""
    key: str = "authorization: Bearer secret"


def _v1(base: str, embeddings: bool = True) -> Place:
    return Place(f"{base}/chat/completions", f"{base}/embeddings" if embeddings else "")


GOOGLE = "https://aiplatform.googleapis.com"
EXPECTED = {
    "openai": _v1("https://api.openai.com/v1"),
    "anthropic": Place("https://api.anthropic.com/v1/messages", key="x-api-key: secret"),
    "gemini": Place(
        "https://generativelanguage.googleapis.com/v1beta/models/m%3A1:generateContent",
        "https://generativelanguage.googleapis.com/v1beta/models/m%3A1:embedContent",
        "x-goog-api-key: secret",
    ),
    "mistral": _v1("https://api.mistral.ai/v1"),
    "groq": _v1("https://api.groq.com/openai/v1"),
    "deepseek": _v1("https://api.deepseek.com", embeddings=False),
    "xai": _v1("https://api.x.ai/v1", embeddings=False),
    "zai": _v1("https://api.z.ai/api/paas/v4"),
    "zai-cn": _v1("https://open.bigmodel.cn/api/paas/v4"),
    "zai-coding": _v1("https://api.z.ai/api/coding/paas/v4", embeddings=False),
    "moonshot": _v1("https://api.moonshot.ai/v1", embeddings=False),
    "moonshot-cn": _v1("https://api.moonshot.cn/v1", embeddings=False),
    "minimax": _v1("https://api.minimax.io/v1", embeddings=False),
    "minimax-cn": _v1("https://api.minimaxi.com/v1", embeddings=False),
    "dashscope": _v1("https://dashscope.aliyuncs.com/compatible-mode/v1"),
    "dashscope-intl": _v1("https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
    "together": _v1("https://api.together.ai/v1"),
    "fireworks": _v1("https://api.fireworks.ai/inference/v1"),
    "cerebras": _v1("https://api.cerebras.ai/v1", embeddings=False),
    "sambanova": _v1("https://api.sambanova.ai/v1"),
    "openrouter": _v1("https://openrouter.ai/api/v1"),
    "perplexity": Place("https://api.perplexity.ai/v1/responses"),
    "huggingface": _v1("https://router.huggingface.co/v1", embeddings=False),
    "nvidia": _v1("https://integrate.api.nvidia.com/v1"),
    "nebius": _v1("https://api.tokenfactory.nebius.com/v1"),
    "novita": _v1("https://api.novita.ai/openai/v1"),
    "deepinfra": _v1("https://api.deepinfra.com/v1/openai"),
    "databricks": _v1("https://the-workspace/serving-endpoints"),
    "snowflake": _v1("https://the-account.snowflakecomputing.com/api/v2/cortex/v1", embeddings=False),
    "cloudflare": _v1("https://api.cloudflare.com/client/v4/accounts/the-account/ai/v1"),
    "watsonx": _v1("https://the-region.ml.cloud.ibm.com/ml/gateway/v1")._replace(key="authorization: Bearer exchanged"),
    "portkey": _v1("https://api.portkey.ai/v1")._replace(key="x-portkey-api-key: secret"),
    "azureopenai": _v1("https://the-resource.openai.azure.com/openai/v1")._replace(key="api-key: secret"),
    "azure": _v1("https://the-resource.services.ai.azure.com/openai/v1")._replace(key="api-key: secret"),
    "azureanthropic": Place(
        "https://the-resource.services.ai.azure.com/anthropic/v1/messages", key="x-api-key: secret"
    ),
    "vertex": Place(
        f"{GOOGLE}/v1beta1/projects/the-project/locations/global/publishers/google/models/m%3A1:generateContent",
        f"{GOOGLE}/v1beta1/projects/the-project/locations/global/publishers/google/models/m%3A1:embedContent",
    ),
    "vertexanthropic": Place(
        f"{GOOGLE}/v1/projects/the-project/locations/global/publishers/anthropic/models/m%3A1:rawPredict"
    ),
    "vertexopenai": _v1(f"{GOOGLE}/v1/projects/the-project/locations/global/endpoints/openapi", embeddings=False),
    "litellm": _v1("http://localhost:4000/v1"),
    "lmstudio": _v1("http://127.0.0.1:1234/v1"),
    "ollama": _v1("http://127.0.0.1:11434/v1"),
    "vllm": _v1("http://localhost:8000/v1"),
    "llamacpp": _v1("http://127.0.0.1:8080/v1"),
    "tgi": _v1("http://localhost:8080/v1", embeddings=False),
}
OTHERS = {
    ("openai", "responses"): "https://api.openai.com/v1/responses",
    ("azureopenai", "responses"): "https://the-resource.openai.azure.com/openai/v1/responses",
    ("groq", "responses"): "https://api.groq.com/openai/v1/responses",
    ("xai", "responses"): "https://api.x.ai/v1/responses",
    ("deepseek", "responses"): "https://api.deepseek.com/responses",
    ("deepseek", "anthropic"): "https://api.deepseek.com/anthropic/v1/messages",
    ("moonshot", "anthropic"): "https://api.moonshot.ai/anthropic/v1/messages",
    ("minimax", "anthropic"): "https://api.minimax.io/anthropic/v1/messages",
    ("dashscope-intl", "anthropic"): "https://dashscope-intl.aliyuncs.com/apps/anthropic/v1/messages",
    ("zai", "anthropic"): "https://api.z.ai/api/anthropic/v1/messages",
    ("zai-cn", "anthropic"): "https://open.bigmodel.cn/api/anthropic/v1/messages",
    ("openrouter", "responses"): "https://openrouter.ai/api/v1/responses",
    ("openrouter", "anthropic"): "https://openrouter.ai/api/v1/messages",
    ("fireworks", "anthropic"): "https://api.fireworks.ai/inference/v1/messages",
    ("huggingface", "responses"): "https://router.huggingface.co/v1/responses",
    ("lmstudio", "anthropic"): "http://127.0.0.1:1234/v1/messages",
    ("lmstudio", "responses"): "http://127.0.0.1:1234/v1/responses",
    ("ollama", "anthropic"): "http://127.0.0.1:11434/v1/messages",
    ("ollama", "responses"): "http://127.0.0.1:11434/v1/responses",
    ("ollama", "ollama"): "http://127.0.0.1:11434/api/chat",
    ("vllm", "anthropic"): "http://localhost:8000/v1/messages",
    ("llamacpp", "anthropic"): "http://127.0.0.1:8080/v1/messages",
}


def _settings(id: str) -> dict[str, str]:
    return {name: "global" if name == "location" else f"the-{name}" for name in catalog.provider(id).settings}


def _address(id: str, dialect: str) -> str:
    """The provider's base URL for that dialect, settings filled in."""
    row = Config(providers={id: ProviderConfig(settings=_settings(id))}).provider(id)
    return located(spoken(row, dialect)).base_url


def _asked(id: str, server: Scripted, dialect: str = "") -> Client:
    """A client of that provider, whose requests come to the server at the path that the provider's own has."""
    dialect = dialect or catalog.provider(id).dialect
    path = urlsplit(_address(id, dialect)).path
    auth = {"scheme": "ibm", "token_url": f"{server.url}/token"} if catalog.provider(id).auth.scheme == "ibm" else None
    asked = ProviderConfig(dialect=dialect, base_url=server.url + path, api_key="secret", auth=auth)
    return Client(Config(providers={id: asked}))


def _reply(dialect: str) -> Callable[[Request], Reply]:
    def reply(request: Request) -> Reply:
        if request.path == "/token":
            return Reply(b'{"access_token": "exchanged", "expires_in": 3600}')
        return answers.embeddings(dialect) if "mbed" in request.path else answers.chat(dialect)

    return reply


def _url(id: str, dialect: str, request: Request) -> str:
    parts = urlsplit(_address(id, dialect))
    return f"{parts.scheme}://{parts.netloc}{request.path}"


@pytest.fixture(autouse=True)
def no_addresses_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for id in IDS:
        monkeypatch.delenv(catalog.provider(id).base_url_env or "-", raising=False)


def test_twenty_and_more_are_stated_by_hand() -> None:
    assert set(EXPECTED) <= set(ASKED)
    assert len(EXPECTED) > 40
    assert {id for id, _ in OTHERS} <= set(EXPECTED)


@pytest.mark.parametrize("id", ASKED)
def test_a_chat_arrives_with_its_key(id: str, scripted: Callable[..., Scripted]) -> None:
    row = catalog.provider(id)
    server = scripted(_reply(row.dialect))
    with _asked(id, server) as client:
        answer = client.completion(f"{id}:{MODEL}", HI)
    assert answer.choices[0].message.content == "hello"
    sent = server.last
    if not row.endpoints:
        assert sent.path == urlsplit(_address(id, row.dialect)).path + CHAT_PATH[row.dialect]
    if id in EXPECTED:
        assert _url(id, row.dialect, sent) == EXPECTED[id].chat
        name, _, value = EXPECTED[id].key.partition(": ")
        assert sent.headers[name] == value
    else:
        assert sent.headers["authorization"] == "Bearer secret"
    assert "secret" not in sent.target
    assert ("model" in sent.json()) == (not row.quirks.model_in_path and row.dialect not in ("gemini", "bedrock"))


@pytest.mark.parametrize("id", [id for id in ASKED if "embeddings" in catalog.provider(id).operations])
def test_embeddings_arrive(id: str, scripted: Callable[..., Scripted]) -> None:
    row = catalog.provider(id)
    server = scripted(_reply(row.dialect))
    with _asked(id, server) as client:
        assert client.embedding(f"{id}:{EMBEDDERS.get(row.dialect, MODEL)}", "hi").data[0].embedding == [0.5, -0.25]
    if id in EXPECTED:
        assert _url(id, row.dialect, server.last) == EXPECTED[id].embeddings
    elif not row.endpoints and row.dialect == "openai":
        assert server.last.path == urlsplit(row.base_url).path + "/embeddings"


@pytest.mark.parametrize(
    ("id", "dialect"), [(id, name) for id in ASKED for name in catalog.provider(id).dialects], ids="/".join
)
def test_its_other_dialects_are_asked_at_their_own_addresses(
    id: str, dialect: str, scripted: Callable[..., Scripted]
) -> None:
    server = scripted(_reply(dialect))
    with _asked(id, server, dialect) as client:
        assert client.completion(f"{id}:{MODEL}", HI, max_tokens=5).choices[0].message.content == "hello"
    if (id, dialect) in OTHERS:
        assert _url(id, dialect, server.last) == OTHERS[id, dialect]
    name, _, value = EXPECTED[id].key.partition(": ") if id in EXPECTED else ("authorization", "", "Bearer secret")
    assert server.last.headers[name] == value


@pytest.mark.parametrize("id", ["github", "llama", "liner", "typesafe"])
def test_whom_nobody_can_ask_says_so(id: str) -> None:
    with (
        Client(Config(providers={id: ProviderConfig(api_key="secret")})) as client,
        pytest.raises(
            UnsupportedParameterError, match=r"has no chat: nothing that can be asked for here; see https://"
        ),
    ):
        client.completion(f"{id}:m", HI)


def test_embeddings_are_not_asked_of_those_without() -> None:
    with (
        Client(Config(providers={"cerebras": ProviderConfig(api_key="secret")})) as client,
        pytest.raises(UnsupportedParameterError, match="Cerebras has no embeddings: only chat and models"),
    ):
        client.embedding("cerebras:m", "hi")


def test_an_alias_is_asked_as_its_provider(scripted: Callable[..., Scripted]) -> None:
    server = scripted(_reply("anthropic"))
    config = Config(
        providers={"vertexaianthropic": ProviderConfig(base_url=f"{server.url}/publishers/anthropic", api_key="t")}
    )
    with Client(config) as client:
        answer = client.completion("vertexaianthropic:claude-sonnet-4-5", HI)
    assert answer.tsuji.target == "vertexanthropic:claude-sonnet-4-5"
    assert server.last.path == "/publishers/anthropic/models/claude-sonnet-4-5:rawPredict"
    assert server.last.json()["anthropic_version"] == "vertex-2023-10-16"
    with Client(config) as client:
        server.script(answers.stream("anthropic"))
        assert len(list(client.completion("vertexaianthropic:m", HI, stream=True))) > 2
    assert server.last.path == "/publishers/anthropic/models/m:streamRawPredict"
