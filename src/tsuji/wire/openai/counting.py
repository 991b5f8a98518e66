"""POST /chat/completions/input_tokens: no endpoint of OpenAI's, but llama.cpp's server counts a chat so.

https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
"""

from tsuji.core.request import ChatRequest
from tsuji.wire.counting import Counting

from .request_in import parse_request


def _path(model: str) -> str:
    return "/chat/completions/input_tokens"


def _parse(body: bytes, model: str | None) -> ChatRequest:
    return parse_request(body, model, False)


COUNTING = Counting(_path, _parse, "input_tokens", {"object": "response.input_tokens"})
