"""The child process: llama.cpp's HTTP server for one model. Run as `python -m tsuji.engine.child`.

One line of JSON on standard input says what to run. Then standard input is watched: its end means that the parent is
gone, and so is this process. On Linux the kernel sees to that as well, whatever state the process is in.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any, NoReturn

MARK = b"@tsuji-engine "
"""Begins the one line of output that is a message to the parent; all others are llama.cpp's log."""


def main() -> None:
    config: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    _die_with(config["parent"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if config["server"]:
        _run_binary(config)
    _run_library(config)
    _wait_for_parent()


def _die_with(parent: int) -> None:
    """Linux: SIGKILL when the parent's thread that made this process ends; it survives exec (prctl(2))."""
    if sys.platform == "linux":
        import ctypes

        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call
        os._exit(0)


def _run_library(config: dict[str, Any]) -> None:
    try:
        import xllamacpp  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        _tell({"missing": str(error)})
        sys.exit(1)
    llama: Any = xllamacpp
    params = llama.CommonParams()
    params.model.path = config["model"]
    params.model_alias = {config["name"]}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [config["key"]]
    params.n_parallel = config["slots"]
    params.n_ctx = config["context"] * config["slots"]
    params.n_threads_http = config["connections"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = config["threads"]
    params.cache_ram_mib = config["prompt_cache"]
    for name, key in (("temp", "temperature"), ("top_p", "top_p"), ("penalty_repeat", "repeat_penalty")):
        if config[key] is not None:
            setattr(params.sampling, name, config[key])
    if config["template"]:
        params.chat_template = config["template"]
    params.lora_adapters = [llama.CommonAdapterLoraInfo(file, scale) for file, scale in config["adapters"]]
    params.fit_params = params.ui = params.endpoint_slots = False
    params.verbosity = 2  # warnings and errors
    if config["embeddings"]:
        params.embedding = True
        params.n_batch = params.n_ubatch = config["batch"]
    try:
        server = llama.Server(params)
    except RuntimeError:
        sys.exit(1)  # llama.cpp has written why
    _keep.append(server)
    _tell({"port": int(server.listening_address.rpartition(":")[2])})


_keep: list[Any] = []
"""The server stops when its object goes."""


def _run_binary(config: dict[str, Any]) -> NoReturn:
    """A llama-server of the user's own.

    Options: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md. The key goes by the environment:
    arguments are visible to other users.
    """
    arguments: dict[str, Any] = {
        "--model": config["model"],
        "--alias": config["name"],
        "--host": "127.0.0.1",
        "--port": config["port"],
        "--parallel": config["slots"],
        "--ctx-size": config["context"] * config["slots"],
        "--threads": config["threads"],
        "--threads-http": config["connections"],
    }
    if config["embeddings"]:
        arguments |= {"--batch-size": config["batch"], "--ubatch-size": config["batch"]}
    sampling = {"--temp": "temperature", "--top-p": "top_p", "--repeat-penalty": "repeat_penalty"}
    arguments |= {option: config[key] for option, key in sampling.items() if config[key] is not None}
    command = [config["server"], *[str(word) for pair in arguments.items() for word in pair]]
    for file, scale in config["adapters"]:
        command += ["--lora-scaled", f"{file}:{scale}"]
    if config["template"]:
        command += ["--chat-template", config["template"]]
    command.append("--embedding" if config["embeddings"] else "--jinja")
    environment = {**os.environ, "LLAMA_API_KEY": config["key"]}
    if sys.platform == "linux":
        os.execve(config["server"], command, environment)  # noqa: S606
    server = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)  # noqa: S603
    threading.Thread(target=_wait_for_parent, args=(server,), daemon=True).start()
    status = server.wait()
    os._exit(status if status >= 0 else 128 - status)


def _wait_for_parent(server: "subprocess.Popen[bytes] | None" = None) -> NoReturn:
    while os.read(0, 4096):
        pass
    if server is not None:
        server.kill()
    os._exit(0)


def _tell(message: dict[str, Any]) -> None:
    os.write(1, b"\n" + MARK + json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
