"""The header reader: what it finds, and that no file can make it do worse than refuse."""

import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.fixtures import fetched
from tests.engine.ggufs import gguf
from tsuji.engine.local import LocalEngine
from tsuji.engine.memory import needed
from tsuji.hardware.gguf import ArrayFact, GGUFError, parse_header, read_header

TINY = gguf(
    {
        "general.architecture": "llama",
        "llama.context_length": 128,
        "llama.block_count": 2,
        "llama.attention.head_count_kv": [1, 3],
        "llama.attention.head_count": 4,
        "llama.embedding_length": 64,
        "tokenizer.ggml.tokens": ["a", "b", "<unk>"],
        "tokenizer.chat_template": "{{ messages }}",
        "llama.rope.freq_base": 10000.0,
        "tokenizer.ggml.add_bos_token": False,
    },
    [("token_embd.weight", (64, 3)), ("output_norm.weight", (64,))],
)


def test_reads_what_a_file_says_of_itself() -> None:
    header = parse_header(TINY, len(TINY))
    assert header is not None
    assert (header.architecture, header.context_length, header.vocabulary) == ("llama", 128, 3)
    assert header.chat_template == "{{ messages }}"
    assert header.metadata["llama.attention.head_count_kv"] == ArrayFact(5, 2, (1, 3))
    assert header.metadata["llama.rope.freq_base"] == 10000.0
    assert header.metadata["tokenizer.ggml.add_bos_token"] is False
    assert (header.tensor_count, header.elements, header.tensor_bytes) == (2, 256, 1024)
    assert header.end == len(TINY)
    assert header.text("llama.context_length") is None


def test_real_files(local_engine: LocalEngine) -> None:
    path = fetched(local_engine, "default")
    chat = read_header(path)
    assert (chat.architecture, chat.context_length, chat.vocabulary, chat.embeds) == ("llama", 8192, 49152, False)
    assert chat.chat_template and "<|im_start|>" in chat.chat_template
    assert chat.end == path.stat().st_size
    assert chat.unknown_types == ()
    embedder = read_header(fetched(local_engine, "embed"))
    assert (embedder.architecture, embedder.context_length, embedder.embeds) == ("bert", 512, True)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not_gguf"),
        (b"PK\x03\x04" + bytes(100), "not_gguf"),
        (struct.pack("<4sIQQ", b"GGUF", 1, 0, 0), "version"),
        (struct.pack(">4sIQQ", b"GGUF", 3, 0, 0), "version"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 0, 1 << 62), "malformed"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 1 << 62, 0), "malformed"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + struct.pack("<Q", 1 << 60), "malformed"),
        (TINY[:100], "truncated"),
        (TINY[:-1], "truncated"),
        (gguf({"general.alignment": 0}, [("t", (1,))]), "malformed"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + struct.pack("<Q1sIIQ", 1, b"k", 9, 8, 1 << 61), "truncated"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + struct.pack("<Q1sIIQ", 1, b"k", 9, 9, 1), "malformed"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + struct.pack("<Q1sI", 1, b"k", 99), "malformed"),
    ],
)
def test_says_what_is_wrong_with_a_file(data: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(data)
    with pytest.raises(GGUFError) as caught:
        read_header(path)
    assert caught.value.problem == problem


def test_a_missing_file_is_named_so(tmp_path: Path) -> None:
    with pytest.raises(GGUFError, match="No such file") as caught:
        read_header(tmp_path / "none.gguf")
    assert caught.value.problem == "file"


def test_declared_sizes_allocate_nothing() -> None:
    key = struct.pack("<Q1s", 1, b"k")
    start = struct.pack("<4sIQQ", b"GGUF", 3, 0, 1)
    hostile = [
        start + key + struct.pack("<IIQ", 9, 8, 1 << 40) + bytes(64),
        start + key + struct.pack("<IIQ", 9, 10, 1 << 40) + bytes(64),
        start + key + struct.pack("<IQ", 8, 1 << 40) + bytes(64),
        start + key + struct.pack("<IIQQ", 9, 8, 4, 1 << 63) + bytes(64),
    ]
    tracemalloc.start()
    for data in hostile:
        with pytest.raises(GGUFError):
            parse_header(data, len(data))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


def test_a_header_longer_than_the_first_read(tmp_path: Path) -> None:
    long = gguf({"general.architecture": "x", "tokenizer.ggml.tokens": ["token"] * 500_000}, [("t", (1,))])
    path = tmp_path / "long.gguf"
    path.write_bytes(long)
    assert read_header(path).vocabulary == 500_000


@given(st.integers(0, len(TINY)))
def test_any_beginning_of_a_file_asks_for_more_or_is_enough(cut: int) -> None:
    header = parse_header(TINY[:cut], len(TINY)) if TINY[:cut].startswith(b"GGUF") else None
    assert header is None or header == parse_header(TINY, len(TINY))


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(TINY) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_bytes_are_refused_or_read_never_worse(changes: list[tuple[int, int]]) -> None:
    data = bytearray(TINY)
    for at, byte in changes:
        data[at] = byte
    try:
        header = parse_header(bytes(data), len(data))
    except GGUFError as error:
        assert error.problem in ("not_gguf", "version", "truncated", "malformed")
    else:
        assert header is not None and header.tensor_count <= 1 << 20


@settings(max_examples=200)
@given(st.binary(max_size=300), st.integers(0, 3), st.integers(0, 3))
def test_any_bytes_after_the_magic(tail: bytes, tensors: int, keys: int) -> None:
    data = struct.pack("<4sIQQ", b"GGUF", 3, tensors, keys) + tail
    try:
        header = parse_header(data, len(data))
    except GGUFError as error:
        assert str(error)
    else:
        assert header is not None and len(header.metadata) <= keys


def test_memory_need_counts_heads_by_layer() -> None:
    header = parse_header(TINY, len(TINY))
    assert header is not None
    need = needed(header, context=100, batch=8)
    assert need.weights == 1024
    assert need.cache == (1 + 3) * (16 + 16) * 2 * 100
    assert need.total == need.weights + need.cache + need.work
