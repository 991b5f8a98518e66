"""The ledger's part of the file."""

from pathlib import Path

import pytest

from tsuji.config import Config, LedgerConfig, check_config, load_config

URL = "postgresql+psycopg://me:canary-password@db/ledger"


def test_without_a_word_there_is_one() -> None:
    assert Config().ledger == LedgerConfig(enabled=True, url=None, folder=None, on_failure="continue")


def test_what_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "tsuji.toml"
    file.write_text(
        f'[server]\nsecret = "canary-secret-0123456789"\n'
        f'[ledger]\nurl = "{URL}"\nfolder = "here"\non_failure = "stop"\nenabled = false\n'
    )
    config = load_config(file)
    ledger = config.ledger
    assert (ledger.folder, ledger.on_failure, ledger.enabled) == (tmp_path / "here", "stop", False)
    assert ledger.url is not None
    assert ledger.url.reveal() == URL
    assert config.server.secret is not None
    assert config.server.secret.reveal() == "canary-secret-0123456789"
    assert "canary" not in repr(config) + repr(ledger) + repr(config.server)


@pytest.mark.parametrize(("keys", "severity"), [("", "warning"), ('keys = ["a key"]', None)])
def test_beyond_loopback_keys_may_be_in_the_ledger(keys: str, severity: str | None, tmp_path: Path) -> None:
    file = tmp_path / "tsuji.toml"
    file.write_text(f'[server]\nhost = "0.0.0.0"\n{keys}\n')
    found = [problem.severity for problem in check_config(file) if problem.key == "server.host"]
    assert found == ([severity] if severity else [])
    assert load_config(file).server.host == "0.0.0.0"
