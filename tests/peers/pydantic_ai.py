"""pydantic-ai's models as clients. Its agent runs the tools itself."""

import base64
from collections.abc import Callable
from typing import Any

from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai import Agent, BinaryContent, ModelHTTPError, NativeOutput, StructuredDict
from pydantic_ai.messages import ModelResponse, ThinkingPart, ToolCallPart
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider

from .peer import CITY, PIXEL, SCHEMA, Said, weather


class PydanticAI:
    """make: the model for a name. thinking: settings that ask for it."""

    raises = dict.fromkeys((400, 401, 404, 429, 500), "ModelHTTPError")

    def __init__(
        self,
        make: Callable[[str], Model],
        thinking: dict[str, Any],
        absent: dict[str, str] | None = None,
        *,
        loses: dict[str, str] | None = None,
    ) -> None:
        self.make = make
        self.thinking = thinking
        self.absent = absent or {}
        self.loses = loses or {}

    def chat(self, model: str) -> Said:
        result = Agent(self.make(model), instructions="be brief").run_sync(CITY)
        usage = result.usage
        return Said(result.output, tokens=(usage.input_tokens, usage.output_tokens))

    def stream(self, model: str) -> Said:
        result = Agent(self.make(model)).run_stream_sync(CITY)
        pieces = tuple(result.stream_text(delta=True, debounce_by=None))
        return Said("".join(pieces), pieces, tokens=(result.usage.input_tokens, result.usage.output_tokens))

    def tools(self, model: str, *, stream: bool, think: bool) -> Said:
        agent = Agent(self.make(model), tools=[weather], model_settings=self.thinking if think else None)
        if stream:
            streamed = agent.run_stream_sync(CITY)
            text, messages = streamed.get_output(), streamed.all_messages()
        else:
            result = agent.run_sync(CITY)
            text, messages = result.output, result.all_messages()
        parts = [part for m in messages if isinstance(m, ModelResponse) for part in m.parts]
        thought = "".join([p.content for p in parts if isinstance(p, ThinkingPart)])
        calls = tuple([(p.tool_name, p.args_as_dict()) for p in parts if isinstance(p, ToolCallPart)])
        return Said(text, calls=calls, thinking=thought)

    def structured(self, model: str) -> Any:
        output = NativeOutput(StructuredDict(SCHEMA, name="city"))
        return Agent(self.make(model), output_type=output).run_sync(CITY).output

    def image(self, model: str) -> Said:
        picture = BinaryContent(base64.b64decode(PIXEL), media_type="image/png")
        return Said(Agent(self.make(model)).run_sync([CITY, picture]).output)

    def failure(self, model: str) -> tuple[str, int | None]:
        try:
            Agent(self.make(model)).run_sync(CITY)
        except ModelHTTPError as error:
            return type(error).__name__, error.status_code
        raise AssertionError("nothing was raised")


def _openai(url: str) -> OpenAIProvider:
    return OpenAIProvider(openai_client=AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0))


def openai(url: str) -> PydanticAI:
    def make(name: str) -> Model:
        return OpenAIChatModel(name, provider=_openai(url))

    loses = {"*": "OpenAIChatModel gives thoughts back as text"}
    return PydanticAI(make, {"openai_reasoning_effort": "low"}, loses=loses)


def responses(url: str) -> PydanticAI:
    thinking = {"openai_reasoning_effort": "low", "openai_reasoning_summary": "auto"}
    profile = OpenAIModelProfile(openai_supports_encrypted_reasoning_content=True)
    return PydanticAI(lambda name: OpenAIResponsesModel(name, provider=_openai(url), profile=profile), thinking)


def anthropic(url: str) -> PydanticAI:
    def make(name: str) -> Model:
        client = AsyncAnthropic(base_url=url, api_key="unused", max_retries=0)
        profile = ModelProfile(supports_json_schema_output=True)
        return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=client), profile=profile)

    return PydanticAI(make, {"anthropic_thinking": {"type": "enabled", "budget_tokens": 2000}})


def google(url: str) -> PydanticAI:
    def make(name: str) -> Model:
        return GoogleModel(name, provider=GoogleProvider(api_key="unused", base_url=url))

    return PydanticAI(make, {"google_thinking_config": {"include_thoughts": True, "thinking_budget": 2000}})
