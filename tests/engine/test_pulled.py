"""A model that was pulled answers, by its preset's words: the default model's file under another name."""

from pathlib import Path

import pytest

from tests.engine.fileserver import file_server
from tests.engine.hubs import publish
from tsuji.client.sync import Client
from tsuji.engine.local import LocalEngine

STORY = [{"role": "user", "content": "Tell me a story."}]
PRESET = 'base = "Smol-Q4_1"\nsystem = "Be brief."\nparameters = { max_tokens = 5, temperature = 0.0 }\n'


def test_a_pulled_model_answers(local_engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(next(model.file for model in local_engine.models() if model.name == "default"))
    own = LocalEngine(home=tmp_path)
    monkeypatch.setattr("tsuji.engine.local.engine", lambda: own)
    try:
        with file_server() as server:
            monkeypatch.setenv("HF_ENDPOINT", server.url)
            publish(server, "owner/Smol-GGUF", {"Smol-Q4_1.gguf": file.read_bytes()})
            assert own.pull("hf:owner/Smol-GGUF:Q4_1").name == "Smol-Q4_1"
        own.create("five", PRESET, tmp_path / "five.toml")
        with Client() as client:
            said = client.completion("local:five", messages=STORY)
            assert said.usage is not None and said.usage.completion_tokens == 5
            quiet = client.completion("local:five:nothink", messages=STORY)
            assert quiet.choices[0].message.content == said.choices[0].message.content
            longer = client.completion("local:five", messages=STORY, max_tokens=2)
            assert longer.usage is not None and longer.usage.completion_tokens == 2
            plain = client.completion("local:Smol-Q4_1", messages=STORY, max_tokens=9)
            assert plain.usage is not None and plain.usage.prompt_tokens != said.usage.prompt_tokens
        assert len({own.endpoint(name).info.pid for name in ("five", "five:nothink", "Smol-Q4_1")}) == 1
        own.create(
            "terse", PRESET.replace("max_tokens = 5", "max_tokens = 3, context = 256") + TEMPLATE, tmp_path / "t.toml"
        )
        with Client() as client:
            terse = client.completion("local:terse", messages=STORY)
            assert terse.usage is not None and terse.usage.completion_tokens <= 3
            assert terse.usage.prompt_tokens == 9  # two sentences of three and five tokens, and a line break
        assert (
            own.endpoint("terse").info.context == 256
            and own.endpoint("terse").info.pid != own.endpoint("five").info.pid
        )
    finally:
        own.close()


TEMPLATE = 'template = "{{ messages[-1].content }}"\n'
