"""The cache in tsuji.toml."""

from pathlib import Path
from typing import Any

import pytest

from tsuji.config import CacheRule, SemanticRule, check_config, load_config

ROUTE = '[routes.r]\ntargets = ["openai:gpt-5"]\n'


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "tsuji.toml"
    file.write_text(text)
    return file


def test_all_of_it(tmp_path: Path) -> None:
    config = load_config(
        written(
            tmp_path,
            '[cache]\nmemory_bytes = 1000\npath = "c.db"\npath_bytes = 2000\nredis = "redis://h"\n'
            + ROUTE
            + 'cache = { ttl = 60, store = "redis", scope = "team", max_entry = 100, tool_calls = true, '
            'semantic = { model = "local:embed", threshold = 0.9, max_entries = 10 } }\n'
            '[routes.plain]\ntargets = ["openai:gpt-5"]\n',
        )
    )
    (rule,) = config.cache.routes.values()
    assert rule == CacheRule(60, "redis", "team", 100, True, SemanticRule("local:embed", 0.9, 10), rule.generation)
    assert (config.cache.memory_bytes, config.cache.path, config.cache.path_bytes) == (1000, tmp_path / "c.db", 2000)
    assert config.cache.redis is not None and config.cache.redis.reveal() == "redis://h"


def test_off_by_default(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, ROUTE)).cache.routes == {}
    rule = load_config(written(tmp_path, ROUTE + "cache = {}\n")).cache.routes["r"]
    assert rule == CacheRule(generation=rule.generation)


def test_any_change_of_a_route_is_another_generation(tmp_path: Path) -> None:
    texts = [
        ROUTE + "cache = {}\n",
        ROUTE + "cache = { ttl = 60 }\n",
        ROUTE + "drop_params = true\ncache = {}\n",
        '[routes.r]\ntargets = ["openai:gpt-5", "openai:gpt-4.1"]\ncache = {}\n',
    ]
    found = [load_config(written(tmp_path, text)).cache.routes["r"].generation for text in texts]
    for more in ('base_url = "https://a.example/v1"\n', 'quirks = { drop = ["user"] }\n', 'headers = { x = "y" }\n'):
        config = load_config(written(tmp_path, texts[0] + "[providers.openai]\n" + more))
        found.append(config.cache.routes["r"].generation)
    assert len(set(found)) == len(found)
    unrelated = texts[0] + '[providers.anthropic]\nheaders = { x = "y" }\n'
    assert load_config(written(tmp_path, unrelated)).cache.routes["r"].generation == found[0]
    keys = [texts[0] + f'[providers.openai]\napi_key = "{key}"\n' for key in ("one", "two")]
    assert len({load_config(written(tmp_path, text)).cache.routes["r"].generation for text in keys}) == 1
    assert load_config(written(tmp_path, "\n# a comment\n" + texts[0])).cache.routes["r"].generation == found[0]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (ROUTE + 'cache = { store = "redis" }\n', 3, "write under [cache] where that is"),
        (ROUTE + 'cache = { store = "disk" }\n', 3, "store"),
        (ROUTE + "cache = { ttl = 0 }\n", 3, "ttl"),
        (ROUTE + 'cache = { semantic = { model = "no-such:x" } }\n', 3, "no provider 'no-such'"),
        (ROUTE + "cache = { semantic = {} }\n", 3, "model"),
        (ROUTE + 'cache = { semantic = { model = "local:embed", threshold = 2 } }\n', 3, "threshold"),
        ('[cache]\nredis = "http://h"\n' + ROUTE, 2, "must begin with redis://"),
        ("[cache]\nsize = 5\n" + ROUTE, 2, "size"),
    ],
)
def test_mistakes(text: str, line: int, said: str, tmp_path: Path) -> None:
    found: list[Any] = [p for p in check_config(written(tmp_path, text)) if p.severity == "error"]
    assert [(problem.line, said in str(problem)) for problem in found] == [(line, True)], found
