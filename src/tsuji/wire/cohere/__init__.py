"""Cohere's second API: /v2/chat, /v2/embed and the list of models.

Owns the dialect both ways, plain and streaming, errors included. It refuses to know which models there are, and what
its first API looked like. A request read and written again is the same but for the order of keys, and null, which
counts as absent.
"""

from tsuji.wire.dialect import Dialect

from . import embeddings, errors, fields, models, passing, request_in, request_out, response_in, response_out
from .stream_in import Parser
from .stream_out import Renderer

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
    stream_parser=Parser,
    stream_renderer=Renderer,
    parse_error=errors.parse_error,
    render_error=errors.render_error,
    read_usage=passing.read_usage,
    stream_tail=passing.StreamTail,
    parse_embedding_request=embeddings.parse_embedding_request,
    render_embedding_request=embeddings.render_embedding_request,
    parse_embedding_response=embeddings.parse_embedding_response,
    render_embedding_response=embeddings.render_embedding_response,
    embeddings_path=embeddings.EMBED_PATH,
    models_path=models.MODELS_PATH,
    parse_models=models.parse_models,
    render_models=models.render_models,
    names=fields.NAMES,
)
