"""HTTP/1.1 as a client: one sans-I/O message layer, driven by blocking sockets and by asyncio.

Owns URLs, heads, response parsing (llhttp), content decoding, TLS and proxy settings, connection pools and the limits
on connecting, the first byte, idleness and the whole exchange. It refuses to know what travels in bodies, to follow
redirects, to keep cookies and to retry, but for one case: a request on a kept connection that died before a byte of
the answer is sent once more on a new one. Modules are imported by name (`http.blocking`, `http.aio`), so that a program
loads only the driver that it uses.
"""
