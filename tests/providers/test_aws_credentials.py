"""Where AWS credentials are found: by us as botocore finds them, and what is said where there are none."""

import json
import sys
from pathlib import Path

import botocore.session
import pytest

from tsuji.core.errors import ConfigError, MissingApiKeyError
from tsuji.providers.aws_credentials import find, profile_region

CREDENTIALS = """
[default]
aws_access_key_id = AKIDDEFAULT
aws_secret_access_key = default%secret

[other]
aws_access_key_id=AKIDOTHER
aws_secret_access_key=other/secret+x=
aws_session_token=other-token
"""
CONFIG = """
[default]
region = eu-central-1
[profile other]
region = ap-northeast-1
[profile "in config"]
aws_access_key_id = AKIDCONFIG
aws_secret_access_key = config-secret
[profile sso]
sso_session = work
[profile program]
credential_process = {program}
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory with both files, and an environment that says nothing."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text(CREDENTIALS)
    said = {"Version": 1, "AccessKeyId": "AKIDPROGRAM", "SecretAccessKey": "program-secret", "SessionToken": "t"}
    program = tmp_path / "program.py"
    program.write_text(f"print({json.dumps(said)!r})")
    (folder / "config").write_text(CONFIG.format(program=f"{sys.executable} {program}"))
    return folder


def botocores() -> tuple[str, str, str | None]:
    found = botocore.session.get_session().get_credentials().get_frozen_credentials()
    return found.access_key, found.secret_key, found.token


@pytest.mark.parametrize("profile", [None, "default", "other", "in config", "program"])
@pytest.mark.parametrize("environment", [False, True])
def test_they_are_those_that_botocore_finds(
    monkeypatch: pytest.MonkeyPatch, profile: str | None, environment: bool
) -> None:
    if profile is not None:
        monkeypatch.setenv("AWS_PROFILE", profile)
    if environment:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "env-secret")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "env-token")
    found = find(100.0)
    assert (found.access_key, found.secret_key, found.token) == botocores()
    assert found.until > 100.0
    assert found.secret_key not in repr(found)


@pytest.mark.parametrize(("profile", "region"), [("default", "eu-central-1"), ("other", "ap-northeast-1"), ("x", None)])
def test_the_region_of_a_profile(monkeypatch: pytest.MonkeyPatch, profile: str, region: str | None) -> None:
    monkeypatch.setenv("AWS_PROFILE", profile)
    assert profile_region() == region


def test_files_elsewhere(monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("[default]\naws_access_key_id = AKIDMINE\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "mine"))
    assert find(0.0).access_key == "AKIDMINE"


def test_what_was_looked_for_is_said_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(MissingApiKeyError, match="profile 'nobody'"):
        find(0.0)
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.setenv("HOME", "/nowhere")
    with pytest.raises(
        MissingApiKeyError,
        match=r"AWS_ACCESS_KEY_ID and .* in the environment, then for profile 'default' in /nowhere/.aws/credentials "
        r"and /nowhere/.aws/config; then, with botocore, for .*single sign-on",
    ) as caught:
        find(0.0)
    assert caught.value.fault == "gateway"


def test_without_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    assert find(0.0).access_key == "AKIDDEFAULT"
    monkeypatch.setenv("AWS_PROFILE", "sso")
    with pytest.raises(ConfigError, match=r"profile 'sso' .* has sso_session, .* pip install 'tsuji\[aws\]'"):
        find(0.0)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(MissingApiKeyError, match=r"looked for .*pip install 'tsuji\[aws\]'"):
        find(0.0)


def test_half_of_a_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    with pytest.raises(MissingApiKeyError, match="AWS_SECRET_ACCESS_KEY is not"):
        find(0.0)


def test_a_broken_file_is_named_and_not_shown(home: Path) -> None:
    (home / "credentials").write_text("aws_secret_access_key = before-any-section\n")
    with pytest.raises(ConfigError, match="credentials cannot be read as an AWS profile file") as caught:
        find(0.0)
    assert "before-any-section" not in str(caught.value)
