"""What file, catalogue and environment say together."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from tsuji import catalog
from tsuji.catalog.prices import Price, cost
from tsuji.config import Config, ProviderConfig, Secret, Server, check_config, config_path, config_schema, load_config
from tsuji.config.schema import ProviderTable, QuirksTable
from tsuji.core.errors import ConfigError, InvalidRequestError, MissingApiKeyError, ModelNotFoundError
from tsuji.core.provider import Quirks
from tsuji.core.timeouts import Timeouts
from tsuji.core.usage import Usage
from tsuji.routing import Route, Target
from tsuji.wire import DIALECTS

CANARY = "sk-canary-0123456789"
ISSUE = """
[server]
host = "127.0.0.1"
port = 4141
[providers.mock]                 # a name of your own, or one from the catalogue to override
dialect = "openai"
base_url = "http://127.0.0.1:9001/v1"
api_key = "env:MOCK_KEY"         # or a literal, or "file:path"
[routes.fast]                    # a model name that clients ask for
targets = ["mock:gpt-4o-mini", "local:default"]   # tried in order
strategy = "priority"
timeouts = { connect = 5, first_byte = 60, idle = 30, total = 600 }   # seconds
"""


@pytest.fixture(autouse=True)
def _no_keys_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for id in catalog.provider_ids():
        row = catalog.provider(id)
        for name in (*row.env, row.base_url_env):
            if name:
                monkeypatch.delenv(name, raising=False)


def load(tmp_path: Path, text: str) -> Config:
    file = tmp_path / "tsuji.toml"
    file.write_text(text)
    return load_config(file)


def test_the_example_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOCK_KEY", "k1")
    config = load(tmp_path, ISSUE)
    assert check_config(tmp_path / "tsuji.toml") == []
    targets = (Target("mock", "gpt-4o-mini"), Target("local", "default", prefill=True))
    assert config.route("fast") == Route("fast", targets, timeouts=Timeouts(first_byte=60))
    mock = config.provider("mock")
    assert (mock.dialect, mock.base_url, config.api_key(mock)) == ("openai", "http://127.0.0.1:9001/v1", "k1")
    assert (config.server.host, config.server.port, config.server.keys) == ("127.0.0.1", 4141, ())


def test_the_examples_of_the_documentation_have_no_mistakes(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert blocks
    for block in blocks:
        load(tmp_path, block)


def test_two_lines_make_a_provider_that_needs_no_key(tmp_path: Path) -> None:
    config = load(tmp_path, '[providers.mine]\ndialect = "gemini"\nbase_url = "http://localhost:1"\n')
    assert config.api_key(config.provider("mine")) is None
    assert config.price(Target("mine", "m")) is None
    assert config.provider_ids() == tuple(sorted([*catalog.provider_ids(), "mine"]))


def test_an_override_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        '[providers.mistral]\nbase_url = "http://proxy"\nheaders = { x-team = "a" }\nendpoints.chat = "/chat"\n'
        'auth = { scheme = "header", name = "api-key" }\n[providers.mistral.quirks]\nstream_usage = true\n',
    )
    row, merged = catalog.provider("mistral"), config.provider("mistral")
    assert merged.base_url == "http://proxy"
    assert merged.headers == {"x-team": "a"}
    assert merged.endpoints == {**row.endpoints, "chat": "/chat"}
    assert (merged.auth.scheme, merged.auth.name) == ("header", "api-key")
    assert merged.quirks.stream_usage
    assert (merged.quirks.rename, merged.quirks.drop) == (row.quirks.rename, row.quirks.drop)
    assert (merged.env, merged.prices, merged.dialect) == (row.env, row.prices, row.dialect)


def test_the_environment_gives_base_urls_unless_the_file_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
    assert Config().provider("openai").base_url == "http://127.0.0.1:1"
    given = Config(providers={"openai": ProviderConfig(base_url="http://file/v1")})
    assert given.provider("openai").base_url == "http://file/v1"
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert Config().provider("openai").base_url == "https://api.openai.com/v1"


@pytest.mark.parametrize(
    ("value", "base_url"),
    [
        ("box", "http://box:11434/v1"),
        ("box:80", "http://box:80/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("http://box:1", "http://box:1/v1"),
        ("https://ollama.com", "https://ollama.com/v1"),
        ("[::1]:5", "http://[::1]:5/v1"),
        (":5", "http://127.0.0.1:5/v1"),
    ],
)
def test_a_host_variable_is_completed_from_the_row(monkeypatch: pytest.MonkeyPatch, value: str, base_url: str) -> None:
    monkeypatch.setenv("OLLAMA_HOST", value)
    assert Config().provider("ollama").base_url == base_url


def test_keys_come_from_the_call_then_the_file_then_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "second")
    plain = Config()
    gemini = plain.provider("gemini")
    assert plain.api_key(gemini) == "second"
    monkeypatch.setenv("GEMINI_API_KEY", "first")
    assert plain.api_key(gemini) == "first"
    (tmp_path / "key").write_text("from-file\n")
    config = load(tmp_path, '[providers.gemini]\napi_key = "file:key"\n')
    assert config.api_key(gemini) == "from-file"
    assert config.api_key(gemini, "explicit") == "explicit"


def test_a_missing_key_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(MissingApiKeyError, match=r"set GEMINI_API_KEY or GOOGLE_API_KEY, or api_key under") as caught:
        Config().api_key(Config().provider("gemini"))
    assert (caught.value.provider, caught.value.fault, caught.value.status) == ("gemini", "gateway", 401)
    config = load(tmp_path, '[providers.openai]\napi_key = "env:NOT_SET_HERE"\n')
    with pytest.raises(MissingApiKeyError, match="environment variable NOT_SET_HERE, which is not there"):
        config.api_key(config.provider("openai"))
    assert Config().api_key(Config().provider("ollama")) is None


def test_timeouts_fall_from_target_to_route_to_provider_to_default(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "[providers.openai]\ntimeouts = { connect = 1, idle = 2 }\n"
        "[routes.r]\ntimeouts = { idle = 3, total = 4 }\n"
        'targets = ["local:default", "openai:a", { model = "openai:b", timeouts = { total = 5 } }]\n',
    )
    route = config.route("r")
    assert route.timeouts == Timeouts(idle=3, total=4)
    assert [t.timeouts for t in route.targets] == [
        None,
        Timeouts(connect=1, idle=3, total=4),
        Timeouts(connect=1, idle=3, total=5),
    ]
    assert config.route("openai:c").timeouts == Timeouts(connect=1, idle=2)


def test_a_model_is_a_route_or_names_its_provider() -> None:
    config = Config(routes={"fast": Route("fast", (Target("local", "default"),))})
    assert config.route("fast").targets[0].name == "local:default"
    assert config.route("openrouter/z-ai/glm-4.7").targets == (Target("openrouter", "z-ai/glm-4.7"),)
    assert config.route("ollama:qwen3:8b") is config.route("ollama:qwen3:8b")
    with pytest.raises(ModelNotFoundError, match="no route 'fats'; did you mean 'fast'"):
        config.route("fats")
    with pytest.raises(ModelNotFoundError, match="names no provider; write 'provider:model'"):
        config.route("gpt-4o")
    with pytest.raises(ModelNotFoundError, match="no provider 'opnai'; did you mean 'openai'"):
        config.route("opnai:gpt-4o")
    with pytest.raises(InvalidRequestError):
        config.route("")


def test_a_provider_goes_by_its_other_names(tmp_path: Path) -> None:
    config = load(
        tmp_path, '[providers.vertexai]\napi_key = "k"\n[routes.a]\ntargets = ["vertexai:b", "vertexaianthropic:c"]\n'
    )
    assert [target.name for target in config.route("a").targets] == ["vertex:b", "vertexanthropic:c"]
    assert config.route("vertexai/m").targets == (Target("vertex", "m"),)
    assert config.provider("vertexai").id == "vertex"
    assert config.api_key(config.provider("vertex")) == "k"


def test_names_from_clients_fill_no_memory() -> None:
    config = Config()
    for number in range(10_000):
        config.route(f"openai:m{number}")
    assert len(config._direct) <= 4096


def test_a_price_of_the_file_is_exact_to_the_nano_dollar(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        '[routes.r]\ntargets = [{ model = "openai/gpt-4o", price = { input = 0.1, output = 0.3, cache_read = 0.07, '
        "per_request = 0.001 } }]\n",
    )
    target = config.route("r").targets[0]
    expected = Price(input=100_000_000, output=300_000_000, cache_read=70_000_000, per_request=1_000_000)
    assert config.price(target) == expected
    assert cost(config.price(target), Usage(input_tokens=10, cached_tokens=10, output_tokens=1)) == 1_001_000
    other = Config().price(target)
    assert other is not None
    assert other.source == "genai-prices"


def test_secrets_show_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(
        tmp_path,
        f'[server]\nkeys = ["{CANARY}"]\n[providers.openai]\napi_key = "{CANARY}"\nheaders.x-key = "{CANARY}"\n',
    )
    shown = [config, config.server, config.providers["openai"], config.providers["openai"].api_key, Secret(CANARY)]
    shown += [
        Server(keys=[CANARY]),
        ProviderConfig(api_key=CANARY),
        Config(providers={"x": ProviderConfig(api_key=CANARY)}),
    ]
    for thing in shown:
        assert "canary" not in f"{thing!r} {thing} {thing!s}"
    assert config.server.keys == (CANARY,)
    for text in (f'[server]\nkeys = [["{CANARY}"]]', f'[providers.openai]\napi_key = ["{CANARY}"]', f"x = {CANARY}"):
        with pytest.raises(ConfigError) as caught:
            load(tmp_path, text)
        assert "canary" not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f'[providers.openai]\nbase_url = "http://me:{CANARY}@host"\nheaders = {{ a = "{CANARY}\\n" }}')
    assert "canary" not in str(caught.value)


def test_a_gateway_key_that_is_not_there_is_no_open_gateway(tmp_path: Path) -> None:
    server = load(tmp_path, '[server]\nkeys = ["one", "env:NOT_SET_HERE"]\n').server
    with pytest.raises(ConfigError, match="environment variable NOT_SET_HERE, which is not there or is empty"):
        _ = server.keys


def test_the_file_is_found_here_then_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    (home / "tsuji").mkdir(parents=True)
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    assert config_path() is None
    assert load_config().routes == {}
    (home / "tsuji" / "tsuji.toml").write_text('[routes.home]\ntargets = ["local:default"]\n')
    assert list(load_config().routes) == ["home"]
    (here / "tsuji.toml").write_text('[routes.here]\ntargets = ["local:default"]\n')
    assert list(load_config().routes) == ["here"]


def test_the_schema_says_what_the_reader_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = config_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    import tomllib

    jsonschema.validate(tomllib.loads(ISSUE), schema)
    for broken in ("[server]\nprot = 1", "[server]\nport = -1", '[routes.r]\nstrategy = "x"\ntargets = ["a:b"]'):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(tomllib.loads(broken), schema)


def test_the_committed_schema_is_the_generated_one() -> None:
    committed = Path(__file__).parents[2] / "docs" / "tsuji.schema.json"
    assert json.loads(committed.read_text()) == json.loads(json.dumps(config_schema())), (
        "run: tsuji config schema > docs/tsuji.schema.json"
    )


def test_the_file_can_say_all_that_core_knows_of_quirks_and_dialects() -> None:
    assert QuirksTable.__struct_fields__ == Quirks.__struct_fields__
    dialects = str(ProviderTable.__annotations__["dialect"])
    assert all(repr(name) in dialects for name in DIALECTS)


@pytest.mark.parametrize(
    ("dialect", "auth", "header"),
    [
        ("openai", "authorization", None),
        ("anthropic", "x-api-key", "anthropic-version"),
        ("gemini", "x-goog-api-key", None),
    ],
)
def test_a_provider_of_ones_own_sends_keys_as_its_dialect_does(dialect: str, auth: str, header: str | None) -> None:
    own = Config(providers={"mine": ProviderConfig(dialect=dialect, base_url="http://127.0.0.1:1", api_key="k")})
    provider = own.provider("mine")
    assert provider.auth.name == auth
    assert provider.prices is None
    assert provider.env == ()
    assert header is None or header in provider.headers
