"""What keys have to do with choosing: what they require of targets, and who is told how one was chosen."""

import json
from pathlib import Path
from typing import Any

from tests import answers
from tests.gateway import asking
from tests.gateway.serving import config
from tsuji.config import LedgerConfig, Secret, Server
from tsuji.ledger import keystore
from tsuji.ledger.keys import Hasher, Key, Scopes, new_id, new_key
from tsuji.routing import Route, Target

SECRET = "canary-server-secret-0123456789"


def test_only_keys_that_are_made_for_it_are_told(
    serve: Any, scripted: Any, engine: Any, url: str, tmp_path: Path
) -> None:
    hasher = Hasher(SECRET.encode())
    keystore.check_secret(engine, hasher.check())
    shown: dict[str, str] = {}
    for name, scopes in (
        ("plain", Scopes()),
        ("told", Scopes(explain=True)),
        ("strict", Scopes(explain=True, require=("eu",))),
    ):
        shown[name] = new_key()
        key = Key(id=new_id(), digest=hasher.digest(shown[name].encode()), name=name, created=0, scopes=scopes)
        keystore.create(engine, key)
    provider = scripted(answers.chat("openai"))
    settings = config(
        {"up": ("openai", provider.url), "far": ("openai", provider.url)},
        server=Server(port=0, secret=SECRET, keys=["configured-key-1"]),
        ledger=LedgerConfig(url=Secret(url), folder=tmp_path / "home"),
    )
    settings.routes["fast"] = Route("fast", (Target("up", "a"), Target("far", "b", tags=("eu",))))
    serving = serve(settings)

    def told(key: str) -> dict[str, Any]:
        headers = {"x-tsuji-explain": "1", "authorization": f"Bearer {key}"}
        return json.loads(serving.ask(*asking.chat("openai", model="fast"), headers).headers["x-tsuji-explain"])

    assert told(shown["plain"]) == {"error": "this key is not for explanations"}
    assert told("configured-key-1")["route"] == "fast"
    assert told(shown["told"])["route"] == "fast"
    strict = told(shown["strict"])
    assert (strict["removed"][0]["target"], strict["attempts"][0]["target"]) == ("up:a", "far:b")
    direct = serving.ask(*asking.chat("openai", model="up:a"), {"authorization": f"Bearer {shown['strict']}"})
    assert direct.status == 403
