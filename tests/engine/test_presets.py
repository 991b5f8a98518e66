"""Presets: files, Modelfiles, variants, what they do to a request, and the models of other programs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.ggufs import gguf
from tests.engine.hubs import sha256
from tsuji.core.errors import InvalidRequestError, LocalEngineError, ModelNotFoundError
from tsuji.core.parts import Message, Text
from tsuji.core.request import ChatRequest, Reasoning
from tsuji.engine.adopted import adopted
from tsuji.engine.facts import facts
from tsuji.engine.local import LocalEngine
from tsuji.engine.modelfile import read_modelfile
from tsuji.engine.names import resolve
from tsuji.engine.presets import Adapter, Preset, Said, Settings, over, read_preset, variant, with_preset, write_preset

MODEL = gguf(
    {"general.architecture": "llama", "llama.context_length": 2048, "general.file_type": 15}, [("w", [64, 64])]
)


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEngine]:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    for name in ("OLLAMA_MODELS", "HF_HOME", "HF_HUB_CACHE", "TSUJI_ADOPT"):
        monkeypatch.delenv(name, raising=False)
    running = LocalEngine(home=tmp_path / "home")
    running.store.directory.mkdir(parents=True)
    (running.store.directory / "m.gguf").write_bytes(MODEL)
    yield running
    running.close()


TEXTS = st.text(max_size=30)
PARAMETERS = {"temperature": st.floats(0, 2), "context": st.integers(1, 10**6), "stop": st.lists(TEXTS, max_size=2)}
PRESETS = st.builds(
    Preset,
    base=st.text(min_size=1, max_size=20),
    system=st.none() | TEXTS.filter(bool),
    template=st.none() | TEXTS.filter(bool),
    licence=st.none() | TEXTS.filter(bool),
    thinking=st.sampled_from([None, "none", "high"]),
    messages=st.lists(st.builds(Said, role=st.just("user"), content=TEXTS), max_size=2).map(tuple),
    adapters=st.lists(st.builds(Adapter, file=TEXTS, scale=st.floats(-4, 4)), max_size=2).map(tuple),
    parameters=st.fixed_dictionaries({}, optional=PARAMETERS),
    variants=st.dictionaries(
        TEXTS, st.builds(Settings, system=st.none() | TEXTS.filter(bool), thinking=st.just("low")), max_size=2
    ),
)  # fmt: skip


@given(PRESETS)
def test_a_preset_is_read_as_it_was_written(preset: Preset) -> None:
    assert read_preset(write_preset(preset), "x.toml") == preset


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('base = "m"\n[parameters]\nheat = 1', "no parameter 'heat'; there are temperature"),
        ('base = "m"\n[parameters]\ntemperature = "hot"', "must be a number"),
        ('base = "m"\n[parameters]\ntop_k = 1.5', "must be a whole number"),
        ('base = "m"\n[parameters]\ncontext = 0', "at least 1 token"),
        ('base = "m"\nsytem = "x"', "sytem"),
        ('system = "x"', "`base` is missing"),
        ("base = ", "Invalid value"),
        ('base = "m"\nthinking = "much"', "thinking"),
    ],
    ids=["unknown", "word", "fraction", "zero", "misspelt", "no-base", "toml", "effort"],
)
def test_a_damaged_preset_says_where(text: str, problem: str) -> None:
    with pytest.raises(LocalEngineError, match=r"x\.toml is no preset: .*") as caught:
        read_preset(text, "x.toml")
    assert problem in caught.value.message


MODELFILE = '''# a comment
from m
PARAMETER temperature 0.3
parameter num_ctx 1024
PARAMETER stop "<|user|>"
PARAMETER stop <|end|>
PARAMETER num_predict -1
PARAMETER num_gpu 5
SYSTEM """
You are brief.
Very.
"""
TEMPLATE """{{ if .System }}{{ .System }}{{ end }}"""
MESSAGE user Hi there
MESSAGE assistant "Hello."
LICENSE MIT
'''


def test_a_modelfile_becomes_a_preset() -> None:
    imported = read_modelfile(MODELFILE)
    assert imported.preset == Preset(
        base="m",
        system="You are brief.\nVery.",
        messages=(Said("user", "Hi there"), Said("assistant", "Hello.")),
        parameters={"temperature": 0.3, "context": 1024, "stop": ["<|user|>", "<|end|>"]},
        licence="MIT",
    )
    assert imported.unused == (
        "PARAMETER num_gpu is not used here",
        "TEMPLATE is in Go's language; the model's own template (Jinja, in its GGUF file) is used",
    )
    jinja = read_modelfile("FROM m\nTEMPLATE {{ messages[0].content }}")
    assert jinja.preset.template == "{{ messages[0].content }}" and jinja.unused == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("SYSTEM x", "no FROM"),
        ("FROM m\nFORM x", "line 2: 'FORM' is no instruction"),
        ('FROM m\nSYSTEM """x', "line 2: the text has no end"),
        ("FROM m\nPARAMETER temperature hot", "line 2: PARAMETER temperature is 'hot'"),
        ("FROM m\nMESSAGE ghost boo", "line 2: MESSAGE 'ghost'"),
        ("FROM a\nFROM b", "line 2: a second FROM"),
        ("FROM m\nSYSTEM", "line 2: SYSTEM says nothing"),
    ],
    ids=["no-from", "instruction", "open-text", "number", "role", "second", "empty"],
)
def test_a_wrong_modelfile_says_the_line(text: str, problem: str) -> None:
    with pytest.raises(LocalEngineError) as caught:
        read_modelfile(text)
    assert problem in caught.value.message


@given(st.text(max_size=200))
def test_any_text_is_a_modelfile_or_a_clear_error(text: str) -> None:
    try:
        read_modelfile(text)
    except LocalEngineError as error:
        assert "Modelfile" in error.message


def asked(*messages: Message, **more: Any) -> ChatRequest:
    return ChatRequest("local:m", messages or (Message("user", (Text("Hi"),)),), **more)


def test_a_preset_speaks_where_the_caller_does_not() -> None:
    preset = Preset(
        base="m", system="Brief.", thinking="none", messages=(Said("user", "a"), Said("assistant", "b")),
        parameters={"temperature": 0.5, "stop": ["x"], "repeat_penalty": 1.2, "context": 64},
    )  # fmt: skip
    plain = with_preset(asked(), preset)
    assert (plain.temperature, plain.stop) == (0.5, ("x",))
    assert [(m.role, m.text) for m in plain.messages] == [
        ("system", "Brief."), ("user", "a"), ("assistant", "b"), ("user", "Hi"),
    ]  # fmt: skip
    assert plain.ext == {
        "openai": {"repeat_penalty": 1.2, "chat_template_kwargs": {"enable_thinking": False, "thinking": False}}
    }
    own = Message("system", (Text("Mine."),))
    loud = with_preset(
        asked(own, Message("user", (Text("Hi"),)), temperature=0.0, stop=("y",), reasoning=Reasoning("high"),
              ext={"openai": {"repeat_penalty": 1.0}}),
        preset,
    )  # fmt: skip
    assert (loud.temperature, loud.stop, loud.messages[0], len(loud.messages)) == (0.0, ("y",), own, 4)
    assert loud.ext == {"openai": {"repeat_penalty": 1.0}}


def test_variants_rest_on_their_preset_and_presets_on_their_base() -> None:
    base = Preset(system="a", parameters={"temperature": 0.1, "top_k": 4}, adapters=(Adapter("x"),), licence="MIT")
    preset = over(base, Preset(base="b", parameters={"temperature": 0.2}, adapters=(Adapter("y"),),
                               variants={"short": Settings(parameters={"max_tokens": 9})}))  # fmt: skip
    assert preset.parameters == {"temperature": 0.2, "top_k": 4} and [a.file for a in preset.adapters] == ["x", "y"]
    short = variant(preset, "short")
    assert short is not None and (short.system, short.licence) == ("a", "MIT")
    assert short.parameters == {"temperature": 0.2, "top_k": 4, "max_tokens": 9} and short.adapters == preset.adapters
    quiet = variant(None, "nothink")
    assert quiet is not None and quiet.thinking == "none" and variant(preset, "loud") is None


def test_names_of_the_store(local: LocalEngine, tmp_path: Path) -> None:
    (tmp_path / "Modelfile").write_text(MODELFILE)
    path, unused = local.create("brief", (tmp_path / "Modelfile").read_text(), tmp_path / "Modelfile")
    assert path.name == "brief.toml" and len(unused) == 2
    local.copy("brief:high", "hard:one")
    found = {model.name: model for model in local.models() if model.origin in ("preset", "store")}
    assert {name: model.origin for name, model in found.items()} == {
        "brief": "preset",
        "hard:one": "preset",
        "m": "store",
    }
    hard = resolve("hard:one", local.store)
    assert hard.preset is not None and (hard.preset.thinking, hard.preset.system) == ("high", "You are brief.\nVery.")
    assert resolve("brief:nothink", local.store).loaded == resolve("brief", local.store).loaded
    assert resolve("m", local.store).loaded != resolve("brief", local.store).loaded  # another context
    shown = facts(hard)
    assert (shown["quantization"], shown["context"], shown["licence"]) == ("Q4_K_M", 2048, "MIT")
    with pytest.raises(ModelNotFoundError, match="brief has no variant 'loud'; there are nothink"):
        resolve("brief:loud", local.store)
    with pytest.raises(ModelNotFoundError, match="did you mean 'brief'"):
        resolve("breif", local.store)
    with pytest.raises(InvalidRequestError, match="brief rests on m"):
        local.remove("m")
    for name, problem in (
        ("brief", "a preset brief already"),
        ("m", "a file of the store"),
        ("default", "built-in"),
        ("a/b", "is no name"),
    ):
        with pytest.raises(InvalidRequestError, match=problem):
            local.copy("m", name)
    assert local.remove("hard:one") > 0 and local.remove("m", force=True) == len(MODEL)
    with pytest.raises(LocalEngineError, match="rests on 'm', which is not here"):
        resolve("brief", local.store)
    assert [model.name for model in local.models() if model.origin in ("preset", "store")] == []


def test_presets_that_rest_on_each_other_are_an_error(local: LocalEngine) -> None:
    local.store.save_preset("a", Preset(base="b"))
    local.store.save_preset("b", Preset(base="a"))
    with pytest.raises(LocalEngineError, match="rests on itself"):
        resolve("a", local.store)


def test_adapters_must_be_there(local: LocalEngine, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="there is no adapter"):
        local.create("x", "FROM m\nADAPTER ./none.gguf", tmp_path / "Modelfile")


def ollama_store(root: Path, name: str, tag: str, layers: dict[str, bytes]) -> None:
    rows: list[dict[str, Any]] = []
    (root / "blobs").mkdir(parents=True, exist_ok=True)
    for kind, data in layers.items():
        (root / "blobs" / f"sha256-{sha256(data)}").write_bytes(data)
        media = f"application/vnd.ollama.image.{kind}"
        rows.append({"mediaType": media, "digest": f"sha256:{sha256(data)}", "size": len(data)})
    manifest = root / "manifests/registry.ollama.ai" / name / tag
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": rows}))


def test_other_programs_models_are_used_where_they_lie(local: LocalEngine, tmp_path: Path) -> None:
    user = tmp_path / "user"
    root = user / ".ollama/models"
    ollama_store(root, "library/qwen3", "8b", {"model": MODEL, "params": b'{"top_k": 20}', "system": b"S"})
    ollama_store(root, "library/qwen3", "latest", {"model": MODEL})
    ollama_store(root, "me/own", "v1", {"model": MODEL + b"more"})
    ollama_store(root, "library/lora", "latest", {"model": MODEL, "adapter": b"x"})
    (root / "manifests/registry.ollama.ai/library/broken").mkdir()
    (root / "manifests/registry.ollama.ai/library/broken/latest").write_text("{")
    studio = user / ".lmstudio/models/maker/Repo-GGUF"
    studio.mkdir(parents=True)
    for name in ("S-Q4_0.gguf", "mmproj-S.gguf", "T-00001-of-00002.gguf", "T-00002-of-00002.gguf"):
        (studio / name).write_bytes(MODEL)
    cached = user / ".cache/huggingface/hub/models--o--r"
    for revision, size in (("aaa", b""), ("bbb", b"new")):
        (cached / "snapshots" / revision).mkdir(parents=True)
        (cached / "blobs").mkdir(exist_ok=True)
        (cached / "blobs" / revision).write_bytes(MODEL + size)
        (cached / "snapshots" / revision / "C-Q8_0.gguf").symlink_to(f"../../blobs/{revision}")
    (cached / "refs").mkdir()
    (cached / "refs/main").write_text("bbb")
    found = {model.name: model for model in adopted() if model.path.is_relative_to(tmp_path)}
    assert {name: model.origin for name, model in found.items()} == {
        "qwen3": "Ollama", "qwen3:8b": "Ollama", "me/own:v1": "Ollama", "S-Q4_0": "LM Studio", "T": "LM Studio",
        "C-Q8_0": "the hub's cache",
    }  # fmt: skip
    assert found["C-Q8_0"].path.read_bytes().endswith(b"new")
    eight = resolve("qwen3:8b", local.store)
    assert eight.preset is not None and (eight.preset.system, eight.preset.parameters) == ("S", {"top_k": 20})
    quiet = resolve("qwen3:8b:nothink", local.store)
    assert quiet.preset is not None and (quiet.preset.thinking, quiet.preset.system) == ("none", "S")
    assert facts(resolve("T", local.store))["parts"] == 2
    listed = {model.name for model in local.models()}
    assert {"qwen3:8b", "me/own:v1", "S-Q4_0", "T", "C-Q8_0"} <= listed
    with pytest.raises(InvalidRequestError, match="`ollama rm qwen3:8b`"):
        local.remove("qwen3:8b")
    with pytest.raises(InvalidRequestError, match="not of this store but of LM Studio"):
        local.remove("S-Q4_0")
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    local.copy("qwen3:8b", "mine")
    assert resolve("mine", local.store).path == eight.path
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(
        [*before, local.store.directory / "mine.toml"]
    )
