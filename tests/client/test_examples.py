"""Code written for other libraries runs after its import has been changed."""

import json
from pathlib import Path

import pytest

from tests import answers
from tsuji import AnyLLM, ModelNotFoundError, completion, responses

ROOT = Path(__file__).parents[2]


@pytest.fixture
def server(scripted, monkeypatch):
    server = scripted()
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/v1")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
    return server


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_the_readmes_example_runs(readme, tmp_path, monkeypatch, scripted, capsys):
    rows = {
        "openai": answers.stream("openai"),
        "gemini": answers.chat("gemini", '{"name":"Kyoto","country":"Japan"}'),
        "groq": answers.chat("openai", "", calls=[answers.Call()]),
    }
    tables = [f'[providers.{p}]\nbase_url = "{scripted(reply).url}"\napi_key = "k"\n' for p, reply in rows.items()]
    (tmp_path / "tsuji.toml").write_text("".join(tables))
    monkeypatch.chdir(tmp_path)
    blocks = (ROOT / readme).read_text().split("```python\n")[1:]
    (example,) = [block.partition("```")[0] for block in blocks if "response_format" in block]
    exec(compile(example, readme, "exec"), {"__name__": "example"})
    out = capsys.readouterr().out
    assert out.startswith("Helloname='Kyoto' country='Japan'")
    assert "function=Function(name='weather'" in out


def test_first_lines_of_any_llms_readme(server):
    server.script(answers.chat("anthropic", "Hello!"))
    response = completion(
        model="claude-sonnet-4-5", provider="anthropic", messages=[{"role": "user", "content": "Hello!"}]
    )
    assert response.choices[0].message.content == "Hello!"


def test_any_llms_reasoning(server):
    server.script(answers.chat("anthropic", "5", thinking="2 and 3", signature="c2ln"))
    result = completion("anthropic/m", [{"role": "user", "content": "2+3"}], reasoning_effort="high")
    assert result.choices[0].message.reasoning.content == "2 and 3"


async def test_any_llms_class_holds_a_provider_and_its_key(server):
    llm = AnyLLM.create("anthropic", api_key="k-of-its-own", timeout=20.0)
    server.script(answers.chat("anthropic", "Hello!"))
    asked = [{"role": "user", "content": "Hello!"}]
    assert llm.completion(model="m", messages=asked).choices[0].message.content == "Hello!"
    assert (await llm.acompletion(model="m", messages=asked)).choices[0].message.content == "Hello!"
    assert llm.messages(model="m", messages=asked, max_tokens=9).content[0].text == "Hello!"
    assert llm.responses(model="m", input_data=asked).output_text == "Hello!"
    assert {request.headers["x-api-key"] for request in server.requests} == {"k-of-its-own"}
    with pytest.raises(ModelNotFoundError, match="did you mean 'anthropic'"):
        AnyLLM.create("anthropik")
    with pytest.raises(TypeError, match="colour"):
        AnyLLM.create("anthropic", colour="red").completion("m", asked)


@pytest.mark.parametrize(("provider", "dialect"), [("openai", "responses"), ("anthropic", "anthropic")])
def test_any_llms_responses(server, provider, dialect):
    server.script(answers.chat(dialect, "It is short."))
    result = responses(
        model="m",
        provider=provider,
        input_data=[{"role": "user", "content": [{"type": "text", "text": "Summarize this in one sentence."}]}],
    )
    assert result.output_text == "It is short."
    assert "Summarize this in one sentence." in server.last.body.decode()


def test_a_loop_of_responses_as_openais_guide_has_it(server):
    """https://platform.openai.com/docs/guides/function-calling"""
    schema = {"type": "object", "properties": {"sign": {"type": "string"}}, "required": ["sign"]}
    tools = [{"type": "function", "name": "get_horoscope", "description": "Today's horoscope.", "parameters": schema}]
    call = answers.Call("get_horoscope", '{"sign":"Aquarius"}')
    server.script([answers.chat("anthropic", "", calls=[call]), answers.chat("anthropic", "You will meet an otter.")])
    input_list = [{"role": "user", "content": "What is my horoscope? I am an Aquarius."}]
    response = responses(model="anthropic:m", tools=tools, input=input_list)
    input_list += response.output
    for item in response.output:
        if item.type == "function_call" and item.name == "get_horoscope":
            horoscope = f"{json.loads(item.arguments)['sign']}: Next Tuesday you will befriend a baby otter."
            input_list.append({"type": "function_call_output", "call_id": item.call_id, "output": horoscope})
    response = responses(
        model="anthropic:m", instructions="Respond only with a horoscope.", tools=tools, input=input_list
    )
    assert response.output_text == "You will meet an otter."
    assert "Aquarius: Next Tuesday" in server.last.body.decode()
    assert json.loads(response.model_dump_json(indent=2))["status"] == "completed"


def test_a_tool_loop_as_openais_guide_has_it(server):
    def get_weather(location: str, unit: str = "C") -> str:
        """Get weather for a location.

        Args:
            location: The city
            unit: C or F
        """
        return f"22 {unit} in {location}"

    call = answers.Call("get_weather", '{"location":"Paris"}')
    server.script([answers.chat("openai", "", calls=[call]), answers.chat("openai", "It is 22 C.")])
    messages = [{"role": "user", "content": "Weather in Paris?"}]
    response = completion("openai:gpt-4o-mini", messages, tools=[get_weather], tool_choice="auto")
    assistant = response.choices[0].message
    messages.append(assistant)
    for tool_call in assistant.tool_calls:
        arguments = json.loads(tool_call.function.arguments)
        content = get_weather(**arguments)
        messages.append({"role": "tool", "tool_call_id": tool_call.id, "content": content})
    final = completion("openai:gpt-4o-mini", messages, tools=[get_weather])
    assert final.choices[0].message.content == "It is 22 C."
    assert server.last.json()["messages"][1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"location":"Paris"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "22 C in Paris"},
    ]


def test_printing_a_stream(server):
    server.script(answers.stream("openai", ["Once ", "upon"]))
    text = ""
    for chunk in completion(model="openai:m", messages=[{"role": "user", "content": "story"}], stream=True):
        text += chunk.choices[0].delta.content or ""
    assert text == "Once upon"


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
@pytest.mark.parametrize("streamed", [False, True])
def test_dumps_are_valid_for_openais_and_any_llms_types(server, dialect, streamed):
    from openai.types.chat import ChatCompletion, ChatCompletionChunk

    what = {"thinking": "hm", "signature": "c2ln", "calls": [answers.Call()], "cached": 3}
    server.script(answers.stream(dialect, **what) if streamed else answers.chat(dialect, **what))
    r = completion(f"{dialect}:m", [{"role": "user", "content": "x"}], stream=streamed)
    for part in r if streamed else [r]:
        kind = ChatCompletionChunk if streamed else ChatCompletion
        for dump in (part.model_dump(), part.to_dict(), json.loads(part.model_dump_json())):
            assert kind.model_validate(dump).choices[0].index == 0


ANY_LLM = {
    "model", "messages", "provider", "tools", "tool_choice", "temperature", "top_p", "max_tokens", "response_format",
    "stream", "n", "stop", "presence_penalty", "frequency_penalty", "seed", "api_key", "api_base", "user",
    "parallel_tool_calls", "logprobs", "top_logprobs", "logit_bias", "stream_options", "max_completion_tokens",
    "reasoning_effort", "service_tier", "prompt_cache_key", "timeout", "client_args",
}  # fmt: skip


ANY_LLM_RESPONSES = {
    "model", "input_data", "provider", "tools", "tool_choice", "max_output_tokens", "temperature", "top_p", "stream",
    "api_key", "api_base", "instructions", "max_tool_calls", "parallel_tool_calls", "reasoning", "text",
    "response_format", "presence_penalty", "frequency_penalty", "truncation", "context_management", "store",
    "service_tier", "user", "metadata", "previous_response_id", "include", "background", "safety_identifier",
    "prompt_cache_key", "prompt_cache_retention", "conversation", "timeout", "extra_body", "client_args",
}  # fmt: skip


def test_keywords_of_responses_are_known():
    import inspect

    from openai.resources.responses import Responses

    from tsuji.client.options import RESPONSES, TARGET

    known = RESPONSES | TARGET | {"model", "input", "stream"}
    assert known >= ANY_LLM_RESPONSES
    asked = set(inspect.signature(Responses.create).parameters) | set(inspect.signature(Responses.parse).parameters)
    assert asked - {"self", "extra_query", "parse_as"} <= known


def test_keywords_of_any_llm_and_openai_are_known():
    from openai.types.chat.completion_create_params import CompletionCreateParamsBase

    from tsuji.client.options import CHAT, TARGET

    known = CHAT | TARGET | {"model", "messages", "stream"}
    assert known >= ANY_LLM
    # The legacy forms of tools, and beta fields that go into extra_body.
    gone = {"function_call", "functions", "moderation", "prompt_cache_options"}
    assert set(CompletionCreateParamsBase.__annotations__) - gone <= known
