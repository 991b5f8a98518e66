"""Where AWS credentials are: the environment, then a profile of ~/.aws; all else is botocore's business.

https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
"""

import os
from configparser import ConfigParser, Error
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from tsuji.core.errors import ConfigError, MissingApiKeyError

_FRESH = 300.0
"""Seconds after which credentials without an end are looked up again: files and variables change."""
_ELSEWHERE = (
    *("role_arn", "web_identity_token_file", "sso_session", "sso_start_url", "sso_account_id"),
    *("login_session", "credential_process", "credential_source"),
)
"""Keys of a profile whose credentials have to be fetched from somewhere."""
_EXTRA = "pip install 'tsuji[aws]'"


class Credentials(msgspec.Struct, frozen=True):
    """token: of a session. until: their end, or when those without one are looked up again; seconds since the epoch."""

    access_key: str
    secret_key: str
    token: str | None
    until: float

    def __repr__(self) -> str:
        return f"Credentials({self.access_key[:4]}...)"


def find(now: float) -> Credentials:
    """Raises MissingApiKeyError, which says what was looked for, and ConfigError for what is half there."""
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if key:
        if not secret:
            raise MissingApiKeyError("AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not; set both")
        return Credentials(key, secret, os.environ.get("AWS_SESSION_TOKEN") or None, now + _FRESH)
    name = _profile_name()
    profile = _profile(name)
    key, secret = profile.get("aws_access_key_id"), profile.get("aws_secret_access_key")
    elsewhere = [at for at in _ELSEWHERE if at in profile]
    if key and secret and not elsewhere and not os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        return Credentials(key, secret, profile.get("aws_session_token") or None, now + _FRESH)
    return _by_botocore(name, elsewhere, now)


def profile_region() -> str | None:
    """The region of the profile in use."""
    return _profile(_profile_name()).get("region")


def _profile_name() -> str:
    return os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or "default"


def _profile(name: str) -> dict[str, str]:
    """Both files' word, the credentials file's first. Raises ConfigError for a file that cannot be read as one."""
    in_config = name if name == "default" else f"profile {name}"
    return {**_section(_config_file(), in_config), **_section(_credentials_file(), name)}


def _config_file() -> Path:
    return Path(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser()


def _credentials_file() -> Path:
    return Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()


def _section(file: Path, name: str) -> dict[str, str]:
    parser = ConfigParser(interpolation=None, default_section="", strict=False)
    try:
        parser.read(file, "utf-8")
    except (Error, UnicodeDecodeError) as error:
        # Its text may be a line of the file, and that a secret.
        raise ConfigError(f"{file} cannot be read as an AWS profile file ({type(error).__name__})") from None
    for section in parser.sections():
        if " ".join(section.split()).replace('"', "").replace("'", "") == name:
            return {key: value.strip() for key, value in parser[section].items() if value}
    return {}


def _by_botocore(name: str, elsewhere: list[str], now: float) -> Credentials:
    try:
        botocore: Any = import_module("botocore.session")
        failures: Any = import_module("botocore.exceptions")
    except ImportError:
        if elsewhere:
            raise ConfigError(
                f"profile {name!r} of {_config_file()} has {elsewhere[0]}, which takes botocore: {_EXTRA}"
            ) from None
        raise MissingApiKeyError(f"{_looked_for(name)}; for single sign-on and roles, {_EXTRA}") from None
    try:
        found = botocore.get_session().get_credentials()
        frozen = found.get_frozen_credentials() if found is not None else None
    except failures.BotoCoreError as error:
        raise MissingApiKeyError(f"AWS credentials of profile {name!r} could not be had: {error}") from error
    except Exception as error:  # what AWS itself says to the exchange of a token or a role
        raise MissingApiKeyError(f"AWS gave no credentials for profile {name!r}: {error}") from error
    if frozen is None:
        raise MissingApiKeyError(
            f"{_looked_for(name)}; then, with botocore, for a web identity, single sign-on, a credential process, and "
            f"the roles of a container and of a machine"
        )
    end = getattr(found, "_expiry_time", None)  # nothing public says it
    until = end.timestamp() if end is not None else now + _FRESH
    return Credentials(frozen.access_key, frozen.secret_key, frozen.token, until)


def _looked_for(name: str) -> str:
    return (
        f"no AWS credentials: looked for AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, then for "
        f"profile {name!r} in {_credentials_file()} and {_config_file()}"
    )
