"""What the tests ask of every framework, in the framework's own words."""

from typing import Any, NamedTuple, Protocol

from tests.clients.conftest import PIXEL

__all__ = ["CITY", "PARAMETERS", "PIXEL", "SCHEMA", "Peer", "Said", "weather"]

CITY = "Which city is meant?"


def weather(city: str) -> str:
    """The weather of a city

    Args:
        city: where
    """
    return f"sunny in {city}"


PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
"""Of `weather`, for frameworks that take a JSON schema."""
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
    "additionalProperties": False,
}
"""Of a structured answer."""


class Said(NamedTuple):
    """An answer as the framework shows it. pieces: of a stream. calls: name and arguments. tokens: in, out.

    thinking: of the first turn, where there were two.
    """

    text: str = ""
    pieces: tuple[str, ...] = ()
    calls: tuple[tuple[str, Any], ...] = ()
    thinking: str = ""
    tokens: tuple[int | None, int | None] | None = None


class Peer(Protocol):
    """A framework, or one of its classes, pointed at the gateway. All methods take a model as the gateway names it.

    absent: feature, feature/dialect of the provider or feature/"stream" -> why the framework has no such thing.
    loses: dialect of the provider, "stream" or "*" -> why what that provider signed of its thinking does not come back.
    raises: status -> class of the exception.
    """

    absent: dict[str, str]
    raises: dict[int, str]
    loses: dict[str, str]

    def chat(self, model: str) -> Said:
        """CITY, under the system message "be brief"."""
        ...

    def stream(self, model: str) -> Said:
        """CITY, streamed."""
        ...

    def tools(self, model: str, *, stream: bool, think: bool) -> Said:
        """CITY with the tool `weather`, all of whose calls are answered; then what the model says to that."""
        ...

    def structured(self, model: str) -> Any:
        """CITY, to be answered by SCHEMA; the decoded answer."""
        ...

    def image(self, model: str) -> Said:
        """CITY with PIXEL."""
        ...

    def failure(self, model: str) -> tuple[str, int | None]:
        """CITY, which fails: the name of the exception's class and the status that it tells."""
        ...
