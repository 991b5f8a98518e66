"""The ASGI application: from a request to an endpoint, its handler in a thread, and an answer of one shape."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.to_thread
import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from tsuji.core.errors import (
    InternalError,
    InvalidRequestError,
    LedgerError,
    NotFoundError,
    RequestTooLargeError,
    TsujiError,
)

from . import openapi
from .call import Admin, Call, call
from .door import Door
from .endpoint import Endpoint, InvalidFieldError, WrongMethodError
from .table import ENDPOINTS

log = logging.getLogger("tsuji.control")

MAX_BODY = 1 << 20
BODY_SECONDS = 15.0
HANDLER_SECONDS = 30.0
ANSWER_SECONDS = 60.0
"""For a request altogether, its answer's way to the client included."""
THREADS = 8
"""That wait for the database at one time."""
_JSON = "application/json"
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class UnsupportedTypeError(InvalidRequestError):
    """The body is of a type that is not taken."""

    kind = "unsupported_media_type"
    default_status = 415


class BodyTimeoutError(InvalidRequestError):
    """The body did not come in time."""

    kind = "request_timeout"
    default_status = 408


class Application:
    """body_seconds, handler_seconds: limits of time."""

    def __init__(
        self,
        admin: Admin,
        door: Door,
        *,
        body_seconds: float = BODY_SECONDS,
        handler_seconds: float = HANDLER_SECONDS,
    ) -> None:
        self._admin = admin
        self._door = door
        self._body_seconds = body_seconds
        self._handler_seconds = handler_seconds
        self._threads = anyio.CapacityLimiter(THREADS)
        paths: dict[str, dict[str, Endpoint]] = {}
        for endpoint in (*ENDPOINTS, Endpoint("GET", "/openapi.json", describe, open=True)):
            paths.setdefault(endpoint.path, {})[endpoint.method] = endpoint
        routes = [Route(path, _Resource(self, methods)) for path, methods in paths.items()]
        self._router = Router(routes, redirect_slashes=False, default=_Resource(self, {}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._router(scope, receive, send)

    async def answer(self, methods: Mapping[str, Endpoint], scope: Scope, receive: Receive, send: Send) -> None:
        """methods: of the path; none where there is no such path."""
        request = Request(scope, receive)
        method = "GET" if request.method == "HEAD" else request.method
        rest = "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"
        try:
            endpoint = methods.get(method)
            refusal = self._door.refuse(request.headers, open=endpoint is not None and endpoint.open)
            if refusal is not None:
                raise refusal
            if endpoint is None:
                raise _nothing(request, methods)
            body = await self._body(request) if endpoint.body is not None else None
            rest = rest and body is None
            arguments = endpoint.arguments(request.path_params, scope["query_string"], body)
            result = await self._run(endpoint, arguments)
            response = Response(msgspec.json.encode(result), endpoint.status, _HEADERS, _JSON)
        except ClientDisconnect:
            return
        except Exception as error:
            response = _refusal(error, methods)
        if rest:
            response.headers["connection"] = "close"  # what was not read is not the next request
        await response(scope, receive, send)

    async def _body(self, request: Request) -> bytes:
        """Raises TsujiError."""
        headers = request.headers
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != _JSON or "content-encoding" in headers:
            raise UnsupportedTypeError(f"send {_JSON} without any content-encoding, and say so in content-type")
        pieces: list[bytes] = []
        size = int(headers.get("content-length", "0"))
        try:
            async with asyncio.timeout(self._body_seconds):
                if size <= MAX_BODY:
                    size = 0
                    async for piece in request.stream():
                        pieces.append(piece)
                        size += len(piece)
                        if size > MAX_BODY:
                            break
        except TimeoutError:
            raise BodyTimeoutError(
                f"the body did not come within {self._body_seconds:g} seconds; send it again"
            ) from None
        if size > MAX_BODY:
            raise RequestTooLargeError(f"the body is larger than {MAX_BODY} bytes; send less at a time")
        return b"".join(pieces)

    async def _run(self, endpoint: Endpoint, arguments: dict[str, Any]) -> Any:
        def work() -> Any:
            # The clock is read when a thread is free.
            return endpoint.handler(call(self._admin, self._door.who), **arguments)

        if endpoint.open:
            return work()  # it reads no ledger, so it need not queue behind those who wait for one
        try:
            async with asyncio.timeout(self._handler_seconds):
                return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._threads)
        except TimeoutError:
            raise LedgerError(
                f"the ledger did not answer within {self._handler_seconds:g} seconds; a change may have been made or "
                "not: look before you repeat it"
            ) from None
        except InvalidRequestError as error:
            if error.status != InvalidRequestError.default_status:
                raise
            raise InvalidFieldError(error.message, param=error.param) from None


class _Resource:
    """A path, as Starlette calls it."""

    def __init__(self, application: Application, methods: Mapping[str, Endpoint]) -> None:
        self._application = application
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application.answer(self._methods, scope, receive, send)


def describe(_: Call) -> dict[str, Any]:
    """The OpenAPI document."""
    return openapi.document()


def _nothing(request: Request, methods: Mapping[str, Endpoint]) -> TsujiError:
    path = request.url.path
    if methods:
        return WrongMethodError(f"{path} does not answer {request.method}, only {_allow(methods)}")
    return NotFoundError(f"no such path: {path}; GET /openapi.json describes what there is")


def _allow(methods: Mapping[str, Endpoint]) -> str:
    return ", ".join(sorted([*methods, *(["HEAD"] if "GET" in methods else [])]))


def _refusal(error: Exception, methods: Mapping[str, Endpoint]) -> Response:
    if not isinstance(error, TsujiError):
        log.error("unexpected error in the admin API", exc_info=error)
        error = InternalError("an error that should not be; the admin API's log has the details")
    problem = openapi.Problem(error.kind, error.message, error.fault, error.param)
    headers = dict(_HEADERS)
    if isinstance(error, WrongMethodError):
        headers["allow"] = _allow(methods)
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(msgspec.json.encode(openapi.Problems(problem)), error.status, headers, _JSON)
