"""What the loader holds against a row, beside its types."""

from pathlib import Path

import pytest

from tsuji import catalog
from tsuji.core.errors import ConfigError
from tsuji.core.provider import moved, spoken

ROW = 'id = "x"\nname = "X"\ndialect = "openai"\nbase_url = "https://x/v1"\n'
PLACED = ROW.replace("https://x/v1", "https://{region}.x/{account}/v1")


def load(folder: Path, row: str):
    (folder / "x.toml").write_text(row)
    return catalog.load_row(folder / "x.toml")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (ROW.replace('"openai"', '"opnai"'), "dialect: there is no dialect 'opnai'"),
        (ROW + '[quirks]\ndrop = ["logits_bias"]', "quirks.drop: 'logits_bias' is no request field of the openai"),
        (ROW + '[quirks]\nthinking_off = "think"', "quirks.thinking_off: 'think' is no request field of the openai"),
        (ROW + "[quirks.defaults]\nanthropic_version = 1", "quirks.defaults: 'anthropic_version' is no request field"),
        (ROW + '[endpoints]\nchats = "/chat"', "endpoints.chats: is no operation; did you mean 'chat'"),
        (ROW + '[endpoints]\nstream = "chat"', "endpoints.stream: must begin with '/'"),
        (PLACED + "[settings.region]", "base_url: {account} needs a setting of that name"),
        (ROW + "[settings.region]", "settings.region: no base_url has it"),
        (ROW + "[dialects.openai]", "dialects.openai: is no other dialect than the provider's own"),
        (ROW + "[dialects.anthropics]", "dialects.anthropics: is no other dialect .*; there are anthropic"),
        (ROW + '[dialects.anthropic]\nbase_url = "https://{a}"', "dialects.anthropic.base_url: {a} needs a setting"),
        (ROW + '[dialects.anthropic.quirks]\ndrop = ["n"]', "dialects.anthropic.quirks.drop: 'n' is no request field"),
        (ROW + '[dialects.anthropic.endpoints]\nchat = ""', "dialects.anthropic.endpoints.chat: must begin"),
        (ROW + '[auth]\nkeyless = "aws"', "auth.service: is needed where keyless is 'aws'"),
        (ROW + '[dialects.anthropic.auth]\nkeyless = "entra"', "dialects.anthropic.auth.scope: is needed"),
        (ROW + '[auth]\nkeyless = "azure"', "Invalid enum value 'azure'"),
        (ROW + "[settings.region]\nenvs = 1", "unknown field `envs`"),
    ],
)
def test_a_mistake_of_a_row(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("{", r"\{")) as caught:
        load(tmp_path, row)
    assert "provider row x.toml" in str(caught.value)


def test_all_that_a_row_may_say(tmp_path: Path) -> None:
    row = load(
        tmp_path,
        PLACED
        + """
auth = { scheme = "header", name = "api-key", keyless = "aws", service = "x" }
[settings.region]
env = ["A", "B"]
default = "r"
hosts = { global = "x" }
[settings.account]
[endpoints]
stream = "/s"
[quirks]
model_in_path = true
[dialects.anthropic]
base_url = "https://{account}.y"
auth = { scheme = "bearer" }
headers = { anthropic-version = "1" }
quirks = { defaults = { anthropic_version = "vertex-2023-10-16" } }
docs = "https://docs"
[dialects.responses]
""",
    )
    claude = spoken(row, "anthropic")
    assert (claude.dialect, claude.base_url, claude.auth.keyless) == ("anthropic", "https://{account}.y", "")
    assert (claude.endpoints, claude.quirks.model_in_path, claude.docs) == ({}, False, "https://docs")
    assert spoken(row, "responses").base_url == row.base_url
    assert spoken(row, "responses").auth is row.auth
    assert spoken(row, "gemini") is row
    elsewhere = moved(row, "https://z")
    assert list(elsewhere.dialects) == ["responses"]
    assert elsewhere.settings["region"].hosts == {}


@pytest.mark.parametrize("id", catalog.provider_ids())
def test_every_dialect_of_a_row_was_checked_against_a_page(id: str) -> None:
    row = catalog.provider(id)
    for variant in row.dialects.values():
        assert (variant.docs or row.docs or "").startswith("https://")
