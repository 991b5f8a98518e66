"""OpenAI's chat completions, embeddings and models, and the many providers that speak them with an accent.

Owns the dialect both ways, plain and streaming, errors included, and the accents: where thoughts stand, what the
system role and max_tokens are called, what a provider adds (`reasoning_details`, `cache_control`, `top_k`). It refuses
to know a provider by name: accents come from quirks, or from what was read. A request read and written again is the
same but for the order of keys, null, which counts as absent, and a tool call without an id, which gets one.
"""

from tsuji.wire.dialect import Dialect

from . import counting, embeddings, errors, fields, models, passing, request_in, request_out, response_in, response_out
from .stream_in import ChatStreamParser
from .stream_out import ChatStreamRenderer

DIALECT = Dialect(
    name=fields.NAME,
    fields=fields.FIELDS,
    embedding_fields=fields.EMBEDDING_FIELDS,
    content_type="text/event-stream",
    chat_path=request_out.chat_path,
    parse_request=request_in.parse_request,
    render_request=request_out.render_request,
    parse_response=response_in.parse_response,
    render_response=response_out.render_response,
    stream_parser=ChatStreamParser,
    stream_renderer=ChatStreamRenderer,
    parse_error=errors.parse_error,
    render_error=errors.render_error,
    read_usage=passing.read_usage,
    stream_tail=passing.ChatStreamTail,
    parse_embedding_request=embeddings.parse_embedding_request,
    render_embedding_request=embeddings.render_embedding_request,
    parse_embedding_response=embeddings.parse_embedding_response,
    render_embedding_response=embeddings.render_embedding_response,
    embeddings_path=embeddings.EMBEDDINGS_PATH,
    models_path="/models",
    parse_models=models.parse_models,
    render_models=models.render_models,
    counting=counting.COUNTING,
)
