"""POST /v1/messages/count_tokens (https://platform.claude.com/docs/en/api/messages-count-tokens)."""

from tsuji.core.request import ChatRequest

from ..counting import Counting
from .request_in import parse_request
from .request_out import PATH


def _path(model: str) -> str:
    return PATH + "/count_tokens"


def _parse(body: bytes, model: str | None) -> ChatRequest:
    return parse_request(body, model, False)


COUNTING = Counting(_path, _parse, "input_tokens")
