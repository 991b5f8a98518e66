"""The gemini dialect: Google's generateContent, streamGenerateContent, countTokens, embeddings and models.

Owns that wire format in both directions, as the Gemini API and Vertex AI speak it. It refuses to know keys, projects
and regions; a provider row overrides the paths where they differ.

A request that is parsed and rendered comes back as it was, snake_case names and the grouping of tools included, but
for: key order; null is absent; a lone object in place of a list is a list of one; the body's `model`, which is in the
path. A stream is always asked for with `alt=sse`.
"""

from tsuji.wire.dialect import Dialect

from .carried import FOREIGN_MARK
from .counting import COUNTING
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
from .response_in import parse_response
from .response_out import render_response
from .stream_in import Parser
from .stream_out import Renderer
from .tail import Tail
from .usage import read_usage

DIALECT = Dialect(
    name=NAME,
    fields=FIELDS,
    embedding_fields=EMBEDDING_FIELDS,
    content_type="text/event-stream",
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
    counting=COUNTING,
    names=NAMES,
    foreign_mark=FOREIGN_MARK,
)

__all__ = ["DIALECT"]
