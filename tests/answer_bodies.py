"""What a scripted provider says, as bodies and as the steps of a stream of each dialect: see tests/answers.py."""

import json
import struct
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple


class Call(NamedTuple):
    """A tool call. arguments: JSON text."""

    name: str = "weather"
    arguments: str = '{"city":"Kyoto"}'
    id: str = "call_1"


class Answer(NamedTuple):
    """What the model says. signature: of the thinking, and in Gemini's case of the calls too.

    prompt, output, cached, reasoning: tokens (prompt with cached, output with reasoning).
    """

    text: str = "hello"
    thinking: str = ""
    signature: str = ""
    calls: Sequence[Call] = ()
    model: str = "model-1"
    prompt: int = 10
    output: int = 5
    cached: int = 0
    reasoning: int = 0


def events(*payloads: Any, end: bytes = b"") -> list[bytes]:
    """Payloads as server-sent events without names; `end` comes last."""
    return [b"data: " + json.dumps(p).encode() + b"\n\n" for p in payloads] + ([end] if end else [])


def _openai(a: Answer) -> Any:
    message: dict[str, Any] = {"role": "assistant", "content": a.text or None, "refusal": None}
    if a.thinking:
        message["reasoning_content"] = a.thinking
    if a.calls:
        message["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in a.calls
        ]
    finish = "tool_calls" if a.calls else "stop"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": a.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": _openai_usage(a),
        "system_fingerprint": "fp_1",
        "service_tier": "default",
    }


def _openai_usage(a: Answer) -> Any:
    return {
        "prompt_tokens": a.prompt,
        "completion_tokens": a.output,
        "total_tokens": a.prompt + a.output,
        "prompt_tokens_details": {"cached_tokens": a.cached},
        "completion_tokens_details": {"reasoning_tokens": a.reasoning},
    }


def _openai_stream(a: Answer, pieces: Sequence[str]) -> list[bytes]:
    def chunk(delta: Any, finish: str | None = None) -> Any:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": a.model}
        return {**head, "choices": [choice], "usage": None}

    deltas: list[Any] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": a.thinking}] if a.thinking else []
    deltas += [{"content": piece} for piece in pieces]
    for at, call in enumerate(a.calls):
        half = len(call.arguments) // 2
        function = {"name": call.name, "arguments": ""}
        deltas.append({"tool_calls": [{"index": at, "id": call.id, "type": "function", "function": function}]})
        for part in (call.arguments[:half], call.arguments[half:]):
            deltas.append({"tool_calls": [{"index": at, "function": {"arguments": part}}]})
    last = chunk({}, "tool_calls" if a.calls else "stop")
    usage = {**chunk({}), "choices": [], "usage": _openai_usage(a)}
    return events(*[chunk(d) for d in deltas], last, usage, end=b"data: [DONE]\n\n")


def _anthropic(a: Answer) -> Any:
    content: list[Any] = []
    if a.thinking or a.signature:
        content.append({"type": "thinking", "thinking": a.thinking, "signature": a.signature})
    if a.text:
        content.append({"type": "text", "text": a.text})
    content += [{"type": "tool_use", "id": c.id, "name": c.name, "input": json.loads(c.arguments)} for c in a.calls]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": a.model,
        "content": content,
        "stop_reason": "tool_use" if a.calls else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": a.prompt - a.cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": a.cached,
            "output_tokens": a.output,
        },
    }


def _anthropic_stream(a: Answer, pieces: Sequence[str]) -> list[bytes]:
    whole = _anthropic(a)
    start = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    sent: list[Any] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(whole["content"]):
        empty, deltas = _anthropic_deltas(block, pieces)
        sent.append({"type": "content_block_start", "index": index, "content_block": empty})
        sent += [{"type": "content_block_delta", "index": index, "delta": d} for d in deltas]
        sent.append({"type": "content_block_stop", "index": index})
    stop = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    sent.append({"type": "message_delta", "delta": stop, "usage": whole["usage"]})
    sent.append({"type": "message_stop"})
    return [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in sent]


def _anthropic_deltas(block: Any, pieces: Sequence[str]) -> tuple[Any, list[Any]]:
    if block["type"] == "thinking":
        text = {"type": "thinking_delta", "thinking": block["thinking"]}
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return {"type": "thinking", "thinking": "", "signature": ""}, [text, signature]
    if block["type"] == "text":
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]
    arguments = json.dumps(block["input"])
    half = len(arguments) // 2
    parts = [{"type": "input_json_delta", "partial_json": p} for p in (arguments[:half], arguments[half:])]
    return {**block, "input": {}}, parts


def _gemini(a: Answer) -> Any:
    signed = {"thoughtSignature": a.signature} if a.signature else {}
    parts: list[Any] = [{"text": a.thinking, "thought": True}] if a.thinking else []
    parts += [{"text": a.text, **({} if a.calls else signed)}] if a.text else []
    for c in a.calls:
        parts.append({"functionCall": {"name": c.name, "args": json.loads(c.arguments)}, **signed})
    return _gemini_body(a, parts, "STOP")


def _gemini_body(a: Answer, parts: list[Any], finish: str | None) -> Any:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    usage = {
        "promptTokenCount": a.prompt,
        "candidatesTokenCount": a.output - a.reasoning,
        "totalTokenCount": a.prompt + a.output,
        "cachedContentTokenCount": a.cached,
        "thoughtsTokenCount": a.reasoning,
    }
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": a.model, "responseId": "resp-1"}


def _gemini_stream(a: Answer, pieces: Sequence[str]) -> list[bytes]:
    parts = _gemini(a)["candidates"][0]["content"]["parts"]
    sent: list[Any] = []
    for part in parts:
        if "text" in part and not part.get("thought"):
            sent += [_gemini_body(a, [{"text": piece}], None) for piece in pieces[:-1]]
            part = {**part, "text": pieces[-1] if pieces else ""}
        sent.append(_gemini_body(a, [part], None))
    sent.append(_gemini_body(a, [], "STOP"))
    return events(*sent)


def _ollama(a: Answer) -> Any:
    calls = [{"function": {"name": c.name, "arguments": json.loads(c.arguments)}} for c in a.calls]
    message = {"role": "assistant", "content": a.text, "thinking": a.thinking, "tool_calls": calls}
    return {
        "model": a.model,
        "created_at": "2025-10-26T17:15:24.097767Z",
        "message": {name: value for name, value in message.items() if value or name == "content"},
        "done": True,
        "done_reason": "stop",
        "total_duration": 4648158584,
        "load_duration": 4071084,
        "prompt_eval_count": a.prompt,
        "prompt_eval_duration": 439038000,
        "eval_count": a.output,
        "eval_duration": 4196918000,
    }


def _ollama_stream(a: Answer, pieces: Sequence[str]) -> list[bytes]:
    whole = _ollama(a)
    said = whole.pop("message")
    whole["message"] = {"role": "assistant", "content": ""}
    messages = [{"content": "", "thinking": a.thinking}] if a.thinking else []
    messages += [{"content": piece} for piece in pieces]
    messages += [{"content": "", "tool_calls": [call]} for call in said.get("tool_calls", ())]
    head = {"model": a.model, "created_at": whole["created_at"], "done": False}
    sent = [{**head, "message": {"role": "assistant", **message}} for message in messages]
    return [json.dumps(line).encode() + b"\n" for line in [*sent, whole]]


def _responses(a: Answer) -> Any:
    output: list[Any] = []
    if a.thinking or a.signature:
        summary = [{"type": "summary_text", "text": a.thinking}] if a.thinking else []
        signed = {"encrypted_content": a.signature} if a.signature else {}
        output.append({"id": "rs_1", "type": "reasoning", "summary": summary, **signed})
    if a.text:
        part = {"type": "output_text", "text": a.text, "annotations": [], "logprobs": []}
        output.append({"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [part]})
    for at, c in enumerate(a.calls):
        said = {"call_id": c.id, "name": c.name, "arguments": c.arguments}
        output.append({"id": f"fc_{at}", "type": "function_call", "status": "completed", **said})
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1700000000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": a.model,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": a.prompt,
            "input_tokens_details": {"cached_tokens": a.cached, "cache_write_tokens": 0},
            "output_tokens": a.output,
            "output_tokens_details": {"reasoning_tokens": a.reasoning},
            "total_tokens": a.prompt + a.output,
        },
    }


def _responses_stream(a: Answer, pieces: Sequence[str]) -> list[bytes]:
    whole = _responses(a)
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    sent: list[Any] = [{"type": "response.created", "response": begun}]
    for at, item in enumerate(whole["output"]):
        empty, deltas = _responses_deltas(item, pieces)
        sent.append({"type": "response.output_item.added", "output_index": at, "item": empty})
        sent += [{"item_id": item["id"], "output_index": at, **delta} for delta in deltas]
        sent.append({"type": "response.output_item.done", "output_index": at, "item": item})
    sent.append({"type": "response.completed", "response": whole})
    numbered = [{**e, "sequence_number": at} for at, e in enumerate(sent)]
    return [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in numbered]


def _responses_deltas(item: Any, pieces: Sequence[str]) -> tuple[Any, list[Any]]:
    if item["type"] == "function_call":
        half = len(item["arguments"]) // 2
        kind, parts = "response.function_call_arguments.delta", (item["arguments"][:half], item["arguments"][half:])
        return {**item, "arguments": "", "status": "in_progress"}, [{"type": kind, "delta": p} for p in parts]
    if item["type"] == "reasoning":
        kind = "response.reasoning_summary_text.delta"
        return {**item, "summary": []}, [
            {"type": kind, "summary_index": 0, "delta": p["text"]} for p in item["summary"]
        ]
    (part,) = item["content"]
    deltas = [{"type": "response.content_part.added", "content_index": 0, "part": {**part, "text": ""}}]
    kind = "response.output_text.delta"
    deltas += [{"type": kind, "content_index": 0, "delta": piece, "logprobs": []} for piece in pieces]
    deltas.append({"type": "response.content_part.done", "content_index": 0, "part": part})
    return {**item, "content": [], "status": "in_progress"}, deltas


def _cohere(a: Answer) -> Any:
    content = [{"type": "thinking", "thinking": a.thinking}] if a.thinking else []
    content += [{"type": "text", "text": a.text}] if a.text else []
    calls = [{"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in a.calls]
    message = {"role": "assistant", "content": content, "tool_calls": calls}
    return {
        "id": "c14c80c3",
        "finish_reason": "TOOL_CALL" if a.calls else "COMPLETE",
        "message": {name: value for name, value in message.items() if value},
        "usage": {
            "billed_units": {"input_tokens": a.prompt, "output_tokens": a.output},
            "tokens": {"input_tokens": a.prompt, "output_tokens": a.output},
            "cached_tokens": a.cached,
        },
    }


def _cohere_stream(a: Answer, pieces: Sequence[str]) -> list[bytes]:
    whole = _cohere(a)
    empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    sent: list[Any] = [{"type": "message-start", "id": whole["id"], "delta": {"message": empty}}]

    def told(kind: str, index: int, **message: Any) -> None:
        sent.append({"type": kind, "index": index, "delta": {"message": message}})

    for index, block in enumerate(whole["message"].get("content", ())):
        kind = block["type"]
        told("content-start", index, content={"type": kind, kind: ""})
        for piece in pieces if kind == "text" else [block[kind]]:
            told("content-delta", index, content={kind: piece})
        sent.append({"type": "content-end", "index": index})
    for index, call in enumerate(whole["message"].get("tool_calls", ())):
        arguments = call["function"]["arguments"]
        half = len(arguments) // 2
        told("tool-call-start", index, tool_calls={**call, "function": {**call["function"], "arguments": ""}})
        for part in (arguments[:half], arguments[half:]):
            told("tool-call-delta", index, tool_calls={"function": {"arguments": part}})
        sent.append({"type": "tool-call-end", "index": index})
    end = {"finish_reason": whole["finish_reason"], "usage": whole["usage"]}
    sent.append({"type": "message-end", "id": whole["id"], "delta": end})
    return [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in sent]


def _bedrock(a: Answer) -> Any:
    content: list[Any] = []
    if a.thinking or a.signature:
        signed = {"signature": a.signature} if a.signature else {}
        content.append({"reasoningContent": {"reasoningText": {"text": a.thinking, **signed}}})
    if a.text:
        content.append({"text": a.text})
    for c in a.calls:
        content.append({"toolUse": {"toolUseId": c.id, "name": c.name, "input": json.loads(c.arguments)}})
    return {
        "metrics": {"latencyMs": 551},
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "tool_use" if a.calls else "end_turn",
        "usage": {
            "inputTokens": a.prompt - a.cached,
            "outputTokens": a.output,
            "totalTokens": a.prompt + a.output,
            "cacheReadInputTokens": a.cached,
            "cacheWriteInputTokens": 0,
            "serverToolUsage": {},
        },
    }


def aws_message(kind: str, name: str, payload: Any) -> bytes:
    """A message of an AWS event stream, as the service writes it. kind: "event" or "exception"."""
    fields = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    headers = b""
    for key, value in fields.items():
        headers += bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    body = json.dumps({**payload, "p": "abcdefgh"} if kind == "event" else payload).encode()
    message = struct.pack(">II", len(headers) + len(body) + 16, len(headers))
    message += struct.pack(">I", zlib.crc32(message)) + headers + body
    return message + struct.pack(">I", zlib.crc32(message))


def _bedrock_stream(a: Answer, pieces: Sequence[str]) -> list[bytes]:
    whole = _bedrock(a)
    sent: list[tuple[str, Any]] = [("messageStart", {"role": "assistant"})]
    for index, block in enumerate(whole["output"]["message"]["content"]):
        at = {"contentBlockIndex": index}
        start, deltas = _bedrock_deltas(block, pieces)
        sent += [("contentBlockStart", {"start": start, **at})] if start else []
        sent += [("contentBlockDelta", {"delta": delta, **at}) for delta in deltas]
        sent.append(("contentBlockStop", at))
    sent.append(("messageStop", {"stopReason": whole["stopReason"]}))
    sent.append(("metadata", {"usage": whole["usage"], "metrics": whole["metrics"]}))
    return [aws_message("event", name, payload) for name, payload in sent]


def _bedrock_deltas(block: Any, pieces: Sequence[str]) -> tuple[Any, list[Any]]:
    if "text" in block:
        return None, [{"text": piece} for piece in pieces]
    if "reasoningContent" in block:
        thought = block["reasoningContent"]["reasoningText"]
        return None, [{"reasoningContent": {name: value}} for name, value in thought.items()]
    call = dict(block["toolUse"])
    arguments = json.dumps(call.pop("input"))
    half = len(arguments) // 2
    return {"toolUse": call}, [{"toolUse": {"input": p}} for p in (arguments[:half], arguments[half:])]


WHOLE = {
    "openai": _openai,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "ollama": _ollama,
    "responses": _responses,
    "cohere": _cohere,
    "bedrock": _bedrock,
}
STREAM = {
    "openai": _openai_stream,
    "anthropic": _anthropic_stream,
    "gemini": _gemini_stream,
    "ollama": _ollama_stream,
    "responses": _responses_stream,
    "cohere": _cohere_stream,
    "bedrock": _bedrock_stream,
}
