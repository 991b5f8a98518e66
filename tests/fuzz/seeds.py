"""What a fuzzer begins with: small true messages of every kind, made by code that the tests have, and their words."""

import json
import tomllib
from pathlib import Path

from tests import answers
from tests.fuzz.targets import NAMES
from tests.gateway import asking
from tests.gateway.serving import request
from tests.gateway.smuggling import READ, REFUSED
from tests.ledger.records import record
from tsuji.engine.formats.families import FAMILIES
from tsuji.ledger.record import encode
from tsuji.ledger.spool import frame
from tsuji.wire import DIALECTS, dialect

_CUTS = b"\x20\x80\xe0"
_TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
_CONFIG = b"""
[server]
keys = ["k"]
socket = "x"
tls = { certificate = "a", key = "b" }
trusted_proxies = ["10.0.0.0/8"]
[[server.listen]]
port = 1
[providers.a]
dialect = "openai"
base_url = "http://{region}.x/v1"
settings = { region = "y" }
[routes.r]
targets = ["a:m", { model = "a:n", price = { input = 0.5 } }]
timeouts = { total = 1 }
"""


def seeds(name: str) -> list[bytes]:
    """Of a target, or of "every"."""
    if name == "every":
        return [bytes([number]) + seed for number, each in enumerate(NAMES) for seed in seeds(each)]
    dialect_name, _, kind = name.rpartition(".")
    if kind == "requests" and dialect_name in asking.DIALECTS:
        bodies = [asking.chat(dialect_name, stream=stream)[1] for stream in (False, True)]
        bodies.append({**bodies[0], "tools": [_TOOL], "temperature": 0.5, "max_tokens": 5})
        return [json.dumps(body).encode() for body in bodies]
    if kind in ("responses", "streams"):
        spoken = dialect_name.partition(".")[0]
        if spoken not in asking.DIALECTS:
            return []
        if kind == "responses":
            replies = [answers.chat(spoken), answers.error(spoken, 429, "no")]
            return [reply.body for reply in replies if isinstance(reply.body, bytes)]
        return [_CUTS + b"".join([step for step in answers.stream(spoken).body if isinstance(step, bytes)])]
    if name == "connection":
        asked = [request(*asking.chat(d), headers={"x-api-key": "k"}) for d in asking.DIALECTS]
        return [_CUTS + data for data in (*asked, *READ.values(), *REFUSED.values())]
    return _OTHER.get(name, [])


_CASES = tomllib.loads((Path(__file__).parent.parent / "engine/formats/cases.toml").read_text())["case"]
_FAMILIES = ["any", *FAMILIES]
_DIGEST = "sha256:" + "0" * 64
_OTHER = {
    "formats": [bytes([_FAMILIES.index(case["family"])]) + case["text"].encode() for case in _CASES],
    "model_files": [
        b'FROM m\nPARAMETER temperature 0.5\nPARAMETER stop "x"\nSYSTEM """\na\n"""\nMESSAGE user Hi\nADAPTER ./a\n',
        b'base = "m"\nthinking = "low"\nadapters = [{ file = "a" }]\n[parameters]\nseed = 1\n[variants.v]\nsystem = ""',
        json.dumps(
            {"layers": [{"mediaType": "application/vnd.ollama.image.params", "digest": _DIGEST, "size": 9}]}
        ).encode(),
        b'["m-Q4_K_M.gguf", "b/m-Q4_K_M-00001-of-00002.gguf"]',
    ],
    "proxy_protocol": [
        b"PROXY TCP4 198.51.100.1 10.0.0.1 4711 443\r\n",
        b"PROXY UNKNOWN\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24" + bytes(36),
    ],
    "client_address": [
        b"1.2.3.4, 10.0.0.1",
        b'for="[2001:db8::1]:80";proto=http, for=10.0.0.1',
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ],
    "paths": [b"POST /v1beta/models/a%2fb:generateContent", b"GET /v1/models/x", b"x https://a.example:80/b?c"],
    "spool": [frame(encode(record("a")))],
    "config": [_CONFIG],
    "response": [
        _CUTS + b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        _CUTS
        + b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ],
    "framings": [
        _CUTS + b"".join([step for step in answers.stream(d).body if isinstance(step, bytes)])
        for d in ("openai", "anthropic", "ollama", "bedrock")
    ],
}


def words(name: str) -> list[bytes]:
    """That the target reads: fields of its dialect, or HTTP's."""
    dialect_name, _, _ = name.rpartition(".")
    if dialect_name in DIALECTS:
        spoken = dialect(dialect_name)
        return [f'"{field}":'.encode() for field in sorted(spoken.fields) if field.isidentifier()] + _JSON
    return [
        b"\r\n",
        b"HTTP/1.1",
        b"Host: ",
        b"Content-Length: ",
        b"Transfer-Encoding: chunked",
        b"Expect: 100-continue",
    ]


_JSON = [
    b'"type":',
    b'"text":',
    b'"role":',
    b'"content":',
    b'"user"',
    b'"tool_use"',
    b'"image_url"',
    b"null",
    b"data: ",
    b"[DONE]",
]
