"""How fast the local engine runs a model here, by llama.cpp's own clock, and the record of what was measured."""

import http.client
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tsuji.core.errors import LocalEngineError

from .endpoint import Endpoint

RECORD = "bench.jsonl"
"""Of the home directory: one Measured a line, the newest last."""
USUAL_PROMPT = 512
_TIMEOUT = 1800.0


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One run. test: "pp512" (tokens of a prompt) or "tg32" (tokens generated) after `depth` tokens of context.

    time: when, in seconds since 1970. name: the model's, as in `local:NAME`; model: its file's. size_gib, params_b,
    quant: of the file. engine: which llama.cpp. device: as the user called this machine, "" where they did not.
    """

    time: float
    name: str
    model: str
    params_b: float
    quant: str
    size_gib: float
    test: str
    depth: int
    tokens_per_s: float
    threads: int
    engine: str
    device: str = ""


class Rate(msgspec.Struct, frozen=True):
    """tokens_per_s: the median of the repetitions."""

    test: str
    depth: int
    tokens_per_s: float


def measure(
    endpoint: Endpoint,
    vocabulary: int,
    depths: Sequence[int],
    prompt: int,
    answer: int,
    repeat: int,
    progress: Callable[[str], None],
) -> Iterator[Rate]:
    """Prompt and answer after each depth, `repeat` times; progress is called with each run's name before it.

    The tokens are arbitrary but always the same: speed does not depend on what they say. Raises LocalEngineError.
    """
    for depth in depths:
        context = _tokens(vocabulary, depth)
        for test in (f"pp{prompt}", f"tg{answer}"):
            rates: list[float] = []
            for n in range(repeat):
                progress(f"{test} at depth {depth}" if depth else test)
                _complete(endpoint, context, 0)
                # Each prompt is a new one from its first token on: llama.cpp keeps those that it has seen.
                fresh = _tokens(vocabulary, prompt if test.startswith("pp") else 1, 1 + depth + n)
                if test.startswith("pp"):
                    rates.append(_rate(_complete(endpoint, context + fresh, 0), "prompt", prompt))
                else:
                    rates.append(_rate(_complete(endpoint, context or fresh, answer), "predicted", answer))
            yield Rate(test, depth, sorted(rates)[len(rates) // 2])


def record(home: Path, rows: Sequence[Measured]) -> Path:
    """Adds them to the record of that home directory, and returns where it is."""
    path = home / RECORD
    home.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return path


def recorded(home: Path) -> list[Measured]:
    """All that was measured under that home directory; a line that is none, such as one cut short, is passed over."""
    path = home / RECORD
    if not path.exists():
        return []
    rows: list[Measured] = []
    for line in path.read_bytes().splitlines():
        try:
            rows.append(msgspec.json.decode(line, type=Measured))
        except msgspec.DecodeError:
            continue
    return rows


def expected(home: Path) -> dict[str, tuple[float, float]]:
    """name -> seconds to the first token of an answer to USUAL_PROMPT tokens, and tokens a second, as last measured."""
    prompts: dict[str, float] = {}
    answers: dict[str, float] = {}
    for row in recorded(home):
        if row.depth == 0 and row.tokens_per_s > 0:
            (prompts if row.test.startswith("pp") else answers)[row.name] = row.tokens_per_s
    return {name: (USUAL_PROMPT / prompts[name], rate) for name, rate in answers.items() if name in prompts}


def _tokens(vocabulary: int, count: int, start: int = 0) -> list[int]:
    # Past the first few hundred, which are control tokens and single bytes in most vocabularies.
    low = min(300, vocabulary // 2)
    return [low + (start + 7919 * n) % (vocabulary - low) for n in range(count)]


def _rate(timings: dict[str, Any], kind: str, at_least: int) -> float:
    """Tokens per second of the run's part that is asked for. Raises LocalEngineError where it was cut short."""
    tokens, rate = timings.get(f"{kind}_n", 0), timings.get(f"{kind}_per_second")
    if not rate or tokens < at_least - 1:
        raise LocalEngineError(f"the run was cut short ({tokens} of {at_least} tokens); use a smaller depth or prompt")
    return float(rate)


def _complete(endpoint: Endpoint, tokens: list[int], answer: int) -> dict[str, Any]:
    """The `timings` of POST /completion; {} where there is nothing to do.

    https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md#post-completion-given-a-prompt
    """
    if not tokens:
        return {}
    url = urlsplit(endpoint.base_url)
    body = {"prompt": tokens, "n_predict": answer, "cache_prompt": True, "ignore_eos": True, "id_slot": 0}
    connection = http.client.HTTPConnection(url.hostname or "127.0.0.1", url.port, timeout=_TIMEOUT)
    try:
        headers = endpoint.headers | {"Content-Type": "application/json"}
        connection.request("POST", "/completion", json.dumps(body), headers)
        response = connection.getresponse()
        found: dict[str, Any] = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise LocalEngineError(f"the engine broke off the run: {error}") from None
    finally:
        connection.close()
    if response.status != 200:
        refusal: dict[str, Any] = found.get("error") or {}
        message = refusal.get("message", f"HTTP status {response.status}")
        raise LocalEngineError(f"the engine refused the run: {message}")
    return found["timings"]
