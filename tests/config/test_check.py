"""Broken files: what is said of each, and where."""

from pathlib import Path

import pytest

from tsuji.config import Problem, check_config, load_config
from tsuji.core.errors import ConfigError

OWN = '[providers.mock]\ndialect = "openai"\nbase_url = "http://127.0.0.1:9001/v1"\n'
BROKEN: list[tuple[str, int | None, str, str]] = [
    # text, line, key, what is said
    ('[server\nhost = "x"', 1, "", "not TOML: Expected ']'"),
    ('a = "x', 1, "", "not TOML: .* at the end of the file|not TOML: Unterminated|not TOML: Illegal"),
    ("[server]\nport = 1\n[server]\n", 3, "", "not TOML: Cannot declare"),
    ("[server]\nprot = 4141\n", 2, "server.prot", "unknown key; did you mean 'port'"),
    ("[servers]\nport = 1\n", 1, "servers", "unknown key; did you mean 'server'"),
    ("[server]\nport = 70000\n", 2, "server.port", "at least 0 and at most 65535"),
    ('[server]\nport = "4141"\n', 2, "server.port", "must be a whole number, not text"),
    ("[server]\nport = true\n", 2, "server.port", "must be a whole number, not true or false"),
    ('[server]\nkeys = "one"\n', 2, "server.keys", "must be a list in .brackets., not text"),
    ('[server]\nkeys = ["one", 2]\n', 2, "server.keys[1]", "must be text, not a whole number"),
    ('[server]\nkeys = [""]\n', 2, "server.keys[0]", "is empty"),
    (
        '[ledger]\nenabled = false\n[server]\nhost = "0.0.0.0"\n',
        4,
        "server.host",
        "refuses to listen on 0.0.0.0 without keys",
    ),
    ('[server]\nsocket = "x"\nsocket_mode = "999"\n', 3, "server.socket_mode", "three octal digits"),
    ("[server]\nsocket_mode = 660\n", 2, "server.socket_mode", "must be text, not a whole number"),
    ("[server]\nproxy_protocol = true\n", 2, "server.proxy_protocol", "believes nobody yet"),
    ('[server]\ntrusted_proxies = ["10.0.0.1/8"]\n', 2, "server.trusted_proxies[0]", "no address or range"),
    (
        '[ledger]\nenabled = false\n[server]\ntrusted_proxies = ["unix"]\n',
        4,
        "server.trusted_proxies",
        "refuses to be reached through proxies without keys",
    ),
    (
        '[ledger]\nenabled = false\n[[server.listen]]\nhost = "::"\n',
        4,
        "server.listen[0].host",
        "refuses to listen on :: without keys",
    ),
    ('[server]\ntls = { certificate = "x" }\n', 2, "server.tls", "'key' is missing"),
    ('[server]\nforwarded_header = "x-real-ip"\n', 2, "server.forwarded_header", "is not one of"),
    ("[server]\nmax_connections = 0\n", 2, "server.max_connections", "at least 1"),
    ('[ledger]\nurl = "mysql://x/y"\n', 2, "ledger.url", "must begin with postgresql"),
    ('[ledger]\non_failure = "panic"\n', 2, "ledger.on_failure", "'panic' is not one of: continue, stop"),
    ("server = 1\n", 1, "server", "must be a table, not a whole number"),
    ("[server]\nhost = 1979-05-27\n", 2, "server.host", "must be text, not a date or time"),
    ('[providers.opneai]\napi_key = "x"\n', 1, "providers.opneai", "did you mean 'openai'.*needs dialect and base_url"),
    ('[providers.mine]\ndialect = "openai"\n', 1, "providers.mine", "needs base_url"),
    (
        '[providers.mine]\ndialect = "opnai"\nbase_url = "http://127.0.0.1:1"\n',
        2,
        "providers.mine.dialect",
        "'opnai' is not one of: anthropic, bedrock, cohere, gemini, ",
    ),
    ('[providers."a:b"]\ndialect = "openai"\nbase_url = "http://x"\n', 1, 'providers."a:b"', "must not .* contain ':'"),
    ('[providers.local]\nbase_url = "http://x"\n', 1, "providers.local", "no address of its own"),
    (
        '[providers.vertex]\napi_key = "x"\n[providers.vertexai]\napi_key = "y"\n',
        3,
        "providers.vertexai",
        "vertex",
    ),
    ('[providers.openai]\nbase_url = "api.openai.com"\n', 2, "providers.openai.base_url", "must begin with https://"),
    (
        '[providers.openai]\nbase_url = "https://x/v1/chat/completions"\n',
        2,
        "providers.openai.base_url",
        "leave out '/chat/completions'",
    ),
    (
        '[providers.openai]\nbase_url = "https://me:pw@x"\n',
        2,
        "providers.openai.base_url",
        "must not carry credentials",
    ),
    ("[providers.openai]\nheaders = { x = 1 }\n", 2, "providers.openai.headers.x", "must be text"),
    ('[providers.openai]\nheaders = { "a b" = "c" }\n', 2, 'providers.openai.headers."a b"', "no valid header"),
    ('[providers.openai]\nendpoints.chat = "v1"\n', 2, "providers.openai.endpoints.chat", "must begin with '/'"),
    ('[providers.openai.endpoints]\nchats = "/v1"\n', 2, "providers.openai.endpoints.chats", "did you mean 'chat'"),
    (
        '[providers.openai.quirks]\ndrop = ["logits_bias"]\n',
        2,
        "providers.openai.quirks.drop",
        "'logits_bias' is no request field of the openai dialect; did you mean 'logit_bias'",
    ),
    (
        '[providers.voyage.quirks]\ntasks = { qery = "query" }\n',
        2,
        "providers.voyage.quirks.tasks",
        "'qery' is nothing that vectors are for; did you mean 'query'",
    ),
    (
        '[providers.anthropic.quirks]\nrename = { max_completion_tokens = "x" }\n',
        2,
        "providers.anthropic.quirks.rename",
        "no request field of the anthropic dialect",
    ),
    (
        "[providers.openai]\ntimeouts = { conect = 1 }\n",
        2,
        "providers.openai.timeouts.conect",
        "did you mean 'connect'",
    ),
    ("[providers.openai]\ntimeouts = { idle = 0 }\n", 2, "providers.openai.timeouts.idle", "must be above 0"),
    ("[providers.openai]\ntimeouts = { idle = inf }\n", 2, "providers.openai.timeouts.idle", "must be a finite number"),
    ('[routes.fast]\nstrategy = "priority"\n', 1, "routes.fast", "'targets' is missing"),
    ("[routes.fast]\ntargets = []\n", 2, "routes.fast.targets", "must not be empty"),
    (
        '[routes.fast]\ntargets = ["local:default"]\nstrategy = "wieghted"\n',
        3,
        "routes.fast.strategy",
        "'wieghted' is not one of: cost, experiment",
    ),
    (
        '[routes.fast]\ntargets = ["local:default"]\nrequire = ["eu"]\n',
        3,
        "routes.fast.require",
        "no target has 'eu' among its tags",
    ),
    (
        '[routes.fast]\ntargets = ["openai:gpt-5"]\nrequire = ["local_only"]\n',
        3,
        "routes.fast.require",
        "no target has 'local_only' among its data",
    ),
    (
        '[routes.fast]\nstrategy = "weighted"\ntargets = [{ model = "local:default", weight = 0 }]\n',
        3,
        "routes.fast.targets",
        "all weights are 0",
    ),
    (
        '[routes.fast]\ntargets = ["local:default"]\naffinity = { load = 0.5 }\n',
        3,
        "routes.fast.affinity.load",
        "must be at least 1",
    ),
    ('[routes.fast]\ntargets = ["gpt-4o"]\n', 2, "routes.fast.targets[0]", "names no provider; write 'provider:model'"),
    ('[routes.fast]\ntargets = ["openai"]\n', 2, "routes.fast.targets[0]", "no model; write 'openai:MODEL'"),
    (
        '[routes.fast]\ntargets = [\n "local:default",\n "opnai:x"]\n',
        4,
        "routes.fast.targets[1]",
        "did you mean 'openai'",
    ),
    ('[routes.fast]\ntargets = ["a:x", "a/x"]\n' + OWN.replace("mock", "a"), 2, "routes.fast.targets[1]", "already"),
    (
        '[routes.a1]\ntargets = ["local:default"]\n[routes.b1]\ntargets = ["a1"]\n',
        4,
        "routes.b1.targets[0]",
        "is a route",
    ),
    ('[routes.openai]\ntargets = ["local:default"]\n', 1, "routes.openai", "is a provider's name as well"),
    ("[routes.fast]\ntargets = [7]\n", 2, "routes.fast.targets[0]", "must be text, not a whole number"),
    ("[routes.fast]\ntargets = [{ weight = 1 }]\n", 2, "routes.fast.targets[0]", "'model' is missing"),
    (
        '[routes.fast]\ntargets = [{ model = "local:default", limits = { rmp = 3 } }]\n',
        2,
        "routes.fast.targets[0].limits.rmp",
        "did you mean 'rpm'",
    ),
    (
        '[routes.fast]\ntargets = [{ model = "local:default", price = { input = -1 } }]\n',
        2,
        "routes.fast.targets[0].price.input",
        "must be at least 0",
    ),
    (
        '[routes.a1]\ntargets = [{ model = "openai:x", price = { input = 1, output = 1 } }]\n'
        '[routes.b1]\ntargets = [{ model = "openai:x", price = { input = 2, output = 1 } }]\n',
        4,
        "routes.b1.targets[0].price",
        "another price in another route",
    ),
    ('drop_params = "yes"\n', 1, "drop_params", "must be true or false, not text"),
]


def _errors(path: Path) -> list[Problem]:
    return [problem for problem in check_config(path) if problem.severity == "error"]


@pytest.mark.parametrize(("text", "line", "key", "said"), BROKEN, ids=lambda v: None)
def test_a_mistake_is_explained_with_its_line(tmp_path: Path, text: str, line: int | None, key: str, said: str) -> None:
    file = tmp_path / "tsuji.toml"
    file.write_text(text)
    found = _errors(file)
    assert [(p.line, p.key) for p in found] == [(line, key)]
    with pytest.raises(ConfigError, match=said) as caught:
        load_config(file)
    assert f"line {line}: " in str(caught.value)
    assert str(file) in str(caught.value)


def test_all_mistakes_are_told_at_once_in_order(tmp_path: Path) -> None:
    file = tmp_path / "tsuji.toml"
    file.write_text(
        "[server]\nport = -1\nhots = 1\n[providers.x]\ndialect = 3\n[routes.r]\ntargets = 1\n"
        '[routes.s]\ntargets = [7, "nowhere:m"]\n'
    )
    assert [(p.line, p.key) for p in _errors(file)] == [
        (2, "server.port"),
        (3, "server.hots"),
        (4, "providers.x"),  # and it has no base_url
        (5, "providers.x.dialect"),
        (7, "routes.r.targets"),
        (9, "routes.s.targets[0]"),
        (9, "routes.s.targets[1]"),
    ]
    with pytest.raises(ConfigError, match="has 7 mistakes"):
        load_config(file)


def test_warnings_and_notes_do_not_stop_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOCK_KEY", raising=False)
    file = tmp_path / "tsuji.toml"
    file.write_text(
        OWN + 'api_key = "env:MOCK_KEY"\n'
        '[server]\nkeys = ["file:nowhere"]\n'
        '[routes."openai:gpt-4o"]\n'
        'targets = [{ model = "mock:m", weight = 2, limits = { rpm = 9 }, price = { input = 1 } }]\n'
    )
    assert [(p.severity, p.line, p.key.rpartition(".")[2]) for p in check_config(file)] == [
        ("warning", 4, "api_key"),
        ("warning", 6, "keys[0]"),
        ("note", 7, 'routes."openai:gpt-4o"'.rpartition(".")[2]),
        ("note", 8, "weight"),
        ("note", 8, "price"),
    ]
    assert load_config(file).route("openai:gpt-4o").targets[0].name == "mock:m"
    monkeypatch.setenv("MOCK_KEY", "k")
    (tmp_path / "nowhere").write_text("k\n")
    assert [p.severity for p in check_config(file)] == ["note"] * 3


@pytest.mark.parametrize(
    ("id", "base_url", "twice"),
    [
        ("anthropic", "https://proxy/anthropic/v1", "/v1"),
        ("gemini", "https://proxy/v1beta/", "/v1beta"),
        ("mistral", "https://api.mistral.ai/v1", "/v1"),
        ("groq", "https://api.groq.com/openai/v1", "/openai/v1"),
        ("openai", "https://proxy/v1", None),
        ("anthropic", "https://proxy/anthropic", None),
    ],
)
def test_a_path_that_would_come_twice_is_a_warning(tmp_path: Path, id: str, base_url: str, twice: str | None) -> None:
    file = tmp_path / "tsuji.toml"
    file.write_text(f'[providers.{id}]\nbase_url = "{base_url}"\n')
    said = [(p.severity, p.message.partition(":")[0]) for p in check_config(file)]
    assert said == ([("warning", f"probably without {twice!r}")] if twice else [])


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: No such file"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory"):
        load_config(tmp_path)
    (tmp_path / "latin").write_bytes(b"a = '\xe9'")
    with pytest.raises(ConfigError, match=r"not UTF-8"):
        load_config(tmp_path / "latin")


def test_windows_line_ends_and_a_byte_order_mark_count_as_written(tmp_path: Path) -> None:
    file = tmp_path / "tsuji.toml"
    file.write_bytes(b"\xef\xbb\xbf[server]\r\n# two\r\nport = 0\r\nhots = 1\r\n")
    assert [(p.line, p.key) for p in _errors(file)] == [(4, "server.hots")]


def test_places_to_listen_at(tmp_path: Path) -> None:
    file = tmp_path / "tsuji.toml"
    file.write_text(
        '[server]\nsocket = "s"\nsocket_mode = "0660"\ntrusted_proxies = ["unix", "10.0.0.0/8"]\nkeys = ["k"]\n'
        "proxy_protocol = true\n[[server.listen]]\nport = 1\n"
        'tls = { certificate = "c", key = "/k", client_ca = "ca" }\n'
    )
    assert [problem.key for problem in check_config(file)] == [
        "server.listen[0].tls.certificate",
        "server.listen[0].tls.key",
        "server.listen[0].tls.client_ca",
    ]
    server = load_config(file).server
    main, more = server.listeners
    assert (main.socket, main.mode, main.tls, main.proxy_protocol) == (tmp_path / "s", 0o660, None, True)
    assert more.tls is not None
    assert (more.port, more.tls.certificate, more.tls.key) == (1, tmp_path / "c", Path("/k"))
    assert not server.is_local
    assert server.trusted_proxies == ("unix", "10.0.0.0/8")
