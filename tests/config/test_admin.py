"""The admin API's part of the file."""

from pathlib import Path

import pytest

from tsuji.config import AdminConfig, Config, check_config, load_config


def test_without_a_word() -> None:
    assert Config().admin == AdminConfig(host="127.0.0.1", port=4142, token=None, allowed_hosts=())


def test_what_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "tsuji.toml"
    (tmp_path / "token").write_text("canary-admin-token\n")
    file.write_text('[admin]\nhost = "0.0.0.0"\nport = 1\ntoken = "file:token"\nallowed_hosts = ["a.example"]\n')
    assert check_config(file) == []
    admin = load_config(file).admin
    assert (admin.host, admin.port, admin.allowed_hosts) == ("0.0.0.0", 1, ("a.example",))
    assert admin.token is not None
    assert admin.token.reveal() == "canary-admin-token"
    assert "canary" not in repr(admin)


@pytest.mark.parametrize(
    ("lines", "line", "key", "severity", "said"),
    [
        ('host = "0.0.0.0"', 2, "admin.host", "error", "without a token of yours; set admin.token"),
        ('token = ""', 2, "admin.token", "error", "is empty"),
        ('token = "env:NO_SUCH_VARIABLE"', 2, "admin.token", "warning", "NO_SUCH_VARIABLE is not there"),
        ("port = 70000", 2, "admin.port", "error", "at most 65535"),
        ('tokens = "x"', 2, "admin.tokens", "error", "did you mean"),
    ],
)
def test_mistakes(lines: str, line: int, key: str, severity: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "tsuji.toml"
    file.write_text(f"[admin]\n{lines}\n")
    (problem,) = check_config(file)
    assert (problem.line, problem.key, problem.severity) == (line, key, severity)
    assert said in problem.message
