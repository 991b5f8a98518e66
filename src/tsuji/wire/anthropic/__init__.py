"""The Anthropic Messages dialect (https://platform.claude.com/docs/en/api/messages), as client and as server.

Owns its request, response, stream, error, count of tokens and model list, both ways; refuses headers
(`anthropic-version` is the provider row's, `anthropic-beta` the caller's) and batches. A request that was parsed is
rendered as it came, but for: the order of keys; null, which is absence; an empty `metadata`; a missing `max_tokens`,
which is filled in; an empty text block in an assistant turn, which is left out; tool results, which stand first in
their turn. `cache_control` marks are kept here and a hint elsewhere.
"""

from ..dialect import Dialect
from .carried import MARK
from .counting import COUNTING
from .errors import parse_error, render_error
from .fields import FIELDS, NAME, NAMES
from .models import PATH as MODELS_PATH
from .models import parse_models, render_models
from .request_in import parse_request
from .request_out import chat_path, render_request
from .response_in import parse_response
from .response_out import render_response
from .stream_in import StreamParser
from .stream_out import StreamRenderer
from .tail import StreamTail, read_usage

DIALECT = Dialect(
    name=NAME,
    fields=FIELDS,
    content_type="text/event-stream",
    chat_path=chat_path,
    parse_request=parse_request,
    render_request=render_request,
    parse_response=parse_response,
    render_response=render_response,
    stream_parser=StreamParser,
    stream_renderer=StreamRenderer,
    parse_error=parse_error,
    render_error=render_error,
    read_usage=read_usage,
    stream_tail=StreamTail,
    models_path=MODELS_PATH,
    parse_models=parse_models,
    render_models=render_models,
    counting=COUNTING,
    names=NAMES,
    foreign_mark=MARK,
)

__all__ = ["DIALECT"]
