"""any-llm as a client: a provider of its own with its base URL at the gateway."""

import json
from functools import partial
from typing import Any

import any_llm
from any_llm.exceptions import AnyLLMError

from .openai_shaped import OpenAIShaped
from .peer import CITY, PARAMETERS, PIXEL, SCHEMA, Said, weather

RAISES = {
    400: "InvalidRequestError",
    401: "AuthenticationError",
    404: "ModelNotFoundError",
    429: "RateLimitError",
    500: "ProviderError",
}
NO_RETRIES = {"api_key": "unused", "client_args": {"max_retries": 0}}
HELLO = {"role": "user", "content": CITY}


def openai(url: str) -> OpenAIShaped:
    ask = partial(any_llm.completion, provider="openai", api_base=f"{url}/v1", **NO_RETRIES)
    return OpenAIShaped(ask, raises=RAISES)


def anthropic(url: str) -> OpenAIShaped:
    ask = partial(any_llm.completion, provider="anthropic", api_base=url, **NO_RETRIES)
    return OpenAIShaped(
        ask, raises=RAISES, loses={"gemini": "any-llm drops the redacted block behind a call, where its signature is"}
    )


def responses(url: str) -> "Responses":
    return Responses(partial(any_llm.responses, provider="openai", api_base=f"{url}/v1", **NO_RETRIES))


def messages(url: str) -> "Messages":
    return Messages(partial(any_llm.messages, provider="anthropic", api_base=url, max_tokens=4000, **NO_RETRIES))


class _Native:
    """ask: any-llm's function, with all but the model and the question given."""

    raises = RAISES
    absent: dict[str, str] = {}
    loses: dict[str, str] = {}

    def __init__(self, ask: Any) -> None:
        self.ask = ask

    def failure(self, model: str) -> tuple[str, int | None]:
        try:
            self.chat(model)
        except AnyLLMError as error:
            return type(error).__name__, error.status_code
        raise AssertionError("nothing was raised")


class Responses(_Native):
    """Its functions of OpenAI's responses."""

    def chat(self, model: str) -> Said:
        answer = self.ask(model, [HELLO], instructions="be brief")
        return Said(answer.output_text, tokens=(answer.usage.input_tokens, answer.usage.output_tokens))

    def stream(self, model: str) -> Said:
        events = list(self.ask(model, [HELLO], stream=True))
        pieces = tuple([e.delta for e in events if e.type == "response.output_text.delta"])
        usage = events[-1].response.usage
        return Said("".join(pieces), pieces, tokens=(usage.input_tokens, usage.output_tokens))

    def tools(self, model: str, *, stream: bool, think: bool) -> Said:
        tool = {"type": "function", "name": "weather", "description": "The weather", "parameters": PARAMETERS}
        ask: dict[str, Any] = {"tools": [tool], "include": ["reasoning.encrypted_content"], "store": False}
        if think:
            ask["reasoning"] = {"effort": "low", "summary": "auto"}
        answer = self.ask(model, [HELLO], stream=stream or None, **ask)
        output = list(answer)[-1].response.output if stream else answer.output
        calls = [item for item in output if item.type == "function_call"]
        results = [
            {"type": "function_call_output", "call_id": c.call_id, "output": weather(**json.loads(c.arguments))}
            for c in calls
        ]
        history = [HELLO, *[item.model_dump(exclude_none=True) for item in output], *results]
        thought = "".join([s.text for item in output if item.type == "reasoning" for s in item.summary])
        made = tuple([(c.name, json.loads(c.arguments)) for c in calls])
        return Said(self.ask(model, history, **ask).output_text, calls=made, thinking=thought)

    def structured(self, model: str) -> Any:
        form = {"type": "json_schema", "name": "city", "schema": SCHEMA, "strict": True}
        return json.loads(self.ask(model, [HELLO], text={"format": form}).output_text)

    def image(self, model: str) -> Said:
        picture = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
        content = [{"type": "input_text", "text": CITY}, picture]
        return Said(self.ask(model, [{"role": "user", "content": content}]).output_text)


class Messages(_Native):
    """Its functions of Anthropic's messages."""

    @staticmethod
    def _text(answer: Any) -> str:
        return "".join([block.text for block in answer.content if block.type == "text"])

    def chat(self, model: str) -> Said:
        answer = self.ask(model, [HELLO], system="be brief")
        return Said(self._text(answer), tokens=(answer.usage.input_tokens, answer.usage.output_tokens))

    def stream(self, model: str) -> Said:
        events = list(self.ask(model, [HELLO], stream=True))
        deltas = [e.delta for e in events if e.type == "content_block_delta"]
        pieces = tuple([d.text for d in deltas if d.type == "text_delta"])
        return Said("".join(pieces), pieces)

    def tools(self, model: str, *, stream: bool, think: bool) -> Said:
        tool = {"name": "weather", "description": "The weather", "input_schema": PARAMETERS}
        ask: dict[str, Any] = {"tools": [tool]}
        if think:
            ask["thinking"] = {"type": "enabled", "budget_tokens": 2000}
        content = self._streamed(model, ask) if stream else self._whole(model, ask)
        calls = [block for block in content if block["type"] == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": c["id"], "content": weather(**c["input"])} for c in calls]
        history = [HELLO, {"role": "assistant", "content": content}, {"role": "user", "content": results}]
        thought = "".join([block["thinking"] for block in content if block["type"] == "thinking"])
        made = tuple([(c["name"], c["input"]) for c in calls])
        return Said(self._text(self.ask(model, history, **ask)), calls=made, thinking=thought)

    def _whole(self, model: str, ask: dict[str, Any]) -> list[dict[str, Any]]:
        return [block.model_dump(exclude_none=True) for block in self.ask(model, [HELLO], **ask).content]

    def _streamed(self, model: str, ask: dict[str, Any]) -> list[dict[str, Any]]:
        """What a program that streams puts together: a block for each index."""
        blocks: dict[int, dict[str, Any]] = {}
        for event in self.ask(model, [HELLO], stream=True, **ask):
            if event.type == "content_block_start":
                blocks[event.index] = {**event.content_block.model_dump(exclude_none=True), "json": ""}
            elif event.type == "content_block_delta":
                block, delta = blocks[event.index], event.delta
                for name in ("text", "thinking", "signature"):
                    if delta.type == f"{name}_delta":
                        block[name] = block.get(name, "") + getattr(delta, name)
                if delta.type == "input_json_delta":
                    block["json"] += delta.partial_json
        for block in blocks.values():
            arguments = block.pop("json")
            if block["type"] == "tool_use":
                block["input"] = json.loads(arguments)
        return list(blocks.values())

    def structured(self, model: str) -> Any:
        form = {"format": {"type": "json_schema", "schema": SCHEMA}}
        return self.ask(model, [HELLO], output_format=form).parsed_output

    def image(self, model: str) -> Said:
        picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
        content = [{"type": "text", "text": CITY}, picture]
        return Said(self._text(self.ask(model, [{"role": "user", "content": content}])))
