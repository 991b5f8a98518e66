"""A conversation with a running model as the client has it: adapted, rendered, sent, parsed, turned back."""

import http.client
from collections.abc import Iterator

import msgspec

from tsuji.core import events as ev
from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest
from tsuji.core.response import ChatResponse
from tsuji.engine.adapt import adapt_request
from tsuji.engine.endpoint import Endpoint
from tsuji.wire import dialect
from tsuji.wire.dialect import Losses

_QUIRKS = Quirks(rename={"max_completion_tokens": "max_tokens"}, system_role="system")


def _send(endpoint: Endpoint, request: ChatRequest) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    call = dialect("openai").render_request(request, _QUIRKS, Losses("openai"))
    connection = http.client.HTTPConnection(endpoint.base_url.split("/")[2], timeout=300)
    headers = {**endpoint.headers, "Content-Type": "application/json"}
    connection.request("POST", "/v1" + call.path, call.body, headers)
    response = connection.getresponse()
    assert response.status == 200, response.read()
    return connection, response


def chat(endpoint: Endpoint, request: ChatRequest) -> ChatResponse:
    request = msgspec.structs.replace(request, model=endpoint.model)
    adapted, back = adapt_request(request, endpoint.info)
    connection, response = _send(endpoint, adapted)
    answer = dialect("openai").parse_response(response.read(), _QUIRKS)
    connection.close()
    return back.response(answer) if back else answer


def stream(endpoint: Endpoint, request: ChatRequest) -> Iterator[ev.Event]:
    request = msgspec.structs.replace(request, model=endpoint.model, stream=True)
    adapted, back = adapt_request(request, endpoint.info)
    connection, response = _send(endpoint, adapted)
    parser = dialect("openai").stream_parser(_QUIRKS)
    turned = back.events() if back else None
    while data := response.read1(65536):
        events = parser.feed(data)
        yield from turned.feed(events) if turned else events
    events = parser.close()
    yield from turned.feed(events) if turned else events
    connection.close()
