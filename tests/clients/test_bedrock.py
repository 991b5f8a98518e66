"""boto3, pointed at the gateway in front of providers of every dialect."""

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from tests import answers
from tests.answers import Call
from tests.clients.conftest import Gateway
from tests.scripted import CUT, Reply

HELLO = [{"role": "user", "content": [{"text": "hello"}]}]
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4 a page"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"toolSpec": {"name": "weather", "description": "of a city", "inputSchema": {"json": SCHEMA}}}


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Any]:
    made = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=gateway.url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )
    yield made
    made.close()


def model(upstream: str) -> str:
    return f"{upstream}-mock:model-1"


def text_of(answer: Any) -> str:
    return "".join([block.get("text", "") for block in answer["output"]["message"]["content"]])


def gathered(stream: Any) -> Any:
    """A streamed answer as converse would have given it, folded the way AWS's own examples do."""
    blocks: dict[int, Any] = {}
    whole: dict[str, Any] = {}
    for event in stream:
        ((kind, fields),) = event.items()
        block = blocks.setdefault(fields["contentBlockIndex"], {}) if "contentBlockIndex" in fields else {}
        if kind == "contentBlockStart":
            block["toolUse"] = {**fields["start"]["toolUse"], "input": ""}
        elif kind == "contentBlockDelta":
            delta = fields["delta"]
            if "text" in delta:
                block["text"] = block.get("text", "") + delta["text"]
            elif "toolUse" in delta:
                block["toolUse"]["input"] += delta["toolUse"]["input"]
            else:
                thought = delta["reasoningContent"]
                if "redactedContent" in thought:
                    block["reasoningContent"] = thought
                else:
                    held = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {"text": ""})
                    for name, said in thought.items():
                        held[name] = held.get(name, "") + said
        elif kind in ("messageStop", "metadata"):
            whole.update(fields)
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    content = [blocks[index] for index in sorted(blocks)]
    return {**whole, "output": {"message": {"role": "assistant", "content": content}}}


def ask(client: Any, streaming: bool, **request: Any) -> Any:
    return gathered(client.converse_stream(**request)["stream"]) if streaming else client.converse(**request)


BOTH = pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])


def scripted(upstream: str, text: str, streaming: bool, **what: Any) -> Reply:
    return (
        answers.stream(upstream, [text] if text else (), **what) if streaming else answers.chat(upstream, text, **what)
    )


def test_chat(gateway: Gateway, client: Any, upstream: str) -> None:
    gateway.script(answers.chat(upstream, "Kyoto is old.", prompt=12, output=7))
    stop = {} if upstream == "responses" else {"stopSequences": ["END"]}  # OpenAI's responses have none
    answer = client.converse(
        modelId=model(upstream),
        system=[{"text": "be brief"}],
        messages=HELLO,
        inferenceConfig={"maxTokens": 40, "temperature": 0.5, **stop},
    )
    assert answer["output"]["message"]["role"] == "assistant"
    assert text_of(answer) == "Kyoto is old."
    assert answer["stopReason"] == "end_turn"
    usage = answer["usage"]
    assert (usage["inputTokens"], usage["outputTokens"], usage["totalTokens"]) == (12, 7, 19)
    assert answer["metrics"]["latencyMs"] == (551 if upstream == "bedrock" else 0)
    assert "be brief" in gateway.last.body.decode()
    assert not stop or "END" in gateway.last.body.decode()


def test_streaming(gateway: Gateway, client: Any, upstream: str) -> None:
    gateway.script(answers.stream(upstream, ["Kyo", "to ", "is old."], prompt=12, output=7))
    events = list(client.converse_stream(modelId=model(upstream), messages=HELLO)["stream"])
    deltas = [e["contentBlockDelta"]["delta"].get("text") for e in events if "contentBlockDelta" in e]
    assert [delta for delta in deltas if delta] == ["Kyo", "to ", "is old."]
    assert events[0] == {"messageStart": {"role": "assistant"}}
    assert events[-2]["messageStop"]["stopReason"] == "end_turn"
    usage = events[-1]["metadata"]["usage"]
    assert (usage["inputTokens"], usage["outputTokens"]) == (12, 7)


@BOTH
def test_tool_loop(gateway: Gateway, client: Any, upstream: str, streaming: bool) -> None:
    calls = [Call(), Call("weather", '{"city":"Nara"}', "call_2")]
    gateway.script([scripted(upstream, "", streaming, calls=calls), answers.chat(upstream, "Sunny in both.")])
    choice = {} if upstream == "ollama" else {"toolChoice": {"any": {}}}  # Ollama cannot demand a call
    request: dict[str, Any] = {"modelId": model(upstream), "toolConfig": {"tools": [WEATHER]}}
    first = ask(client, streaming, **{**request, "toolConfig": {"tools": [WEATHER], **choice}}, messages=HELLO)
    assert first["stopReason"] == "tool_use"
    used = [block["toolUse"] for block in first["output"]["message"]["content"] if "toolUse" in block]
    assert [(u["name"], u["input"]) for u in used] == [("weather", {"city": "Kyoto"}), ("weather", {"city": "Nara"})]
    results = [
        {"toolResult": {"toolUseId": u["toolUseId"], "content": [{"json": {"sky": f"sunny in {u['input']['city']}"}}]}}
        for u in used
    ]
    messages = [*HELLO, first["output"]["message"], {"role": "user", "content": results}]
    assert text_of(client.converse(messages=messages, **request)) == "Sunny in both."
    body = gateway.last.body.decode()
    assert body.index("sunny in Kyoto") < body.index("sunny in Nara")
    assert len({u["toolUseId"] for u in used}) == 2


def test_structured_output(gateway: Gateway, client: Any, upstream: str) -> None:
    gateway.script(answers.chat(upstream, '{"city":"Kyoto"}'))
    form = {"name": "City", "schema": json.dumps({**SCHEMA, "additionalProperties": False})}
    answer = client.converse(
        modelId=model(upstream),
        messages=HELLO,
        outputConfig={"textFormat": {"type": "json_schema", "structure": {"jsonSchema": form}}},
    )
    assert json.loads(text_of(answer)) == {"city": "Kyoto"}
    sent = gateway.last.body.decode().replace("\\", "")
    assert '"city"' in sent and '"required"' in sent


@BOTH
def test_thinking_through_a_tool_loop(gateway: Gateway, client: Any, upstream: str, streaming: bool) -> None:
    """What was signed comes back to whoever signed it, through a client that does not look at it."""
    signed = upstream not in ("openai", "ollama", "cohere")
    thought = {"thinking": "Old capital?", "signature": "c2lnbmVkIQ==" if signed else "", "calls": [Call()]}
    gateway.script([scripted(upstream, "", streaming, **thought), answers.chat(upstream, "Sunny.")])
    think = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
    request: dict[str, Any] = {
        "modelId": model(upstream),
        "toolConfig": {"tools": [WEATHER]},
        "inferenceConfig": {"maxTokens": 8000},
        "additionalModelRequestFields": think,
    }
    first = ask(client, streaming, messages=HELLO, **request)
    content = first["output"]["message"]["content"]
    thoughts = [b["reasoningContent"] for b in content if "reasoningContent" in b]
    assert "".join([t["reasoningText"]["text"] for t in thoughts if "reasoningText" in t]) == "Old capital?"
    (used,) = [block["toolUse"] for block in content if "toolUse" in block]
    result = {"toolUseId": used["toolUseId"], "content": [{"text": "sunny"}], "status": "success"}
    messages = [*HELLO, first["output"]["message"], {"role": "user", "content": [{"toolResult": result}]}]
    assert text_of(client.converse(messages=messages, **request)) == "Sunny."
    body = gateway.last.body.decode()
    assert "dHN1amku" not in body and "tsuji." not in body
    if signed:
        assert "c2lnbmVkIQ==" in body
    if upstream == "bedrock":
        assert gateway.last.json()["additionalModelRequestFields"] == think
        assert gateway.last.json()["messages"][1]["content"][0] == {
            "reasoningContent": {"reasoningText": {"text": "Old capital?", "signature": "c2lnbmVkIQ=="}}
        }


def test_images_and_documents(gateway: Gateway, client: Any, upstream: str) -> None:
    gateway.script(answers.chat(upstream, "a pixel"))
    content: list[Any] = [{"text": "what is it?"}, {"image": {"format": "png", "source": {"bytes": PIXEL}}}]
    reads_files = upstream not in ("ollama", "cohere")
    if reads_files:
        content.append({"document": {"format": "pdf", "name": "page", "source": {"bytes": PDF}}})
    answer = client.converse(modelId=model(upstream), messages=[{"role": "user", "content": content}])
    assert text_of(answer) == "a pixel"
    body = gateway.last.body.decode()
    assert base64.b64encode(PIXEL).decode() in body
    assert (base64.b64encode(PDF).decode() in body) == reads_files


def test_what_only_bedrock_knows_is_refused_by_name_elsewhere(gateway: Gateway, client: Any) -> None:
    gateway.script(answers.chat("openai", "no"))
    guard = {"guardrailIdentifier": "abc", "guardrailVersion": "1"}
    with pytest.raises(client.exceptions.ValidationException, match="guardrailConfig"):
        client.converse(modelId=model("openai"), messages=HELLO, guardrailConfig=guard)
    image = {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/key"}}}
    with pytest.raises(client.exceptions.ValidationException, match="image"):
        client.converse(modelId=model("openai"), messages=[{"role": "user", "content": [{"image": image}]}])
    assert not gateway.provider.requests
    gateway.script(answers.chat("bedrock", "yes"))
    assert text_of(client.converse(modelId=model("bedrock"), messages=HELLO, guardrailConfig=guard)) == "yes"
    assert gateway.last.json()["guardrailConfig"] == guard


EXCEPTIONS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


@BOTH
@pytest.mark.parametrize("status", EXCEPTIONS)
def test_errors(gateway: Gateway, client: Any, upstream: str, status: int, streaming: bool) -> None:
    gateway.script(answers.error(upstream, status, "the provider's words"))
    operation = client.converse_stream if streaming else client.converse
    with pytest.raises(getattr(client.exceptions, EXCEPTIONS[status])) as caught:
        operation(modelId=model(upstream), messages=HELLO)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert "the provider's words" in caught.value.response["Error"]["Message"]


def test_errors_of_other_kinds(gateway: Gateway, client: Any) -> None:
    for kind, status in (("ModelTimeoutException", 408), ("ModelErrorException", 424), ("ModelNotReadyException", 429)):
        gateway.script(answers.error("bedrock", status, "words", type=kind))
        with pytest.raises(getattr(client.exceptions, kind)):
            client.converse(modelId=model("bedrock"), messages=HELLO)
    gateway.script(answers.error("bedrock", 403, "words", type="ExpiredTokenException"))
    with pytest.raises(ClientError) as caught:
        client.converse(modelId=model("bedrock"), messages=HELLO)
    assert caught.value.response["Error"]["Code"] == "ExpiredTokenException"


def test_an_unknown_model(client: Any) -> None:
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="nowhere"):
        client.converse(modelId="nowhere:m", messages=HELLO)


def test_a_path_that_there_is_not(client: Any) -> None:
    with pytest.raises(ClientError) as caught:
        client.count_tokens(modelId="m", input={"converse": {"messages": HELLO}})
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_a_cut_stream_does_not_look_finished(gateway: Gateway, client: Any, upstream: str) -> None:
    whole = list(answers.stream(upstream, ["Kyo", "to"]).body)
    cut = next(i for i, step in enumerate(whole) if isinstance(step, bytes) and b"Kyo" in step) + 1
    gateway.script(Reply([*whole[:cut], 0.05, CUT], content_type=answers.stream_type(upstream)))
    seen: list[Any] = []
    stream = client.converse_stream(modelId=model(upstream), messages=HELLO)["stream"]
    with closing(stream), pytest.raises(EventStreamError) as caught:
        for event in stream:
            seen.append(event)
    assert "modelStreamErrorException" in str(caught.value)
    assert gathered(seen)["output"]["message"]["content"] == [{"text": "Kyo"}]
    assert not any("messageStop" in event or "metadata" in event for event in seen)


def test_an_exception_in_a_stream(gateway: Gateway, client: Any) -> None:
    said = list(answers.stream("bedrock", ["Kyo", "to"]).body)[:2]
    busy = answers.aws_message("exception", "throttlingException", {"message": "too fast"})
    gateway.script(Reply([*said, 0.05, busy], content_type=answers.MESSAGES))
    stream = client.converse_stream(modelId=model("bedrock"), messages=HELLO)["stream"]
    with closing(stream), pytest.raises(EventStreamError, match=r"throttlingException.*too fast"):
        list(stream)
    gateway.script(Reply([busy], content_type=answers.MESSAGES))
    with pytest.raises(client.exceptions.ThrottlingException, match="too fast"):
        client.converse_stream(modelId=model("bedrock"), messages=HELLO)


def test_the_same_dialect_passes_undecoded(gateway: Gateway, client: Any) -> None:
    gateway.script(answers.chat("bedrock", "hi"))
    client.converse(
        modelId="bedrock-mock:arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc",
        messages=HELLO,
        serviceTier={"type": "flex"},
        requestMetadata={"team": "blue"},
    )
    name = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc"
    assert gateway.last.target == f"/model/{name}/converse"
    assert gateway.last.json() == {
        "messages": HELLO,
        "serviceTier": {"type": "flex"},
        "requestMetadata": {"team": "blue"},
    }
    assert gateway.last.headers["authorization"] == "Bearer upstream-key"


def test_embeddings(gateway: Gateway, client: Any) -> None:
    for upstream in ("openai", "gemini", "ollama"):
        gateway.script(answers.embeddings(upstream, [[0.5, -0.25]]))
        body = json.dumps({"inputText": "a", "normalize": True})
        answer = client.invoke_model(modelId=f"{upstream}-mock:embedder", body=body)
        assert json.loads(answer["body"].read())["embedding"] == [0.5, -0.25]
    gateway.script(answers.embeddings("openai", [[0.5, -0.25], [1.0, 2.0]]))
    body = json.dumps({"texts": ["a", "b"], "input_type": "search_document"})
    answer = client.invoke_model(modelId="openai-mock:embedder", body=body)
    assert json.loads(answer["body"].read())["embeddings"] == [[0.5, -0.25], [1.0, 2.0]]
    with pytest.raises(client.exceptions.ValidationException, match="converse"):
        client.invoke_model(modelId="openai-mock:m", body=json.dumps({"messages": []}))
