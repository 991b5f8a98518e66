"""botocore, which boto3 is made of: its check of arguments, its parsers, and its client over a transport of ours."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.validate import ParamValidator

from .client import Heard, Official
from .reading import joined, value

_MODEL = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))
_PARSER = create_parser(_MODEL.protocol)
_ORDINARY = (None, "tool_use")
"""What the `type` of a call is that the client is to answer."""


class _Raw:
    """A body, as botocore reads it."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def read(self, size: int | None = None) -> bytes:
        out, self.body = self.body, b""
        return out

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        yield self.body

    def close(self) -> None:
        """There is no connection."""


_answers: list[AWSResponse] = []


@cache
def _runtime() -> Any:
    client: Any = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        aws_access_key_id="k",
        aws_secret_access_key="s",
        endpoint_url="http://test",
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.meta.events.register("before-send.bedrock-runtime.*", lambda **_: _answers.pop())
    return client


def _request(body: Any) -> object:
    shape: Any = _MODEL.operation_model("Converse").input_shape
    report = ParamValidator().validate({"modelId": "m", **body}, shape).generate_report()
    assert report == ""
    return report


def _heard(answer: Any) -> Heard:
    blocks = answer["output"]["message"]["content"]
    pieces = [p for b in blocks for p in (b.get("citationsContent", {}).get("content") or [b])]
    used = [b["toolUse"] for b in blocks if "toolUse" in b and b["toolUse"].get("type") in _ORDINARY]
    return Heard(joined([p.get("text") for p in pieces]), [(u["name"], u["input"]) for u in used])


def _whole(body: bytes) -> Heard:
    shape = _MODEL.operation_model("Converse").output_shape
    return _heard(_PARSER.parse({"status_code": 200, "headers": HeadersDict(), "body": body}, shape))


def _client(body: bytes, status: int, streamed: bool) -> Heard:
    kind = "application/vnd.amazon.eventstream" if streamed and status == 200 else "application/json"
    _answers.append(AWSResponse("http://test", status, HeadersDict({"content-type": kind}), _Raw(body)))
    ask: Any = {"modelId": "m", "messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    if streamed:
        return _stream_heard(_runtime().converse_stream(**ask)["stream"])
    return _heard(_runtime().converse(**ask))


def _stream_heard(events: Any) -> Heard:
    texts: list[str] = []
    calls: dict[int, list[str]] = {}
    for event in events:
        started = event.get("contentBlockStart", {"start": {}})
        used = started["start"].get("toolUse")
        if used and used.get("type") in _ORDINARY:
            calls[started["contentBlockIndex"]] = [used["name"], ""]
        elif "contentBlockDelta" in event:
            delta, at = event["contentBlockDelta"]["delta"], event["contentBlockDelta"]["contentBlockIndex"]
            texts.append(delta.get("text", ""))
            if "toolUse" in delta and at in calls:
                calls[at][1] += delta["toolUse"]["input"]
    return Heard("".join(texts), [(name, value(text or "{}")) for name, text in calls.values()])


BEDROCK = Official(_request, _whole, lambda body: _client(body, 200, True), _client, (ClientError,))
