"""The rows of the catalogue: complete, and true to the dialect they name."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tsuji import catalog
from tsuji.catalog import genai
from tsuji.core.errors import ConfigError, ModelNotFoundError
from tsuji.wire import DIALECTS, dialect
from tsuji.wire.tasks import TASKS


@pytest.mark.parametrize("id", catalog.provider_ids())
def test_a_row_is_complete(id: str) -> None:
    row = catalog.provider(id)
    assert row.id == id
    assert row.dialect in DIALECTS
    assert urlsplit(row.base_url).scheme in ("http", "https")
    assert row.docs is not None
    assert row.docs.startswith("https://")
    assert row.verified in ("2026-11-23", "2026-11-25")
    assert row.key_optional or row.env, "a key that no variable can hold"
    assert not row.base_url.endswith("/")


@pytest.mark.parametrize("id", catalog.provider_ids())
def test_quirks_name_fields_of_the_dialect(id: str) -> None:
    row = catalog.provider(id)
    quirks, fields = row.quirks, dialect(row.dialect).fields | dialect(row.dialect).embedding_fields
    named = {*quirks.drop, *quirks.rename, *quirks.defaults, *quirks.accepts}
    assert named <= fields
    assert set(quirks.tasks) <= set(TASKS)
    assert not set(quirks.drop) & {*quirks.rename, *quirks.accepts}
    assert all(path.startswith("/") for path in row.endpoints.values())
    assert set(row.endpoints) <= {"chat", "embeddings", "models"}


def test_price_ids_are_those_of_the_data() -> None:
    known = {p.id for p in genai.providers()} | {"free", None}
    assert {catalog.provider(id).prices for id in catalog.provider_ids()} <= known


def test_the_providers_of_the_first_version_are_there() -> None:
    first = "anthropic deepseek gemini groq llamacpp lmstudio local mistral ollama openai openrouter vllm zai"
    assert set(first.split()) | {"cohere", "jina", "voyage"} <= set(catalog.provider_ids())


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(ModelNotFoundError, match="did you mean 'openai'") as caught:
        catalog.provider("opneai")
    assert caught.value.status == 404
    assert caught.value.fault == "caller"
    with pytest.raises(ModelNotFoundError, match="there are anthropic, cohere"):
        catalog.provider("zzz")


@pytest.mark.parametrize("id", ["../providers/openai", "openai.toml", "", "OPENAI", "\0"])
def test_an_id_is_no_path(id: str) -> None:
    with pytest.raises(ModelNotFoundError):
        catalog.provider(id)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (
            'id = "x"\nname = "X"\ndialect = "openai"\nbase_url = "http://x"\nkeyoptional = true',
            "unknown field `keyoptional`",
        ),
        (
            'id = "x"\nname = "X"\ndialect = "openai"\nbase_url = "http://x"\n[quirks]\ndrops = ["n"]',
            "unknown field `drops`",
        ),
        ('id = "x"\nname = "X"\ndialect = "openai"', "missing required field `base_url`"),
        ('id = "y"\nname = "X"\ndialect = "openai"\nbase_url = "http://x"', "its id is 'y'"),
        ('id = "x', "Unterminated string|Illegal character"),
    ],
)
def test_a_wrong_row_does_not_load(tmp_path: Path, row: str, complaint: str) -> None:
    file = tmp_path / "x.toml"
    file.write_text(row)
    with pytest.raises(ConfigError, match=complaint):
        catalog.load_row(file)
