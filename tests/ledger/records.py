"""Records as the tests write them."""

from typing import Any

from tsuji.ledger.record import Attempt, Record

FIELDS: dict[str, Any] = dict.fromkeys(Record.__struct_fields__)


def record(id: str, **more: Any) -> Record:
    filled = {
        "id": id,
        "time": 1_700_000_000_000_000,
        "route": "fast",
        "target": "up:m",
        "dialect": "openai",
        "operation": "chat",
        "stream": False,
        "status": "done",
        "http_status": 200,
        "latency": 1000,
        "tags": (),
        "attempts": [Attempt("up:m", 1, 2)],
        "guarded": (),
        "charges": (),
    }
    return Record(**{**FIELDS, **filled, **more})
