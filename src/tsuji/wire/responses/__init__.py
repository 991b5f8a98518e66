"""OpenAI's responses: items instead of messages, and a stream of typed events.

Owns the dialect both ways, plain and streaming. Errors and the list of models are those of `openai`, whose API it
shares. What the API keeps on its side (`previous_response_id`, `conversation`, `background`, its own tools) passes
within this dialect, and is refused by name in every other: it refuses to keep state of its own. A request read and
written again is the same but for the order of keys, and null, which counts as absent.
"""

from tsuji.wire.dialect import Dialect
from tsuji.wire.openai import errors, models

from . import counting, fields, passing, request_in, request_out, response_in, response_out
from .stream_in import ResponsesStreamParser
from .stream_out import ResponsesStreamRenderer

DIALECT = Dialect(
    name=fields.NAME,
    fields=fields.FIELDS,
    content_type="text/event-stream",
    chat_path=request_out.chat_path,
    parse_request=request_in.parse_request,
    render_request=request_out.render_request,
    parse_response=response_in.parse_response,
    render_response=response_out.render_response,
    stream_parser=ResponsesStreamParser,
    stream_renderer=ResponsesStreamRenderer,
    parse_error=errors.parse_error,
    render_error=errors.render_error,
    read_usage=passing.read_usage,
    stream_tail=passing.ResponsesStreamTail,
    models_path="/models",
    parse_models=models.parse_models,
    render_models=models.render_models,
    counting=counting.COUNTING,
    names=fields.NAMES,
    foreign_mark=b'"tsuji.',
)
