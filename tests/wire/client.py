"""What the tests need of an official client."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from pydantic import TypeAdapter


class Heard(NamedTuple):
    """What a program that uses the client sees of the first choice. calls: (name, arguments)."""

    text: str
    calls: list[tuple[str, Any]]


class Official(NamedTuple):
    """request: whether the client's types allow a body; raises ValidationError. answer, stream: of a whole body.

    client: the same through the client's own transport: (body, status, streamed).
    failures: what the client raises for an error, in an answer or inside a stream.
    """

    request: Callable[[Any], object]
    answer: Callable[[bytes], Heard]
    stream: Callable[[bytes], Heard]
    client: Callable[[bytes, int, bool], Heard]
    failures: tuple[type[Exception], ...]
    embeddings: Any = None


@cache
def type_of(form: Any) -> TypeAdapter[Any]:
    return TypeAdapter(form)


def datas(stream: bytes) -> list[bytes]:
    lines = [line[5:].strip() for line in stream.splitlines() if line.startswith(b"data:")]
    return [line for line in lines if line != b"[DONE]"]


def mock(module: Any, body: bytes, status: int, kind: str) -> Any:
    """A client of httpx (or of its successor) that gets this answer to everything."""
    answer = module.Response(status, content=body, headers={"content-type": kind})
    return module.Client(base_url="http://test", transport=module.MockTransport(lambda _: answer))


def kind_of(streamed: bool) -> str:
    return "text/event-stream" if streamed else "application/json"


def told(error: Any) -> list[str]:
    """What a client's exception says, wherever it says it."""
    found = [str(error), error.__dict__, getattr(error, "body", None), getattr(error, "response", None)]
    out: list[str] = []
    while found:
        each = found.pop()
        if isinstance(each, str):
            out.append(each)
        elif isinstance(each, dict):
            found += each.values()
    return out
