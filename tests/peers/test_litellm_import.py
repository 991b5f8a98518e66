"""LiteLLM's names of providers are all known to `tsuji import litellm`, and its example configurations come over."""

from pathlib import Path
from typing import Any

import pytest

from tsuji import catalog
from tsuji.config import check_config
from tsuji.moving import from_litellm
from tsuji.moving.litellm_models import prefixes

litellm: Any = pytest.importorskip("litellm", reason="LiteLLM is not installed here; it is in the environment of peers")
yaml: Any = pytest.importorskip("yaml", reason="PyYAML is not installed here: pip install 'tsuji[import]'")

FOLDER = Path(litellm.__file__).parent / "proxy"
EXAMPLES = sorted([*FOLDER.glob("*.yaml"), *(FOLDER / "example_config_yaml").glob("*.yaml")])
SECTIONS = {"model_list", "router_settings", "litellm_settings", "general_settings"}


def test_every_provider_of_litellms_is_in_the_table() -> None:
    table = prefixes()
    known = {*table["catalogue"], *table["own"], *table["openai_like"]["names"], *table["none"]["names"]}
    assert {provider.value for provider in litellm.LlmProviders} - known == set()
    assert set(table["catalogue"].values()) <= set(catalog.provider_ids())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_comes_over(example: Path, tmp_path: Path) -> None:
    document = yaml.safe_load(example.read_text())
    if not isinstance(document, dict) or not SECTIONS & set(document):
        pytest.skip(f"{example.name} is no configuration of the proxy")
    out = tmp_path / "tsuji.toml"
    draft = from_litellm(document, example.name, {}, lambda name: yaml.safe_load((example.parent / name).read_text()))
    out.write_text(draft.toml())
    assert [str(problem) for problem in check_config(out) if problem.severity == "error"] == []
    models = {entry["model_name"] for entry in document.get("model_list") or []}
    said = " ".join(draft.notes)
    for model in models:
        own = model.endswith("/*") and model.removesuffix("/*") in draft.providers
        assert own or model in draft.routes or f"{model}-model" in draft.routes or model in said, model
