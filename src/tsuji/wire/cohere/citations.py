"""Citations, both ways: a span of the answer, and its sources (https://docs.cohere.com/v2/docs/rag-citations).

`content_index` says which block of the content the offsets are in. Core attaches a citation to its text; those of
thinking and of plans have no place there, and stay in ext.
"""

from typing import Any

from msgspec.structs import replace

from tsuji.core.parts import Citation, Part, Text

from .fields import NAME, Fields, object_in, objects_in, own, text_of


def read_citation(raw: Fields) -> Citation:
    """Title, address and words are those of the first source that has them."""
    start, end = raw.get("start"), raw.get("end")
    documents = [object_in(source, "document") for source in objects_in(raw.get("sources"))]
    return Citation(
        text=_first(documents, "snippet", "text"),
        url=_first(documents, "url"),
        title=_first(documents, "title"),
        start=start if type(start) is int else None,
        end=end if type(end) is int else None,
        ext={NAME: raw},
    )


def _first(documents: list[Fields], *names: str) -> str | None:
    return next((d[name] for d in documents for name in names if type(d.get(name)) is str and d[name]), None)


def of_text(raw: Fields) -> bool:
    return raw.get("type") in (None, "TEXT_CONTENT")


def attach(value: Any, parts: list[Part], blocks: list[int]) -> list[Fields]:
    """Puts citations where they belong in `parts`, and gives back those that belong nowhere.

    blocks: of each block of the content, its place in `parts`.
    """
    left: list[Fields] = []
    texts = [at for at in blocks if type(parts[at]) is Text]
    for raw in objects_in(value):
        index: Any = raw.get("content_index")
        at = blocks[index] if type(index) is int and 0 <= index < len(blocks) else next(iter(texts), None)
        part = None if at is None else parts[at]
        if at is not None and type(part) is Text and of_text(raw):
            parts[at] = replace(part, citations=(*part.citations, read_citation(raw)))
        else:
            left.append(raw)
    return left


def own_citation(citation: Citation) -> Fields | None:
    """As this dialect sent it; None for another's."""
    return own(citation.ext) or None


def write_citation(citation: Citation, text: str, index: int) -> Fields:
    """For a client to see, whoever made it. text: what it is attached to; index: of that block."""
    mine = own_citation(citation)
    if mine is not None:
        return mine
    start, end = citation.start, citation.end
    spanned = text[start:end] if start is not None and end is not None else text
    known = {"title": citation.title, "url": citation.url, "snippet": citation.text}
    document = {name: value for name, value in known.items() if value is not None}
    source = {"type": "document", "id": citation.url or citation.title or "", "document": document}
    out: Fields = {"start": 0 if start is None else start, "end": len(text) if end is None else end}
    return out | {"text": text_of(spanned), "sources": [source], "content_index": index, "type": "TEXT_CONTENT"}
