"""The bedrock dialect: Bedrock Runtime's Converse and ConverseStream, and embeddings through InvokeModel.

Owns these wire formats in both directions, plain and as an AWS event stream, errors included. It refuses signatures and
credentials (the provider's), model lists (Bedrock keeps them on another host), token counting, and InvokeModel for
conversations, whose bodies are each maker's own.

A request that is parsed and rendered comes back as it was but for: the order of keys; null, which is absence. Its
`model` is the path's. Where core has a noun for something in `additionalModelRequestFields` (how much to think,
`top_k`), other dialects are told; this one gives the field back whole.
"""

from ..dialect import Dialect
from .carried import MARK
from .embeddings import (
    parse_embedding_request,
    parse_embedding_response,
    render_embedding_request,
    render_embedding_response,
)
from .errors import parse_error, render_error
from .fields import FIELDS, NAME, NAMES
from .request_in import parse_request
from .request_out import chat_path, render_request
from .response_in import parse_response
from .response_out import render_response
from .stream_in import Parser
from .stream_out import Renderer
from .tail import Tail, read_usage

DIALECT = Dialect(
    name=NAME,
    fields=FIELDS,
    content_type="application/vnd.amazon.eventstream",
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
    names=NAMES,
    foreign_mark=MARK,
)

__all__ = ["DIALECT"]
