"""POST /responses/input_tokens (https://platform.openai.com/docs/api-reference/responses/input-tokens)."""

from tsuji.core.request import ChatRequest
from tsuji.wire.counting import Counting

from .request_in import parse_request


def _path(model: str) -> str:
    return "/responses/input_tokens"


def _parse(body: bytes, model: str | None) -> ChatRequest:
    return parse_request(body, model, False)


COUNTING = Counting(_path, _parse, "input_tokens", {"object": "response.input_tokens"})
