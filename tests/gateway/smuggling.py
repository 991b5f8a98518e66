"""Requests that two readers have read in two ways: what real smuggling attacks and parsers' advisories are made of.

Sources: PortSwigger's research (https://portswigger.net/research/http-desync-attacks-request-smuggling-reborn,
https://portswigger.net/research/http1-must-die) and its HTTP Request Smuggler; the HTTP Garden
(https://github.com/narfindustries/http-garden); RFC 9112 sections 2.2, 3, 5, 6, 7 and 11; advisories of llhttp, Go,
nginx, aiohttp and gunicorn.

Each has INNER where a wrong reader would find another request. REFUSED must be answered with an error, and the
connection must end. READ is one request for every reader that keeps to RFC 9112, and the next one is answered too.
"""

INNER = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
HOST = b"Host: localhost\r\n"
POST = b"POST /v1/messages HTTP/1.1\r\n" + HOST
CHUNKED = b"Transfer-Encoding: chunked\r\n"
_HIDDEN = b"0\r\n\r\n" + INNER
_LENGTH = b"Content-Length: %d\r\n" % len(_HIDDEN)


def _length(value: bytes, name: bytes = b"Content-Length: ") -> bytes:
    return POST + name + value + b"\r\n\r\n" + INNER


def _coding(line: bytes) -> bytes:
    """A doubtful Transfer-Encoding beside a length that covers everything."""
    return POST + _LENGTH + line + b"\r\n" + _HIDDEN


def _alone(line: bytes) -> bytes:
    return POST + line + b"\r\n" + _HIDDEN


def _chunks(body: bytes) -> bytes:
    return POST + CHUNKED + b"\r\n" + body


_INNER_CHUNK = b"%x\r\n%b\r\n0\r\n\r\n" % (len(INNER), INNER)

REFUSED = {
    # lengths
    "CL.TE": POST + _LENGTH + CHUNKED + b"\r\n" + _HIDDEN,
    "TE.CL": POST + CHUNKED + b"Content-Length: 5\r\n\r\n" + _HIDDEN,
    "TE.0": POST + CHUNKED + b"Content-Length: 0\r\n\r\n" + _HIDDEN,
    "two lengths": POST + b"Content-Length: 0\r\n" + _LENGTH + b"\r\n" + _HIDDEN,
    "one length twice": POST + _LENGTH * 2 + b"\r\n" + _HIDDEN,
    "list of lengths": _length(b"43, 43"),
    "plus": _length(b"+43"),
    "minus": _length(b"-1"),
    "minus zero": _length(b"-0"),
    "hexadecimal": _length(b"0x2b"),
    "two numbers": _length(b"0 43"),
    "decimal point": _length(b"43.0"),
    "exponent": _length(b"4e1"),
    "underscore": _length(b"4_3"),
    "letters": _length(b"4a"),
    "overflow to nothing": _length(b"18446744073709551616"),
    "far overflow": _length(b"9" * 400),
    "no length": _length(b""),
    "vertical tab and length": _length(b"\x0b43"),
    "form feed and length": _length(b"43\x0c"),
    "NUL and length": _length(b"43\0"),
    "other digits": _length("\uff14\uff13".encode()),
    "length folded": _length(b"\r\n 43"),
    "length and space before colon": _length(b"43", b"Content-Length : "),
    # codings
    "xchunked": _coding(b"Transfer-Encoding: xchunked\r\n"),
    "identity": _alone(b"Transfer-Encoding: identity\r\n"),
    "identity, chunked": _alone(b"Transfer-Encoding: identity, chunked\r\n"),
    "chunked, identity": _alone(b"Transfer-Encoding: chunked, identity\r\n"),
    "gzip, chunked": _alone(b"Transfer-Encoding: gzip, chunked\r\n"),
    "chunked, chunked": _alone(b"Transfer-Encoding: chunked, chunked\r\n"),
    "chunked twice": _alone(CHUNKED * 2),
    "identity and chunked": _alone(b"Transfer-Encoding: identity\r\n" + CHUNKED),
    "chunked and identity": _alone(CHUNKED + b"Transfer-Encoding: identity\r\n"),
    "chunked and nothing": _alone(CHUNKED + b"Transfer-Encoding:\r\n"),
    "nothing": _coding(b"Transfer-Encoding:\r\n"),
    "comma before": _alone(b"Transfer-Encoding: , chunked\r\n"),
    "comma behind": _alone(b"Transfer-Encoding: chunked,\r\n"),
    "quoted": _coding(b'Transfer-Encoding: "chunked"\r\n'),
    "parameter": _alone(b"Transfer-Encoding: chunked;q=1\r\n"),
    "space before colon": _coding(b"Transfer-Encoding : chunked\r\n"),
    "tab before colon": _coding(b"Transfer-Encoding\t: chunked\r\n"),
    "NUL before colon": _coding(b"Transfer-Encoding\0: chunked\r\n"),
    "space before name": _coding(b" Transfer-Encoding: chunked\r\n"),
    "folded": _coding(b"Transfer-Encoding:\r\n chunked\r\n"),
    "name in two lines": _coding(b"Transfer-\r\n Encoding: chunked\r\n"),
    "vertical tab": _coding(b"Transfer-Encoding: \x0bchunked\r\n"),
    "form feed": _coding(b"Transfer-Encoding: chunked\x0c\r\n"),
    "NUL": _coding(b"Transfer-Encoding: chunked\0\r\n"),
    "no-break space": _coding(b"Transfer-Encoding: chunked\xa0\r\n"),
    "Kelvin sign": _coding("Transfer-Encoding: chun\u212aed\r\n".encode()),
    "behind LF": _coding(b"X: y\nTransfer-Encoding: chunked\r\n"),
    "behind CR": _coding(b"X: y\rTransfer-Encoding: chunked\r\n"),
    "CR CR LF": _coding(b"Transfer-Encoding: chunked\r\r\n"),
    "chunked in HTTP/1.0": _alone(CHUNKED).replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    # chunks
    "size with 0x": _chunks(b"0x" + _INNER_CHUNK),
    "size with plus": _chunks(b"+" + _INNER_CHUNK),
    "size with minus": _chunks(b"-" + _INNER_CHUNK),
    "size behind space": _chunks(b" " + _INNER_CHUNK),
    "size before space": _chunks(_INNER_CHUNK.replace(b"\r\n", b" \r\n", 1)),
    "size before tab": _chunks(_INNER_CHUNK.replace(b"\r\n", b"\t\r\n", 1)),
    "size with underscore": _chunks(b"0_0\r\n\r\n" + INNER),
    "size overflow": _chunks(b"1" + b"0" * 16 + b"\r\n\r\n" + INNER),
    "no size": _chunks(b"\r\n\r\n" + INNER),
    "LF behind size": _chunks(_INNER_CHUNK.replace(b"\r\n", b"\n", 1)),
    "CR behind size": _chunks(_INNER_CHUNK.replace(b"\r\n", b"\r", 1)),
    "LF behind data": _chunks(b"1\r\nx\n0\r\n\r\n" + INNER),
    "nothing behind data": _chunks(b"1\r\nx0\r\n\r\n" + INNER),
    "more data than size": _chunks(b"1\r\nxyz\r\n0\r\n\r\n" + INNER),
    "LF in an extension": _chunks(b"2;a\nxx\r\n0\r\n\r\n" + INNER),
    "CR in an extension": _chunks(b"2;a\rb\r\nxx\r\n0\r\n\r\n" + INNER),
    "NUL in an extension": _chunks(b"2;a\0\r\nxx\r\n0\r\n\r\n" + INNER),
    "length in the trailers": _chunks(b"0\r\nContent-Length: 43\r\n\r\n" + INNER),
    "coding in the trailers": _chunks(b"0\r\nTransfer-Encoding: chunked\r\n\r\n" + INNER),
    "request in place of trailers": _chunks(b"0\r\n" + INNER),
    "trailer folded": _chunks(b"0\r\nX: a\r\n b\r\n\r\n" + INNER),
    "LF ends the trailers": _chunks(b"0\r\nX: a\n\n" + INNER),
    # request lines
    "HTTP/0.9": b"GET /healthz\r\n\r\n" + INNER,
    "HTTP/2": b"GET /healthz HTTP/2.0\r\n" + HOST + b"\r\n" + INNER,
    "HTTP/1.2": b"GET /healthz HTTP/1.2\r\n" + HOST + b"\r\n" + INNER,
    "HTTP/01.1": b"GET /healthz HTTP/01.1\r\n" + HOST + b"\r\n" + INNER,
    "http/1.1": b"GET /healthz http/1.1\r\n" + HOST + b"\r\n" + INNER,
    "ICE/1.0": b"GET /healthz ICE/1.0\r\n" + HOST + b"\r\n" + INNER,
    "two versions": b"GET /healthz HTTP/1.1 HTTP/1.1\r\n" + HOST + b"\r\n" + INNER,
    "space in target": b"GET /healthz /x HTTP/1.1\r\n" + HOST + b"\r\n" + INNER,
    "tabs": b"GET\t/healthz\tHTTP/1.1\r\n" + HOST + b"\r\n" + INNER,
    "small method": b"get /healthz HTTP/1.1\r\n" + HOST + b"\r\n" + INNER,
    "space before method": b" GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n" + INNER,
    "NUL in target": b"GET /healthz\0 HTTP/1.1\r\n" + HOST + b"\r\n" + INNER,
    "CR in target": b"GET /healthz\rX: y HTTP/1.1\r\n" + HOST + b"\r\n" + INNER,
    "LF ends the request line": b"GET /healthz HTTP/1.1\n" + HOST + b"\r\n" + INNER,
    "CR ends the request line": b"GET /healthz HTTP/1.1\r" + HOST + b"\r\n" + INNER,
    "absolute form": b"GET http://localhost/healthz HTTP/1.1\r\n" + HOST + b"\r\n" + INNER,
    "absolute form, other host": b"GET http://evil.example/healthz HTTP/1.1\r\n" + HOST + b"\r\n" + INNER,
    "authority form": b"CONNECT localhost:443 HTTP/1.1\r\n" + HOST + b"\r\n" + INNER,
    "asterisk form": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n" + INNER,
    # heads
    "two Hosts": b"GET /healthz HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n\r\n" + INNER,
    "one Host twice": b"GET /healthz HTTP/1.1\r\n" + HOST * 2 + b"\r\n" + INNER,
    "no Host": b"GET /healthz HTTP/1.1\r\n\r\n" + INNER,
    "Host with a space": b"GET /healthz HTTP/1.1\r\nHost : localhost\r\n\r\n" + INNER,
    "no colon": b"GET /healthz HTTP/1.1\r\n" + HOST + b"nonsense\r\n\r\n" + INNER,
    "no name": b"GET /healthz HTTP/1.1\r\n" + HOST + b": x\r\n\r\n" + INNER,
    "name with brackets": b"GET /healthz HTTP/1.1\r\n" + HOST + b"X(y): z\r\n\r\n" + INNER,
    "name outside ASCII": b"GET /healthz HTTP/1.1\r\n" + HOST + b"\xc3\xa9: z\r\n\r\n" + INNER,
    "NUL in a value": b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n" + INNER,
    "CR in a value": b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n" + INNER,
    "folded value": b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n" + INNER,
    "first line folded": b"GET /healthz HTTP/1.1\r\n " + HOST + b"\r\n" + INNER,
    "LF ends a header": b"GET /healthz HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n" + INNER,
    "LF ends the head": b"GET /healthz HTTP/1.1\r\n" + HOST + b"\n" + INNER,
    "only LF": b"GET /healthz HTTP/1.1\nHost: localhost\n\n" + INNER,
    "CR LF CR": b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r" + INNER,
    "other expectation": POST + b"Expect: 200-ok\r\nContent-Length: 43\r\n\r\n" + INNER,
    "compressed body": POST + b"Content-Encoding: gzip\r\nContent-Length: 43\r\n\r\n" + INNER,
}

_BODY = b"Content-Length: %d\r\n\r\n" % len(INNER) + INNER

READ = {
    "body": POST + _BODY,
    "leading zeros": _length(b"000%d" % len(INNER)),
    "tab behind length": _length(b"%d\t" % len(INNER)),
    "no space before length": _length(b"%d" % len(INNER), b"content-length:"),
    "chunked": _chunks(_INNER_CHUNK),
    "chunked, tab before": POST + b"Transfer-Encoding:\tchunked\r\n\r\n" + _INNER_CHUNK,
    "chunked, other case": POST + b"tRANSFER-eNCODING: cHUNKED\r\n\r\n" + _INNER_CHUNK,
    "chunk extensions": _chunks(_INNER_CHUNK.replace(b"\r\n", b';a=b;c="d"\r\n', 1)),
    "zeros before size": _chunks(b"000" + _INNER_CHUNK),
    "many zeros at the end": _chunks(_INNER_CHUNK.replace(b"\r\n0\r\n", b"\r\n0000000000\r\n")),
    "trailers": _chunks(_INNER_CHUNK[:-2] + b"X: y\r\nHost: b\r\nAuthorization: Bearer x\r\n\r\n"),
    "GET with a body": b"GET /healthz HTTP/1.1\r\n" + HOST + _BODY,
    "GET, chunked": b"GET /healthz HTTP/1.1\r\n" + HOST + CHUNKED + b"\r\n" + _INNER_CHUNK,
    "OPTIONS with a body": b"OPTIONS /healthz HTTP/1.1\r\n" + HOST + _BODY,
    "body where none is wanted": b"POST /nothing/here HTTP/1.1\r\n" + HOST + _BODY,
    "other version of the method": b"PATCH /v1/messages HTTP/1.1\r\n" + HOST + _BODY,
    "expectation": POST + b"Expect: 100-continue\r\n" + _BODY,
    "upgrade to HTTP/2": POST
    + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    + _BODY,
    "upgrade, chunked": POST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + CHUNKED + b"\r\n" + _INNER_CHUNK,
    "length named by Connection": POST + b"Connection: keep-alive, Content-Length\r\n" + _BODY,
    "header of another spelling": POST
    + b"Content_Length: 0\r\nTransfer_Encoding: chunked\r\nX-Content-Length: 1\r\n"
    + _BODY,
    "empty lines before": b"\r\n\r\n" + POST + _BODY,
}
"""The one request of each; INNER is (in) its body, or nothing."""
