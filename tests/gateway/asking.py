"""Chat requests in every dialect, and how each dialect's answers are read, independently of the code under test."""

import json
from typing import Any
from urllib.parse import quote

from tests.gateway.serving import Answer

DIALECTS = ("openai", "anthropic", "gemini", "ollama", "responses", "cohere", "bedrock")
_HI = [{"role": "user", "content": "hi"}]


def chat(dialect: str, model: str = "up:m", stream: bool = False, **more: Any) -> tuple[str, dict[str, Any]]:
    """Path and body. Gemini's stream is asked for as server-sent events."""
    if dialect == "gemini":
        operation = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/v1beta/models/{model}:{operation}", {
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
            **more,
        }
    if dialect == "ollama":
        return "/api/chat", {"model": model, "messages": _HI, **more} | ({} if stream else {"stream": False})
    if dialect == "responses":
        return "/v1/responses", {"model": model, "input": "hi", **more, **({"stream": True} if stream else {})}
    if dialect == "cohere":
        return "/v2/chat", {"model": model, "messages": _HI, **more, **({"stream": True} if stream else {})}
    if dialect == "bedrock":
        operation = "converse-stream" if stream else "converse"
        return f"/model/{quote(model)}/{operation}", {
            "messages": [{"role": "user", "content": [{"text": "hi"}]}],
            **more,
        }
    path = "/v1/messages" if dialect == "anthropic" else "/v1/chat/completions"
    body = {"model": model, "messages": _HI, **({"max_tokens": 20} if dialect == "anthropic" else {}), **more}
    return path, body | ({"stream": True} if stream else {})


def text(dialect: str, answer: Answer) -> str:
    """Of a whole answer."""
    body = answer.json()
    if dialect == "openai":
        return body["choices"][0]["message"]["content"]
    if dialect == "responses":
        return "".join([p["text"] for i in body["output"] if i["type"] == "message" for p in i["content"]])
    if dialect == "anthropic":
        return "".join([block["text"] for block in body["content"] if block["type"] == "text"])
    if dialect == "ollama":
        return body["message"]["content"]
    if dialect == "cohere":
        return "".join([block.get("text", "") for block in body["message"].get("content", ())])
    if dialect == "bedrock":
        return "".join([block.get("text", "") for block in body["output"]["message"]["content"]])
    return "".join([part.get("text", "") for part in body["candidates"][0]["content"]["parts"]])


def usage(dialect: str, answer: Answer) -> tuple[int, int]:
    """The whole prompt's tokens, and the answer's."""
    body = answer.json()
    if dialect == "openai":
        return body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]
    if dialect == "responses":
        return body["usage"]["input_tokens"], body["usage"]["output_tokens"]
    if dialect == "anthropic":
        told = body["usage"]
        cached = [told.get(name) or 0 for name in ("cache_read_input_tokens", "cache_creation_input_tokens")]
        return told["input_tokens"] + sum(cached), told["output_tokens"]
    if dialect == "ollama":
        return body["prompt_eval_count"], body["eval_count"]
    if dialect == "cohere":
        return body["usage"]["tokens"]["input_tokens"], body["usage"]["tokens"]["output_tokens"]
    if dialect == "bedrock":
        return body["usage"]["inputTokens"], body["usage"]["outputTokens"]
    return body["usageMetadata"]["promptTokenCount"], body["usageMetadata"]["candidatesTokenCount"]


def streamed(dialect: str, answer: Answer) -> str:
    """The text of a stream."""
    out = ""
    for event in answer.events():
        if event == "[DONE]":
            continue
        if dialect == "openai":
            out += "".join([choice["delta"].get("content") or "" for choice in event.get("choices", ())])
        elif dialect == "responses":
            out += event["delta"] if event["type"] == "response.output_text.delta" else ""
        elif dialect == "anthropic":
            out += event["delta"].get("text", "") if event["type"] == "content_block_delta" else ""
        elif dialect == "ollama":
            out += event["message"]["content"] if "message" in event else ""
        elif dialect == "cohere":
            delta = event["delta"]["message"] if event["type"] == "content-delta" else {"content": {}}
            out += delta["content"].get("text", "")
        elif dialect == "bedrock":
            out += event["contentBlockDelta"]["delta"].get("text", "") if "contentBlockDelta" in event else ""
        else:
            parts = [
                part for candidate in event.get("candidates", ()) for part in candidate["content"].get("parts", ())
            ]
            out += "".join([part.get("text", "") for part in parts])
    return out


def ended(dialect: str, answer: Answer) -> bool:
    """A client would take the stream for complete."""
    events = answer.events()
    if dialect == "openai":
        return events[-1:] == ["[DONE]"]
    if dialect == "responses":
        return events[-1].get("type") in ("response.completed", "response.incomplete")
    if dialect == "anthropic":
        return any(event["type"] == "message_stop" for event in events)
    if dialect == "ollama":
        return events[-1:] != [] and events[-1].get("done") is True
    if dialect == "cohere":
        end = events[-1] if events else {}
        return end.get("type") == "message-end" and end["delta"]["finish_reason"] not in ("ERROR", "TIMEOUT")
    if dialect == "bedrock":
        return any("messageStop" in event for event in events)
    return any(c.get("finishReason") for event in events for c in event.get("candidates", ()))


def error(dialect: str, body: bytes) -> tuple[str, str]:
    """Type (or status) and message of an error document; fails if it is none of this dialect's."""
    document = json.loads(body)
    if dialect in ("openai", "responses"):
        assert set(document) == {"error"} or (dialect == "responses" and document["type"] == "error")
        return document["error"]["type"], document["error"]["message"]
    if dialect == "anthropic":
        assert document["type"] == "error"
        return document["error"]["type"], document["error"]["message"]
    if dialect == "ollama":
        assert set(document) == {"error"}
        return "", document["error"]
    if dialect == "cohere" and document.get("type") == "message-end":
        assert document["delta"]["finish_reason"] == "ERROR"
        return "", document["delta"]["error"]
    if dialect == "cohere":
        assert set(document) <= {"message", "id"}
        return "", document["message"]
    if dialect == "bedrock":
        (name, said) = next(iter(document.items()))
        if name.endswith("Exception"):  # a message of a stream, as Answer.events gives it
            assert set(said) == {"message"}
            return name, said["message"]
        assert set(document) <= {"__type", "message"}
        return document.get("__type", ""), document["message"]
    assert isinstance(document["error"]["code"], int)
    return document["error"]["status"], document["error"]["message"]
