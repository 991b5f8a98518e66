"""The SDK pipeline: a call's keywords -> canonical request -> route -> render -> send -> parse -> result objects.

Owns the public functions and the two clients, the shapes they take and give (OpenAI's and Anthropic's attribute
names), tools from plain functions and structured output. It refuses to know wire formats (`tsuji.wire` does), to
choose among targets (`tsuji.routing` does) and to touch sockets (`tsuji.http` does). It never imports a server.
"""
