"""The one string that names any model."""

from .errors import InvalidRequestError
from .parts import Noun


class ModelRef(Noun, frozen=True):
    """provider: an id of the catalogue or the config; model: the provider's own name, verbatim."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.model}"


def parse_model(text: str, provider: str | None = None) -> ModelRef:
    """`"provider:model"` or `"provider/model"`; with `provider` given, all of `text` is the model's name.

    The first separator decides: "openrouter:z-ai/glm-4.7" and "ollama:qwen3:8b" mean what they look like.
    Raises InvalidRequestError if no provider can be read.
    """
    if provider:
        return ModelRef(provider=provider, model=text)
    cut = min([at for at in (text.find(":"), text.find("/")) if at > 0], default=0)
    if not cut or cut == len(text) - 1:
        raise InvalidRequestError(
            f"model {text!r} names no {'model' if cut else 'provider'}; write 'provider:model', such as "
            "'openai:gpt-5-mini' or 'local:default'",
            param="model",
        )
    return ModelRef(provider=text[:cut], model=text[cut + 1 :])
