"""LangChain's chat models as clients."""

from collections.abc import Callable
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from .peer import CITY, PIXEL, SCHEMA, Said, weather

HELLO = HumanMessage(CITY)
WEATHER = tool(weather)


class LangChain:
    """make: the chat model for a name, with keywords of thinking or without."""

    def __init__(
        self,
        make: Callable[..., BaseChatModel],
        thinking: dict[str, Any],
        raises: dict[int, str],
        absent: dict[str, str] | None = None,
    ) -> None:
        self.make = make
        self.thinking = thinking
        self.raises = raises
        self.absent = absent or {}
        self.loses: dict[str, str] = {}

    def chat(self, model: str) -> Said:
        answer = self.make(model=model).invoke([SystemMessage("be brief"), HELLO])
        assert answer.usage_metadata is not None
        return Said(answer.text, tokens=(answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]))

    def stream(self, model: str) -> Said:
        chunks = list(self.make(model=model).stream([HELLO]))
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        pieces = tuple([c.text for c in chunks if c.text])
        usage = whole.usage_metadata
        return Said(
            whole.text, pieces, tokens=None if usage is None else (usage["input_tokens"], usage["output_tokens"])
        )

    def tools(self, model: str, *, stream: bool, think: bool) -> Said:
        bound = self.make(model=model, **(self.thinking if think else {})).bind_tools([WEATHER])
        if stream:
            first: AIMessage | None = None
            for chunk in bound.stream([HELLO]):
                first = chunk if first is None else first + chunk
            assert first is not None
        else:
            first = bound.invoke([HELLO])
        results = [ToolMessage(weather(**c["args"]), tool_call_id=c["id"]) for c in first.tool_calls]
        final = bound.invoke([HELLO, first, *results])
        thought = "".join([b.get("reasoning", "") for b in first.content_blocks if b["type"] == "reasoning"])
        return Said(final.text, calls=tuple([(c["name"], c["args"]) for c in first.tool_calls]), thinking=thought)

    def structured(self, model: str) -> Any:
        schema = {**SCHEMA, "title": "city", "description": "A city"}
        return self.make(model=model).with_structured_output(schema, method="json_schema").invoke([HELLO])

    def image(self, model: str) -> Said:
        picture = {"type": "image", "base64": PIXEL, "mime_type": "image/png"}
        return Said(self.make(model=model).invoke([HumanMessage([{"type": "text", "text": CITY}, picture])]).text)

    def failure(self, model: str) -> tuple[str, int | None]:
        try:
            self.make(model=model).invoke([HELLO])
        except Exception as error:
            return type(error).__name__, getattr(error, "status_code", None)
        raise AssertionError("nothing was raised")


KINDS = {400: "InvalidRequest", 401: "Authentication", 404: "ModelNotFound", 429: "RateLimit", 500: "API"}
OPENAI, ANTHROPIC = (
    {status: f"{vendor}{kind}Error" for status, kind in KINDS.items()} for vendor in ("OpenAI", "Anthropic")
)


def openai(url: str) -> LangChain:
    def make(**what: Any) -> BaseChatModel:
        return ChatOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0, stream_usage=True, **what)

    absent = {"thinking": "ChatOpenAI does not read thinking from chat completions, and says so"}
    return LangChain(make, {"reasoning_effort": "low"}, OPENAI, absent)


def responses(url: str) -> LangChain:
    def make(**what: Any) -> BaseChatModel:
        return ChatOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0, use_responses_api=True, **what)

    thinking = {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
    return LangChain(make, thinking, OPENAI)


def anthropic(url: str) -> LangChain:
    def make(**what: Any) -> BaseChatModel:
        return ChatAnthropic(base_url=url, api_key="unused", max_retries=0, max_tokens=4000, **what)

    thinking = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
    return LangChain(make, thinking, ANTHROPIC)
