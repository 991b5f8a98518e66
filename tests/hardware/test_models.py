"""The catalogue of models: names find what they mean, shapes add up to the parameters that models are known by."""

from collections import Counter

import pytest

from tsuji.hardware.model import Model
from tsuji.hardware.models import model, models, nearest

MEANT = {
    "Meta-Llama-3-8B": "Llama 3 8B",
    "Meta_Llama_3.1_8b_it": "Llama 3.1 8B",
    "shisa-v2-llama3.3-70b.i1-Q4_K_M": "Llama 3.3 70B",
    "llama-2-7b.Q4_K_M": "Llama 2 7B",
    "unsloth_DeepSeek R1 BF16": "DeepSeek V3",
    "DeepSeek-R1-Distill-Qwen-14B": "Qwen 2.5 14B",
    "deepseek2 671B IQ2_K_R4 - 2.375 bpw": "DeepSeek V3",
    "Qwen3-32B-Q8_0.gguf": "Qwen 3 32B",
    "Qwen3-Coder-30B-A3B-Instruct-UD-Q8_K_XL": "Qwen 3 30B A3B",
    "gpt-oss:120b": "gpt-oss 120B",
    "gemma-3-4b-it-qat": "Gemma 3 4B",
    "GLM-4.5-Air-UD-Q4_K_XL-00001-of-00002": "GLM 4.5 Air",
    "glm-4.7-flash": "GLM 4.7 Flash",
    "Mistral-Small-3.2-24B-Instruct-2506": "Mistral Small 24B",
    "Phi-4-mini-instruct": "Phi 4 mini 3.8B",
}


def test_there_are_many_and_no_name_twice() -> None:
    assert len(models()) >= 100
    names = Counter(name.lower() for row in models() for name in {row.name, *row.aliases})
    assert [name for name, times in names.items() if times > 1] == []


@pytest.mark.parametrize("row", models(), ids=lambda row: row.name)
def test_its_shape_adds_up(row: Model) -> None:
    """Attention, feed-forward parts and tables, counted from the shape, are the parameters that it is said to have."""
    query, key = row.heads * row.head_dim, row.kv_heads * row.head_dim
    attention = row.width * (2 * query + 2 * key)
    if row.kv_rank:  # https://arxiv.org/abs/2405.04434, section 2.1
        attention = row.width * query + row.kv_rank * (row.heads * 256) + row.heads * 128 * row.width
    sparse = (row.moe_layers or row.layers - row.dense_layers) if row.experts else 0
    wide = sparse * (row.experts * row.expert_ff + row.shared_ff) + (row.layers - sparse) * row.ff
    matrices = 2 if row.architecture in ("starcoder2", "phi2", "falcon", "apertus") else 3
    total = row.layers * attention + matrices * row.width * wide + row.embedding_params * (1 if row.tied else 2)
    assert total / 1e9 == pytest.approx(row.params_b, rel=0.12)
    assert row.full_layers >= 0
    assert row.licence and row.commercial and row.licence_source.startswith("https://")
    assert row.source.startswith("https://huggingface.co/")
    assert row.active_params_b is None or row.active_params_b < row.params_b


@pytest.mark.parametrize("name", MEANT)
def test_it_is_found_by(name: str) -> None:
    found = model(name)
    assert found is not None
    assert found.name == MEANT[name]


@pytest.mark.parametrize("row", models(), ids=lambda row: row.name)
def test_it_is_found_by_its_own_names(row: Model) -> None:
    for name in (row.name, *row.aliases):
        found = model(name)
        assert found is not None and found.name == row.name, name


def test_layers_decide_between_sizes() -> None:
    found = model("LLaMA v2", 80)
    assert found is not None and found.name == "Llama 2 70B"


def test_what_is_not_known_is_not_guessed() -> None:
    assert model("nobody-9B") is None
    assert model("") is None
    assert "Qwen 3 8B" in nearest("Qwen3-9B", 5)
