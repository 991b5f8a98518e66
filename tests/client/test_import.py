"""What `import tsuji` loads, and what the first call does not load."""

import subprocess
import sys

import pytest

from tests import answers
from tests.client.conftest import HI

LOADED = "import sys; before = set(sys.modules); {code}; print(*sorted(set(sys.modules) - before))"


def loaded_by(code: str) -> set[str]:
    """Modules that `code` loads in a new interpreter."""
    run = subprocess.run([sys.executable, "-c", LOADED.format(code=code)], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_import_loads_the_package_and_nothing_else():
    assert loaded_by("import tsuji") <= {"tsuji", "__future__"}


def test_errors_alone_load_no_client():
    found = loaded_by("from tsuji import RateLimitError")
    assert "tsuji.core.errors" in found
    assert not {m for m in found if m.startswith(("tsuji.client", "tsuji.http", "tsuji.wire", "tsuji.catalog"))}


def test_first_call_to_a_plain_address_loads_neither_asyncio_nor_tls(scripted):
    server = scripted(answers.chat("openai"))
    code = f"import tsuji; tsuji.completion('openai:m', {HI}, api_key='k', api_base='{server.url}')"
    found = loaded_by(code)
    assert "tsuji.wire.openai" in found
    heavy = {"asyncio", "ssl", "pydantic", "genai_prices", "uvloop", "tsuji.engine", "tsuji.wire.gemini", "email"}
    assert not heavy & found
    assert "tsuji.gateway" not in found


@pytest.mark.parametrize(
    "name",
    ["completion", "acompletion", "responses", "aresponses", "Client", "AsyncClient", "RateLimitError", "Timeouts"],
)
def test_public_names(name):
    import tsuji

    assert name in dir(tsuji)
    assert getattr(tsuji, name).__name__ == name


def test_every_public_name_is_there():
    import tsuji

    for name in tsuji.__all__:
        assert getattr(tsuji, name) is not None
    with pytest.raises(AttributeError, match="complete"):
        _ = tsuji.complete
