"""What the configuration says of metrics, the access log, telemetry and contents."""

from pathlib import Path

import pytest

from tsuji.config import Store, Telemetry, check_config, load_config


def write(folder: Path, text: str) -> Path:
    file = folder / "tsuji.toml"
    file.write_text(text)
    return file


def test_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLECTOR_TOKEN", "t")
    text = """
[server]
metrics = "open"
access_log = "logs/access.log"
[telemetry]
otlp = "https://collector.example"
headers = { authorization = "env:COLLECTOR_TOKEN" }
sample = 0.25
[routes.kept]
targets = ["openai:m"]
store = { answers = true, retention = "2w", redact = ["x+"] }
[routes.other]
targets = ["openai:m"]
"""
    file = write(tmp_path, text)
    assert check_config(file) == []
    config = load_config(file)
    assert (config.server.metrics, config.server.access_log) == ("open", tmp_path / "logs/access.log")
    assert config.telemetry.headers["authorization"].reveal() == "t"
    assert (config.telemetry.otlp, config.telemetry.sample) == ("https://collector.example", 0.25)
    assert config.stores == {"kept": Store(answers=True, retention=14 * 86400, redact=("x+",))}


def test_nothing_of_it(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, ""))
    assert (config.server.metrics, config.server.access_log, config.stores) == ("keyed", None, {})
    assert config.telemetry == Telemetry()


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        ('[server]\nmetrics = "on"\n', 2, "server.metrics", "'on' is not one of: keyed, off, open"),
        ('[server]\naccess_log = ""\n', 2, "server.access_log", "is empty; write a file's path or 'stderr'"),
        ('[telemetry]\notlp = "localhost:4318"\n', 2, "telemetry.otlp", "must begin with https://"),
        ('[telemetry]\notlp = "http://localhost:4318/v1/traces"\n', 2, "telemetry.otlp", "leave out '/v1/traces'"),
        ("[telemetry]\nsample = 2\n", 2, "telemetry.sample", "at least 0 and at most 1"),
        (
            '[telemetry]\notlp = "http://x"\nheaders = { a = "env:NOBODY_HAS_SET_THIS" }\n',
            3,
            "telemetry.headers.a",
            "NOBODY_HAS_SET_THIS is not there",
        ),
        (
            '[ledger]\nenabled = false\n[routes.r]\ntargets = ["openai:m"]\nstore = { prompts = true }\n',
            5,
            "routes.r.store",
            "nothing is stored, because ledger.enabled is false",
        ),
    ],
)
def test_mistakes(text: str, line: int, key: str, said: str, tmp_path: Path) -> None:
    problem = check_config(write(tmp_path, text))[0]
    assert (problem.line, problem.key) == (line, key)
    assert said in problem.message
