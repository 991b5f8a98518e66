"""The ollama dialect: Ollama's own API, /api/chat, /api/generate (for clients), /api/embed and /api/tags.

Owns that wire format in both directions, plain and as newline-delimited JSON. It refuses to know which models there
are, and what it takes to pull, load or unload one.

A request that is parsed and rendered comes back as it was but for: key order; null is absent; whole numbers that came
as 40.0; a tool choice and other words that Ollama does not have, which it ignores, are refused by other dialects as
fields of this one.
"""

from tsuji.wire.dialect import Dialect

from .embeddings import (
    EMBEDDING_FIELDS,
    parse_embedding_request,
    parse_embedding_response,
    render_embedding_request,
    render_embedding_response,
)
from .errors import parse_error, render_error
from .fields import NAME
from .models import MODELS_PATH, parse_models, render_models
from .request_in import FIELDS, NAMES, parse_request
from .request_out import chat_path, render_request
from .response_in import parse_response, read_usage
from .response_out import render_response
from .stream_in import Parser
from .stream_out import Renderer
from .tail import Tail

DIALECT = Dialect(
    name=NAME,
    fields=FIELDS,
    embedding_fields=EMBEDDING_FIELDS,
    content_type="application/x-ndjson",
    chat_path=chat_path,
    parse_request=parse_request,
    render_request=render_request,
    parse_response=parse_response,
    render_response=render_response,
    stream_parser=Parser,
    stream_renderer=Renderer,
    parse_error=parse_error,
    render_error=render_error,
    read_usage=read_usage,
    stream_tail=Tail,
    parse_embedding_request=parse_embedding_request,
    render_embedding_request=render_embedding_request,
    parse_embedding_response=parse_embedding_response,
    render_embedding_response=render_embedding_response,
    models_path=MODELS_PATH,
    parse_models=parse_models,
    render_models=render_models,
    names=NAMES,
)

__all__ = ["DIALECT"]
