"""Models of the store answer by their presets' words: the default model's file under other names."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.fileserver import file_server
from tests.engine.fixtures import ask
from tests.engine.ggufs import gguf
from tests.engine.hubs import publish
from tsuji.client.sync import Client
from tsuji.core.errors import LocalEngineError
from tsuji.core.usage import Usage
from tsuji.engine.local import LocalEngine
from tsuji.engine.presets import Preset

STORY = [{"role": "user", "content": "Tell me a story."}]
FIVE = """
base = "Smol-Q4_1"
system = "Be brief."
parameters = { max_tokens = 5, temperature = 0.0 }
"""
OTHERWISE = """
base = "Smol-Q4_1"
template = "{{ messages[-1].content }}{% if enable_thinking %} Think about it first.{% endif %}"
adapters = [{ file = "nothing.gguf", scale = 0.5 }]
parameters = { max_tokens = 3, context = 256 }
"""


@pytest.fixture
def file(local_engine: LocalEngine) -> Path:
    return Path(next(model.file for model in local_engine.models() if model.name == "default"))


@pytest.fixture
def own(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEngine]:
    """An engine with a store of its own, which clients of this process use."""
    running = LocalEngine(home=tmp_path)
    monkeypatch.setattr("tsuji.engine.local.engine", lambda: running)
    yield running
    running.close()


def tokens(model: str, **more: object) -> Usage:
    with Client() as client:
        said = client.completion(model, messages=STORY, **more)
    assert said.usage is not None
    return Usage(said.usage.prompt_tokens, said.usage.completion_tokens)


def test_a_pulled_model_answers(own: LocalEngine, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with file_server() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        publish(server, "owner/Smol-GGUF", {"Smol-Q4_1.gguf": file.read_bytes()})
        assert own.pull("hf:owner/Smol-GGUF:Q4_1").name == "Smol-Q4_1"
    own.create("five", FIVE, tmp_path / "five.toml")
    five = tokens("local:five")
    assert five.output_tokens == 5 and tokens("local:five", max_tokens=2).output_tokens == 2
    assert tokens("local:five:nothink").input_tokens == five.input_tokens  # its template does not ask
    assert tokens("local:Smol-Q4_1", max_tokens=2).input_tokens != five.input_tokens
    assert len({own.endpoint(name).info.pid for name in ("five", "five:nothink", "Smol-Q4_1")}) == 1


def test_another_template_context_and_adapter_are_a_process_of_their_own(
    own: LocalEngine, file: Path, tmp_path: Path
) -> None:
    own.store.directory.mkdir()
    own.store.path("Smol-Q4_1.gguf").symlink_to(file)
    lora = {
        "general.type": "adapter",
        "general.architecture": "llama",
        "adapter.type": "lora",
        "adapter.lora.alpha": 1.0,
    }
    pair = [("blk.0.attn_q.weight.lora_a", [576, 2]), ("blk.0.attn_q.weight.lora_b", [2, 576])]
    (tmp_path / "nothing.gguf").write_bytes(gguf(lora, pair))
    own.create("otherwise", OTHERWISE, tmp_path / "otherwise.toml")
    thinking, plain = tokens("local:otherwise"), tokens("local:otherwise:nothink")
    assert plain.input_tokens == 5 and plain.output_tokens is not None and plain.output_tokens <= 3
    assert thinking.input_tokens == 10  # llama.cpp says yes to who asks, unless it is told otherwise
    endpoints = {name: own.endpoint(name) for name in ("otherwise", "otherwise:nothink")}
    assert {endpoint.info.context for endpoint in endpoints.values()} == {256}
    assert len({endpoint.info.pid for endpoint in endpoints.values()}) == 1
    (tmp_path / "nothing.gguf").unlink()
    other = LocalEngine(home=tmp_path)
    with pytest.raises(LocalEngineError, match=r"nothing\.gguf, an adapter of otherwise, is not there"):
        other.endpoint("otherwise")
    other.close()


TURNS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content or '' }}{% for c in m.tool_calls or [] %}CALL"
    "{% endfor %}{{ tools | tojson if loop.first and tools }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
EACH = "{% for k, v in c.function.arguments.items() %}"
GLM = (
    "<tool_call>{{ c.function.name }}" + EACH
    + "<arg_key>{{ k }}</arg_key><arg_value>{{ v }}</arg_value>{% endfor %}</tool_call>"
)  # fmt: skip
GEMMA = (
    "<start_function_call>call:{{ c.function.name }}{{ '{' }}" + EACH
    + "{{ k }}:<escape>{{ v }}<escape>{% endfor %}{{ '}' }}<end_function_call>"
)  # fmt: skip
SAID = {
    GLM: "<tool_call>look_up<arg_key>word</arg_key><arg_value>tide</arg_value></tool_call>",
    GEMMA: "<start_function_call>call:look_up{word:<escape>tide<escape>}<end_function_call>",
}
LOOK_UP = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
TOOLS = [{"type": "function", "function": {"name": "look_up", "parameters": LOOK_UP}}]


@pytest.mark.parametrize(("call", "reads"), [(GLM, True), (GEMMA, False)], ids=["glm", "functiongemma"])
def test_llama_reads_calls_itself_where_the_template_knows_tools(
    own: LocalEngine, file: Path, call: str, reads: bool
) -> None:
    """The answer is given, as what an assistant had begun to say: all that the model adds is its end."""
    own.store.directory.mkdir()
    own.store.path("Smol-Q4_1.gguf").symlink_to(file)
    own.store.save_preset("it", Preset(base="Smol-Q4_1", template=TURNS.replace("CALL", call)))
    endpoint = own.endpoint("it")
    assert endpoint.info.tools_supported == reads
    said = [*STORY, {"role": "assistant", "content": SAID[call]}]
    end_of_turn = 2  # SmolLM2's token
    body = {"messages": said, "tools": TOOLS, "max_tokens": 3, "logit_bias": [[end_of_turn, 100.0]]}
    status, answer = ask(endpoint, "/chat/completions", body)
    if reads:
        [found] = answer["choices"][0]["message"]["tool_calls"]
        assert (found["function"]["name"], json.loads(found["function"]["arguments"])) == ("look_up", {"word": "tide"})
    else:
        assert status == 500  # the reason why its template counts as one that knows no tools
