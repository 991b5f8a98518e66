"""Recorded traffic of the Gemini API and of Vertex AI, by operation."""

import json
from typing import Any

from tests.wire.recordings import Exchange, exchanges

HOSTS = sorted({e.host for e in exchanges() if e.host.endswith(".googleapis.com")})


def of(*operations: str) -> list[Exchange]:
    return [e for e in exchanges(hosts=HOSTS) if e.path.rpartition(":")[2] in operations]


def model(exchange: Exchange) -> str:
    return exchange.path.rpartition("/")[2].rpartition(":")[0]


def said(exchange: Exchange) -> list[dict[str, Any]]:
    """The chunks of an answer: one where it was not streamed."""
    if not exchange.streamed:
        return [exchange.response]
    lines = exchange.raw_response.decode().splitlines()
    return [json.loads(line[5:]) for line in lines if line.startswith("data:")]


CHATS = of("generateContent", "streamGenerateContent")
EMBEDDINGS = of("embedContent", "batchEmbedContents")
ANSWERS = [e for e in CHATS if e.status == 200]
FAILURES = [e for e in CHATS + EMBEDDINGS if e.status >= 400]
