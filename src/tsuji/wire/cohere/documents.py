"""Documents to read and to cite, both ways: `{"data": {...}, "id": "..."}`, or a text alone.

https://docs.cohere.com/v2/docs/retrieval-augmented-generation-rag. `data` is an object of any fields, or (in a tool's
result) a text. Core has its `text` (or `snippet`) as the text and its `title` as the title; where there is more in it,
the text is all of it, as JSON.
"""

from typing import Any

from tsuji.core.parts import Document, Media
from tsuji.wire.media import text_of
from tsuji.wire.openai.fields import as_object, is_object, wrong
from tsuji.wire.passthrough import encode

from .fields import NAME, Fields, own

_TEXTS = ("text", "snippet")


def read_document(value: Any, where: str, part: bool = False) -> Document:
    """part: it stands among a message's content. Raises InvalidRequestError."""
    kept = {"~document": value, "~part": True} if part else {"~document": value}
    if type(value) is str:
        return Document(Media(text=value), ext={NAME: kept})
    data: Any = as_object(value, where).get("data")
    if type(data) is str:
        return Document(Media(text=data), ext={NAME: kept})
    if not is_object(data):
        raise wrong(where + ".data", "an object or a string")
    text, title = _said(data)
    return Document(Media(text=text), title, ext={NAME: kept})


def _said(data: Fields) -> tuple[str, str | None]:
    texts = [name for name in _TEXTS if type(data.get(name)) is str]
    title: Any = data.get("title")
    if len(texts) == 1 and data.keys() <= {texts[0], "title"} and (title is None or type(title) is str):
        return data[texts[0]], title
    return encode(data).decode(), None


def write_document(part: Document) -> Fields | str | None:
    """None for one that is no text."""
    spelled = own(part.ext).get("~document")
    if spelled is not None:
        return spelled
    text = text_of(part.source)
    if text is None:
        return None
    data: Fields = {"text": text}
    title = part.title or part.source.name
    if title:
        data["title"] = title
    if part.context:
        data["context"] = part.context
    return {"data": data}
