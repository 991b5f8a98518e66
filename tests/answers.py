"""Ready-made replies of a scripted provider in the dialects "openai", "anthropic", "gemini", "ollama", "responses" and
"cohere" and "bedrock".

Written from the providers' API references: https://platform.openai.com/docs/api-reference/chat,
https://docs.claude.com/en/api/messages, https://ai.google.dev/api/generate-content, https://docs.ollama.com/api,
https://platform.openai.com/docs/api-reference/responses, https://docs.cohere.com/reference/chat,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html.
Streams are replies whose body is a list, one server-sent event (or line) a step: insert CUT, STALL or a
pause where you like.
"""

import base64
import json
import struct
from collections.abc import Sequence
from typing import Any

from tests.answer_bodies import STREAM, WHOLE, Answer, Call, aws_message, events
from tests.scripted import Reply

__all__ = ["Answer", "Call", "aws_message", "chat", "embeddings", "error", "events", "html", "models", "stream"]
SSE = "text/event-stream"
LINES = "application/x-ndjson"
MESSAGES = "application/vnd.amazon.eventstream"


def chat(dialect: str, text: str = "hello", **what: Any) -> Reply:
    """A whole answer; the keywords are the fields of Answer."""
    return Reply(json.dumps(WHOLE[dialect](Answer(text=text, **what))).encode())


def stream(dialect: str, pieces: Sequence[str] = ("Hel", "lo"), **what: Any) -> Reply:
    """The same, streamed: each piece of the text is an event of its own, arguments come in two."""
    return Reply(list(STREAM[dialect](Answer(text="".join(pieces), **what), pieces)), content_type=stream_type(dialect))


def stream_type(dialect: str) -> str:
    return {"ollama": LINES, "bedrock": MESSAGES}.get(dialect, SSE)


def error(dialect: str, status: int, message: str = "no", *, type: str = "", code: str | None = None) -> Reply:
    """type: the dialect's own word for the kind of error (Gemini: its `status`)."""
    native = {"error": {"message": message, "type": type or "server_error", "param": None, "code": code}}
    bodies: dict[str, Any] = {
        "openai": native,
        "responses": native,
        "anthropic": {"type": "error", "error": {"type": type or "api_error", "message": message}},
        "gemini": {"error": {"code": status, "message": message, "status": type or _GOOGLE.get(status, "INTERNAL")}},
        "ollama": {"error": message},
        "cohere": {"id": "e0c3", "message": message},
        "bedrock": {"message": message},
    }
    headers = {"x-amzn-errortype": type or _AWS.get(status, "InternalServerException")} if dialect == "bedrock" else {}
    return Reply(json.dumps(bodies[dialect]).encode(), status, headers=headers)


_AWS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/",
    503: "ServiceUnavailableException",
}


_GOOGLE = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


def embeddings(dialect: str, vectors: Sequence[Sequence[float]] = ((0.5, -0.25),), *, packed: bool = False) -> Reply:
    """packed: OpenAI's base64 form."""
    if dialect == "gemini":
        return Reply(json.dumps({"embeddings": [{"values": list(v)} for v in vectors]}).encode())
    if dialect == "ollama":
        answer = {"model": "embed-1", "embeddings": [list(v) for v in vectors], "prompt_eval_count": 3}
        return Reply(json.dumps({**answer, "total_duration": 14143917}).encode())
    if dialect == "cohere":
        meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 3}}
        answer = {"id": "e1", "embeddings": {"float": [list(v) for v in vectors]}, "texts": ["a"] * len(vectors)}
        return Reply(json.dumps({**answer, "meta": meta, "response_type": "embeddings_by_type"}).encode())
    if dialect == "bedrock":
        return Reply(json.dumps({"embedding": list(vectors[0]), "inputTextTokenCount": 3}).encode())
    data = [
        {
            "object": "embedding",
            "index": i,
            "embedding": base64.b64encode(struct.pack(f"<{len(v)}f", *v)).decode() if packed else list(v),
        }
        for i, v in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    return Reply(json.dumps({"object": "list", "data": data, "model": "embed-1", "usage": usage}).encode())


def models(dialect: str, ids: Sequence[str] = ("model-1", "model-2")) -> Reply:
    bodies: dict[str, Any] = {
        "openai": {
            "object": "list",
            "data": [{"id": i, "object": "model", "created": 1700000000, "owned_by": "us"} for i in ids],
        },
        "anthropic": {
            "data": [{"type": "model", "id": i, "display_name": i, "created_at": "2025-02-19T00:00:00Z"} for i in ids],
            "has_more": False,
            "first_id": ids[0],
            "last_id": ids[-1],
        },
        "gemini": {
            "models": [
                {"name": f"models/{i}", "displayName": i, "inputTokenLimit": 1000, "outputTokenLimit": 100} for i in ids
            ]
        },
        "ollama": {"models": [{"name": i, "model": i, "modified_at": "2025-02-19T00:00:00Z", "size": 9} for i in ids]},
        "cohere": {
            "models": [{"name": i, "endpoints": ["chat"], "finetuned": False, "context_length": 1000} for i in ids]
        },
    }
    return Reply(json.dumps(bodies[dialect]).encode())


def html(status: int = 200) -> Reply:
    """A page where an answer should be, as a captive portal or a wrong base URL gives."""
    return Reply(b"<!doctype html><title>Welcome</title>", status, "text/html; charset=utf-8")
