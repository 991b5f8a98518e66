"""Routes that a program gives: Router and AsyncRouter."""

import pytest

from tests import answers
from tests.client.conftest import HI
from tsuji import AsyncRouter, ConfigError, Router, load_config
from tsuji.config import ProviderConfig
from tsuji.routing import Hedge, Retry, Route, Target


def mock(server: object, **more: object) -> dict[str, object]:
    return {"dialect": "openai", "base_url": f"{server.url}/v1", **more}


def test_a_list_of_targets_is_a_route(scripted):
    bad, good = scripted(answers.html()), scripted(answers.chat("openai", "ok"))
    with Router({"fast": ["one:m", "two:m"]}, providers={"one": mock(bad), "two": mock(good)}) as router:
        r = router.completion("fast", HI)
        assert (r.choices[0].message.content, r.tsuji.target) == ("ok", "two:m")
        assert router.health["one:m"]["failures"] == 1
        assert router.health["two:m"]["state"] == "closed"


async def test_the_asynchronous_one(scripted):
    good = scripted(answers.stream("openai", ["o", "k"]))
    async with AsyncRouter({"fast": ("two:m",)}, providers={"two": mock(good)}) as router:
        stream = await router.completion("fast", HI, stream=True)
        assert (await stream.response()).choices[0].message.content == "ok"
        assert router.health["two:m"]["requests"] == 1


def test_a_table_says_what_the_file_can_say(scripted):
    tables = {
        "fast": {
            "targets": [
                {"model": "one:m", "prefill": True, "timeouts": {"first_token": 3.0}},
                "anthropic:claude-sonnet-4-5",
            ],
            "retry": {"tries": 3, "patience": 0},
            "hedge": {"share": 0.1},
            "circuit": {"failures": 9},
        }
    }
    with Router(tables, providers={"one": mock(scripted(()), timeouts={"idle": 4.0})}) as router:
        route = router.config.routes["fast"]
    assert (route.retry, route.hedge, route.circuit.failures) == (Retry(tries=3, patience=0), Hedge(share=0.1), 9)
    one, claude = route.targets
    assert (one.prefill, one.timeouts.first_token, one.timeouts.idle) == (True, 3.0, 4.0)
    assert claude.prefill


@pytest.mark.parametrize(
    ("model", "takes_it"),
    [
        ("anthropic:claude-opus-4-6", False),
        ("anthropic:claude-3-5-sonnet-20241022", True),
        ("vertexaianthropic:claude-sonnet-4-5@20250929", True),
        ("openai:gpt-5-mini", False),
    ],
)
def test_the_catalogue_knows_who_takes_a_prefill(model, takes_it):
    with Router({"r": [model]}) as router:
        assert router.config.routes["r"].targets[0].prefill is takes_it


@pytest.mark.parametrize(
    ("model", "does"), [("openai:gpt-5-mini", True), ("openai:gpt-5-chat-latest", False), ("openai:gpt-4o", False)]
)
def test_the_catalogue_knows_who_thinks_unasked(model, does):
    with Router({"r": [model]}) as router:
        assert router.config.routes["r"].targets[0].thinks is does


def test_they_come_before_the_files(scripted, tmp_path):
    server = scripted(answers.chat("openai", "ok"))
    path = tmp_path / "tsuji.toml"
    path.write_text(
        f'[providers.mine]\ndialect = "openai"\nbase_url = "{server.url}/v1"\n[routes.fast]\ntargets = ["mine:a"]\n'
        '[routes.other]\ntargets = ["mine:c"]\n'
    )
    for config in (path, load_config(path)):
        with Router({"fast": ["mine:b"]}, config) as router:
            router.completion("fast", HI)
            assert server.last.json()["model"] == "b"
            router.completion("other", HI)
            assert server.last.json()["model"] == "c"


def test_objects_are_taken_as_they_are(scripted):
    server = scripted(answers.chat("openai", "ok"))
    provider = ProviderConfig(dialect="openai", base_url=server.url)
    with Router({"r": Route("r", (Target("x", "m"),))}, providers={"x": provider}) as router:
        assert router.completion("r", HI).choices[0].message.content == "ok"


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ({"r": []}, r"routes\.r\.targets"),
        ({"r": ["nobody:m"]}, "no provider 'nobody'"),
        ({"r": {"targets": ["openai:m"], "retries": {}}}, "did you mean 'retry'"),
        ({"r": {"targets": ["openai:m"], "retry": {"tries": 0}}}, "at least 1"),
        ({"r": {"targets": ["openai:m"], "hedge": {"share": 2.0}}}, "at most 1"),
        ({"r": object()}, "as the file has them"),
    ],
)
def test_mistakes_are_told(routes, said):
    with pytest.raises(ConfigError, match=said):
        Router(routes)
