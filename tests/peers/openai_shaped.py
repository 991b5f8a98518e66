"""any-llm and LiteLLM: functions that take and give OpenAI's chat completions, whoever they ask."""

import json
from collections.abc import Callable
from typing import Any

from .peer import CITY, PARAMETERS, PIXEL, SCHEMA, Said, weather

HELLO = [{"role": "user", "content": CITY}]
TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather of a city", "parameters": PARAMETERS},
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA, "strict": True}}


class OpenAIShaped:
    """complete: the framework's function, with all but the model and the question given. thinking: asks for it."""

    def __init__(
        self,
        complete: Callable[..., Any],
        *,
        raises: dict[int, str],
        thinking: dict[str, Any] | None = None,
        absent: dict[str, str] | None = None,
        loses: dict[str, str] | None = None,
    ) -> None:
        self.complete = complete
        self.raises = raises
        self.thinking = thinking or {"reasoning_effort": "low"}
        self.absent = absent or {}
        self.loses = loses or {}

    def chat(self, model: str) -> Said:
        answer = self.complete(model=model, messages=[{"role": "system", "content": "be brief"}, *HELLO])
        usage = answer.usage
        return Said(answer.choices[0].message.content, tokens=(usage.prompt_tokens, usage.completion_tokens))

    def stream(self, model: str) -> Said:
        chunks = self.complete(model=model, messages=HELLO, stream=True)
        pieces = [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]
        return Said("".join(pieces), tuple(pieces))

    def tools(self, model: str, *, stream: bool, think: bool) -> Said:
        ask = {"model": model, "tools": [TOOL], **(self.thinking if think else {})}
        message = self._streamed(ask) if stream else self._whole(ask)
        made = [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in message["tool_calls"]]
        results = [
            {"role": "tool", "tool_call_id": c["id"], "content": weather(**arguments)}
            for c, (_, arguments) in zip(message["tool_calls"], made, strict=True)
        ]
        final = self.complete(messages=[*HELLO, message, *results], **ask)
        return Said(final.choices[0].message.content, calls=tuple(made), thinking=self.thoughts(message))

    @staticmethod
    def thoughts(message: dict[str, Any]) -> str:
        said = message.get("reasoning_content") or message.get("reasoning") or ""
        return said["content"] if isinstance(said, dict) else said

    def _whole(self, ask: dict[str, Any]) -> dict[str, Any]:
        return self.complete(messages=HELLO, **ask).choices[0].message.model_dump(exclude_none=True)

    def _streamed(self, ask: dict[str, Any]) -> dict[str, Any]:
        chunks = list(self.complete(messages=HELLO, stream=True, **ask))
        return self.joined([c.choices[0].delta.model_dump(exclude_none=True) for c in chunks if c.choices])

    def joined(self, deltas: list[dict[str, Any]]) -> dict[str, Any]:
        """What a program that streams puts together: texts joined, calls by their index, the rest as it came."""
        message: dict[str, Any] = {"role": "assistant", "content": ""}
        calls: dict[int, dict[str, Any]] = {}
        for delta in deltas:
            message["content"] += delta.get("content") or ""
            thought = self.thoughts(delta)
            if thought:
                message["reasoning_content"] = message.get("reasoning_content", "") + thought
            if "reasoning_details" in delta:
                message["reasoning_details"] = [*message.get("reasoning_details", ()), *delta["reasoning_details"]]
            if "extra_content" in delta:
                message["extra_content"] = delta["extra_content"]
            for call in delta.get("tool_calls") or ():
                held = calls.setdefault(call["index"], {"type": "function", "function": {"arguments": ""}})
                held["id"] = call.get("id") or held.get("id")
                if "extra_content" in call:
                    held["extra_content"] = call["extra_content"]
                function = call.get("function") or {}
                held["function"]["name"] = function.get("name") or held["function"].get("name")
                held["function"]["arguments"] += function.get("arguments") or ""
        return {**message, "tool_calls": list(calls.values())}

    def structured(self, model: str) -> Any:
        return json.loads(self.complete(model=model, messages=HELLO, response_format=FORMAT).choices[0].message.content)

    def image(self, model: str) -> Said:
        picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
        message = {"role": "user", "content": [{"type": "text", "text": CITY}, picture]}
        return Said(self.complete(model=model, messages=[message]).choices[0].message.content)

    def failure(self, model: str) -> tuple[str, int | None]:
        try:
            self.complete(model=model, messages=HELLO)
        except Exception as error:
            return type(error).__name__, getattr(error, "status_code", None)
        raise AssertionError("nothing was raised")
