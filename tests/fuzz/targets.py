"""What is fuzzed: from a name to a function of bytes, which fails where something does not hold.

What a stranger's bytes may raise is a TsujiError that blames somebody; what is read in pieces is read as in one.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import msgspec

from tests.fuzz.server import Served
from tsuji.catalog import nearest
from tsuji.config import check_config, load_config
from tsuji.core.errors import ConfigError, InternalError, TsujiError
from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest
from tsuji.engine.formats.families import ANY, FAMILIES
from tsuji.engine.formats.reader import FormatReader
from tsuji.engine.hub import HubFile, choose
from tsuji.engine.modelfile import read_modelfile
from tsuji.engine.presets import read_preset, write_preset
from tsuji.engine.registry import read_layers, settings, weights_of
from tsuji.gateway import framing, recording
from tsuji.gateway.client_address import Proxies
from tsuji.gateway.endpoints import dialect_of, find
from tsuji.gateway.proxy_protocol import read
from tsuji.http.message import ResponseHead
from tsuji.http.parser import ResponseParser
from tsuji.http.url import is_loopback, split_url
from tsuji.ledger.record import decode
from tsuji.ledger.spool import frame, frames
from tsuji.wire import DIALECTS, dialect
from tsuji.wire.dialect import Losses
from tsuji.wire.passthrough import check_spelling, decode_fields, encode, model_of, wants_stream

Target = Callable[[bytes], None]
QUIRKS = Quirks()


def _cuts(data: bytes) -> tuple[bytes, list[bytes]]:
    """The data, and the same in pieces, where its own first bytes say."""
    first, rest = data[:3], data[3:]
    at = sorted(byte * (len(rest) + 1) // 256 for byte in first)
    return rest, [rest[a:b] for a, b in zip([0, *at], [*at, len(rest)], strict=True)]


def _raises(function: Callable[..., Any], *values: Any) -> Any:
    """What it returns; None where it refused what it was given."""
    try:
        return function(*values)
    except TsujiError as error:
        assert not isinstance(error, InternalError)
        return None


@cache
def _served() -> Served:
    return Served()


def connection(data: bytes) -> None:
    whole, pieces = _cuts(data)
    taken, answered = _served().feed([whole])
    assert not answered or answered.startswith(b"HTTP/1.1 ")
    again, _ = _served().feed(pieces)
    count = min(len(taken), len(again))
    assert taken[:count] == again[:count]
    for piece in (whole + whole, whole):  # a head that is known by now
        _served().feed([whole, piece])


def proxy_protocol(data: bytes) -> None:
    found = _raises(read, data)
    if found is not None:
        assert 0 < found.size <= len(data)
        for end in range(found.size):
            assert read(data[:end]) is None


def client_address(data: bytes) -> None:
    for header in ("x-forwarded-for", "forwarded"):
        client = Proxies(["10.0.0.0/8", "unix"], header).client("10.0.0.1", {header.encode(): data})
        assert client == "" or any(c in client for c in ".:")
    recording.trace(data)
    _raises(recording.read_tags, data)


def paths(data: bytes) -> None:
    method, _, path = data.partition(b" ")
    found = _raises(find, method, path)
    assert found is None or found[0].path == path[: len(found[0].path)]
    dialect_of(path)
    text = data.decode("latin-1")
    is_loopback(text)
    _raises(split_url, text)
    nearest(text[:50], ("openai", "anthropic"))


def spool(data: bytes) -> None:
    found, end, torn = frames(data)
    assert b"".join(map(frame, found)) == data[:end]
    for record in (*found, data):
        with suppress(msgspec.MsgspecError):
            decode(record)
    assert frames(data[:end]) == (found, end, True)
    assert torn or len(data) > end


def config(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(data)
        file.flush()
        problems = check_config(file.name)
        try:
            load_config(file.name)
        except ConfigError:
            assert any(problem.severity == "error" for problem in problems)


def response(data: bytes) -> None:
    """A provider's answer as HTTP."""
    whole, pieces = _cuts(data)
    heads: list[list[ResponseHead]] = []
    for parts in ([whole], pieces):
        bodies: list[bytes] = []
        seen: list[ResponseHead] = []
        parser = ResponseParser("it")
        parser.begin(bodies.append, seen.append)
        with suppress(TsujiError):
            for part in parts:
                parser.feed(part)
            parser.feed_eof()
        heads.append(seen)
    assert heads[0][:1] == heads[1][:1]


def _split(make: Callable[[], Any], whole: bytes, pieces: list[bytes]) -> None:
    """Read at once or in pieces, something says the same."""
    said: list[Any] = []
    for parts in ([whole], pieces):
        reader = make()
        out: list[Any] = []
        try:
            for part in parts:
                out += reader.feed(part)
            if hasattr(reader, "close"):
                out += reader.close()
        except TsujiError as error:
            assert not isinstance(error, InternalError)
            out.append("refused")
        said.append([each if each == "refused" else repr(each) for each in out])  # an error is equal to itself only
    if "refused" in said[0] or "refused" in said[1]:
        assert said[0][-1] == said[1][-1]
    else:
        assert said[0] == said[1]


def framings(data: bytes) -> None:
    whole, pieces = _cuts(data)
    for make in (framing.WholeLines, framing.WholeMessages, framing.JsonArray):
        _split(make, whole, pieces)
    for make in (framing.WholeEvents, framing.BareEvents):
        framed = make()
        out = [framed.feed(piece) for piece in pieces]
        assert all(piece.endswith((b"\n\n", b"\r\n\r\n")) for piece in out if piece)
        assert b"".join([*out, framed.close()]).strip() == whole.strip()


def formats(data: bytes) -> None:
    """What a local model wrote: the first byte says of which family it is."""
    family = [ANY, *FAMILIES.values()][data[0] % (len(FAMILIES) + 1)] if data else ANY
    text = data[1:].decode("utf-8", "replace")
    third = len(text) // 3
    said: list[list[tuple[str, str]]] = []
    for parts in ([text], list(text), [text[:third], text[third:]]):
        reader = FormatReader(family)
        joined: list[tuple[str, str]] = []
        for piece in [*[p for part in parts for p in reader.feed(part)], *reader.finish()]:
            if joined and joined[-1][0] == piece.kind and piece.kind not in ("call", "end"):
                joined[-1] = (piece.kind, joined[-1][1] + piece.text)
            else:
                joined.append((piece.kind, piece.text))
        said.append(joined)
    assert said[0] == said[1] == said[2]


def model_files(data: bytes) -> None:
    """What comes with a model: a Modelfile, a preset, a manifest, the hub's list."""
    text = data.decode("utf-8", "replace")
    _raises(read_modelfile, text)
    preset = _raises(read_preset, text, "it")
    assert preset is None or read_preset(write_preset(preset), "it") == preset
    with suppress(ValueError):
        decoded: Any = json.loads(data)
        layers = _raises(read_layers, decoded, "it")
        if layers:
            settings(layers, lambda layer: data)
            _raises(weights_of, layers, "it")
        if isinstance(decoded, list):
            files = [HubFile(str(entry), None, None) for entry in decoded]
            _raises(choose, files, "Q4_K_M", "o/r")


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _requests(name: str) -> Target:
    """A client's body, to core and on to every dialect."""
    spoken = dialect(name)

    def one(body: bytes) -> None:
        fields = _raises(decode_fields, body)
        if fields is not None and _is_utf8(body):  # the driver looks first
            _raises(check_spelling, fields, spoken)
            _raises(model_of, fields)
            wants_stream(fields)
            msgspec.json.decode(encode(fields))
        for model, stream in ((None, None), ("m", True)):
            asked: ChatRequest | None = _raises(spoken.parse_request, body, model, stream)
            for other in DIALECTS if asked is not None else ():
                call = _raises(dialect(other).render_request, asked, QUIRKS, Losses(other, True, spoken.names))
                assert call is None or isinstance(msgspec.json.decode(call.body), dict)
        if spoken.parse_embedding_request is not None:
            asked_for = _raises(spoken.parse_embedding_request, body, None)
            for other in DIALECTS if asked_for is not None else ():
                render = dialect(other).render_embedding_request
                if render is not None:
                    _raises(render, asked_for, QUIRKS, Losses(other, True, spoken.names))

    return one


def _responses(name: str) -> Target:
    """A provider's body, to core and on to every dialect; also as an error."""
    spoken = dialect(name)

    def one(body: bytes) -> None:
        answer = _raises(spoken.parse_response, body, QUIRKS)
        for other in DIALECTS if answer is not None else ():
            msgspec.json.decode(dialect(other).render_response(answer))
        error = spoken.parse_error(400 + len(body) % 200, {}, body)
        for other in DIALECTS:
            msgspec.json.decode(dialect(other).render_error(error))
        spoken.read_usage(body)
        for parse in (spoken.parse_embedding_response, spoken.parse_models):
            if parse is not None:
                _raises(parse, body)

    return one


def _streams(name: str) -> Target:
    """A provider's stream, cut anywhere, to events and on to every dialect."""
    spoken = dialect(name)

    def one(data: bytes) -> None:
        whole, pieces = _cuts(data)
        _split(lambda: spoken.stream_parser(QUIRKS), whole, pieces)
        tail = spoken.stream_tail()
        for piece in pieces:
            _raises(tail.feed, piece)
        for other in DIALECTS:
            parser, renderer = spoken.stream_parser(QUIRKS), dialect(other).stream_renderer(ChatRequest(model="m"))
            for piece in pieces:
                events = _raises(parser.feed, piece)
                if events is None:
                    return
                renderer.render(events)
            events = _raises(parser.close)
            if events is not None:
                renderer.render(events)

    return one


def _all() -> Iterator[tuple[str, Target]]:
    yield from {
        "connection": connection,
        "proxy_protocol": proxy_protocol,
        "client_address": client_address,
        "paths": paths,
        "spool": spool,
        "config": config,
        "response": response,
        "framings": framings,
        "formats": formats,
        "model_files": model_files,
    }.items()
    for name in DIALECTS:
        yield f"{name}.requests", _requests(name)
        yield f"{name}.responses", _responses(name)
        yield f"{name}.streams", _streams(name)


TARGETS: dict[str, Target] = dict(_all())
NAMES = tuple(TARGETS)


def every(data: bytes) -> None:
    """All of them by turns: the first byte says which."""
    if data:
        TARGETS[NAMES[data[0] % len(NAMES)]](data[1:])
