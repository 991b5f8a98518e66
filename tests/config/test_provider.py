"""A provider as row, configuration and environment make it: its settings, its dialects, its address."""

from pathlib import Path

import pytest

from tsuji import catalog
from tsuji.config import Config, ProviderConfig, check_config, load_config
from tsuji.config.provider import located, merge
from tsuji.core.errors import ConfigError
from tsuji.core.provider import Auth, Provider, Quirks, Setting, Variant, spoken

ROW = Provider(
    id="x",
    name="X",
    dialect="openai",
    base_url="https://{region}-api.x/v1/projects/{project}/locations/{region}",
    base_url_env="X_BASE_URL",
    auth=Auth(keyless="google"),
    settings={
        "region": Setting(env=("X_REGION", "X_LOCATION"), default="us", hosts={"global": "api.x"}),
        "project": Setting(env=("X_PROJECT",)),
    },
    endpoints={"chat": "/c"},
    quirks=Quirks(drop=("n",)),
    dialects={
        "responses": Variant(quirks=Quirks(drop=("store",))),
        "anthropic": Variant(
            base_url="https://{region}.claude.x", auth=Auth("header", "x-api-key"), headers={"v": "1"}
        ),
    },
)


@pytest.fixture(autouse=True)
def in_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    provider, ids = catalog.provider, catalog.provider_ids()
    monkeypatch.setattr(catalog, "provider", lambda id: ROW if id == "x" else provider(id))
    monkeypatch.setattr(catalog, "provider_ids", lambda: (*ids, "x"))
    for name in ("X_REGION", "X_LOCATION", "X_PROJECT", "X_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def url(given: ProviderConfig | None = None, dialect: str = "") -> str:
    config = Config(providers={"x": given} if given else {})
    return located(spoken(config.provider("x"), dialect)).base_url


def test_a_setting_is_the_configs_then_the_environments_then_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_PROJECT", "p")
    assert url() == "https://us-api.x/v1/projects/p/locations/us"
    monkeypatch.setenv("X_LOCATION", "asia")
    assert url() == "https://asia-api.x/v1/projects/p/locations/asia"
    monkeypatch.setenv("X_REGION", "eu")
    assert url() == "https://eu-api.x/v1/projects/p/locations/eu"
    assert url(ProviderConfig(settings={"region": "me"})) == "https://me-api.x/v1/projects/p/locations/me"
    assert url(dialect="anthropic") == "https://eu.claude.x"


def test_a_value_with_a_host_of_its_own() -> None:
    given = ProviderConfig(settings={"region": "global", "project": "p"})
    assert url(given) == "https://api.x/v1/projects/p/locations/global"


def test_a_missing_one_names_both_ways() -> None:
    with pytest.raises(
        ConfigError, match=r"X needs a project: set X_PROJECT, or project under \[providers.x.settings\] in tsuji.toml"
    ) as caught:
        url()
    assert (caught.value.fault, caught.value.provider) == ("gateway", "x")
    assert located(ROW, {"project": "known"}).base_url == "https://us-api.x/v1/projects/known/locations/us"


@pytest.mark.parametrize("value", ["evil.example/", "a b", "a@b", "a?b", "a#b", "a\r\nb", "é", "{project}"])
def test_a_value_stays_where_it_is_put(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("X_REGION", value)
    with pytest.raises(ConfigError, match="cannot stand in a URL"):
        url(ProviderConfig(settings={"project": "p"}))


def test_another_address_keeps_no_dialect_at_the_vendors_own() -> None:
    assert set(Config().provider("x").dialects) == {"responses", "anthropic"}
    moved = Config(providers={"x": ProviderConfig(base_url="https://proxy/v1")}).provider("x")
    assert set(moved.dialects) == {"responses"}
    assert spoken(moved, "responses").base_url == "https://proxy/v1"
    both = ProviderConfig(base_url="https://proxy/v1", dialects={"anthropic": {"base_url": "https://proxy/claude"}})
    claude = spoken(Config(providers={"x": both}).provider("x"), "anthropic")
    assert (claude.base_url, claude.auth.name, claude.headers) == ("https://proxy/claude", "x-api-key", {"v": "1"})


def test_the_address_of_the_environment_likewise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_BASE_URL", "https://proxy/v2")
    assert set(Config().provider("x").dialects) == {"responses"}
    assert url(dialect="responses") == url() == "https://proxy/v2"


def test_who_names_the_dialect_says_all_that_is_spoken() -> None:
    plain = merge("x", ProviderConfig(dialect="openai", base_url="https://mine/v1"))
    assert (plain.dialects, plain.endpoints, plain.quirks) == ({}, {"chat": "/c"}, ROW.quirks)
    claude = merge("x", ProviderConfig(dialect="anthropic"))
    assert (claude.dialect, claude.base_url, claude.dialects) == ("anthropic", "https://{region}.claude.x", {})
    other = merge("x", ProviderConfig(dialect="gemini"))
    assert (other.dialect, other.endpoints, other.quirks) == ("gemini", {}, Quirks())


def test_a_dialect_of_the_configs_own() -> None:
    given = ProviderConfig(
        dialect="openai", base_url="https://mine/v1", dialects={"anthropic": {"base_url": "https://mine/claude"}}
    )
    mine = Config(providers={"mine": given}).provider("mine")
    claude = spoken(mine, "anthropic")
    assert (claude.auth, claude.headers) == (catalog.provider("anthropic").auth, catalog.provider("anthropic").headers)
    assert mine.auth == Auth()


def test_a_file_says_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tsuji.toml"
    file.write_text(
        """
[providers.x.settings]
region = "eu"
project = "p:q"
[providers.mine]
dialect = "openai"
base_url = "https://{place}.mine/v1"
settings = { place = "here" }
auth = { scheme = "ibm", token_url = "https://iam.mine" }
endpoints = { stream = "/streamed" }
quirks = { model_in_path = true }
[providers.mine.dialects.anthropic]
base_url = "https://{place}.mine/claude"
headers = { a = "b" }
auth = { scheme = "bearer" }
quirks = { defaults = { anthropic_version = "v" }, drop = ["top_k"] }
[providers.mine.dialects.responses]
"""
    )
    assert check_config(file) == []
    config = load_config(file)
    assert located(config.provider("x")).base_url == "https://eu-api.x/v1/projects/p:q/locations/eu"
    mine = config.provider("mine")
    assert (mine.auth.scheme, mine.auth.token_url) == ("ibm", "https://iam.mine")
    assert (mine.endpoints, mine.quirks.model_in_path) == ({"stream": "/streamed"}, True)
    claude = located(spoken(mine, "anthropic"))
    assert claude.base_url == "https://here.mine/claude"
    assert claude.auth == Auth("bearer")
    assert claude.headers["a"] == "b"
    assert claude.quirks == Quirks(defaults={"anthropic_version": "v"}, drop=("top_k",))
    assert spoken(mine, "responses").base_url == mine.base_url


def test_a_setting_that_is_nowhere_here_and_now_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tsuji.toml"
    file.write_text('[providers.x]\nauth = { scheme = "bearer" }\n')
    assert [(p.severity, p.line, p.key) for p in check_config(file)] == [("warning", 1, "providers.x.settings.project")]
    monkeypatch.setenv("X_PROJECT", "p")
    assert check_config(file) == []
    file.write_text("[providers.x]\n")
    monkeypatch.delenv("X_PROJECT")
    assert check_config(file) == []  # Google's credentials may know


OWN = '[providers.mine]\ndialect = "openai"\n'


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        (
            '[providers.x.settings]\nregoin = "eu"\n',
            2,
            "x.settings.regoin",
            "no setting of X; did you mean 'region'",
        ),
        ('[providers.x.settings]\nregion = "e/u"\n', 2, "x.settings.region", "cannot stand in a URL"),
        ("[providers.x.settings]\nregion = 1\n", 2, "x.settings.region", "must be text"),
        (OWN + 'base_url = "https://{place}.x"\n', 3, "mine.base_url", "{place} needs a setting of that name"),
        (
            OWN + 'base_url = "https://x"\nsettings.a = "b"\n',
            4,
            "mine.settings.a",
            "is no setting of mine; its base_url has no {placeholder}",
        ),
        ('[providers.x.dialects.anthropics]\ndocs = "x"\n', 2, "x.dialects.anthropics.docs", "unknown key"),
        ("[providers.x.dialects.openai]\n", 1, "x.dialects.openai", "is no other dialect than the provider's own"),
        (
            '[providers.x.dialects.anthropic.quirks]\ndrop = ["n"]\n',
            2,
            "x.dialects.anthropic.quirks.drop",
            "'n' is no request field of the anthropic dialect",
        ),
        (
            '[providers.x.dialects.anthropic.headers]\n"a b" = "c"\n',
            2,
            'x.dialects.anthropic.headers."a b"',
            "no valid header",
        ),
        ('[providers.x]\nauth = { keyless = "aws" }\n', 2, "x.auth.service", "is needed where keyless is 'aws'"),
        (
            '[providers.x]\nauth = { keyless = "azure" }\n',
            2,
            "x.auth.keyless",
            "'azure' is not one of: aws, entra, google",
        ),
    ],
)
def test_a_mistake_is_explained(tmp_path: Path, text: str, line: int, key: str, said: str) -> None:
    file = tmp_path / "tsuji.toml"
    file.write_text(text)
    found = [problem for problem in check_config(file) if problem.severity == "error"]
    assert [(p.line, p.key) for p in found][:1] == [(line, f"providers.{key}")]
    assert said in found[0].message


@pytest.mark.parametrize(
    ("variable", "value", "base_url"),
    [
        ("X_ENDPOINT", "https://res.azure.example/", "https://res.azure.example/openai/v1"),
        ("X_ENDPOINT", "https://res.azure.example", "https://res.azure.example/openai/v1"),
        ("X_ENDPOINT", "https://res.azure.example/mine/", "https://res.azure.example/mine"),
        ("X_HOST", "workspace.example", "https://workspace.example/openai/v1"),
    ],
)
def test_a_variable_that_holds_half_of_an_address(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, base_url: str
) -> None:
    from tsuji.config.provider import relocated

    row = Provider(id="y", name="Y", dialect="openai", base_url="https://{r}.y/openai/v1", base_url_env=variable)
    monkeypatch.setenv(variable, value)
    assert relocated(row).base_url == base_url
