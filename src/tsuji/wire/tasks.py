"""What vectors are for, across providers: each has words of its own for the same few tasks.

| | Gemini | Cohere | Voyage | Jina | NVIDIA |
|---|---|---|---|---|---|
| query | RETRIEVAL_QUERY | search_query | query | retrieval.query | query |
| document | RETRIEVAL_DOCUMENT | search_document | document | retrieval.passage | passage |
| classification | CLASSIFICATION | classification | | classification | |
| clustering | CLUSTERING | clustering | | separation | |
| similarity | SEMANTIC_SIMILARITY | | | text-matching | |

Sources: https://ai.google.dev/gemini-api/docs/embeddings#task-types, https://docs.cohere.com/reference/embed,
https://docs.voyageai.com/reference/embeddings-api, https://jina.ai/embeddings,
https://docs.nvidia.com/nim/nemo-retriever/text-embedding/latest/reference.html
"""

from collections.abc import Mapping

from .dialect import Losses

TASKS = ("query", "document", "classification", "clustering", "similarity")
"""Names of the tasks, which a caller may use as well."""

_MEANINGS = {
    "retrieval_query": "query",
    "search_query": "query",
    "retrieval.query": "query",
    "retrieval_document": "document",
    "search_document": "document",
    "retrieval.passage": "document",
    "passage": "document",
    "separation": "clustering",
    "semantic_similarity": "similarity",
    "text-matching": "similarity",
    **dict(zip(TASKS, TASKS, strict=True)),
}


def leave_out(task: str, losses: Losses) -> None:
    """Where models are asked for vectors without a task: one that others share is a hint, noted; a word of one
    provider's own is refused.
    """
    if task.lower() in _MEANINGS:
        losses.note("task")
    else:
        losses.refuse("task", f"vectors are made for nothing in particular, not for {task!r}")


def word_for(task: str, words: Mapping[str, str], losses: Losses) -> str | None:
    """The provider's word for a task that is called by any other's; a word that nobody shares passes as it is.

    words: task -> the provider's word. A task that it has none for is refused, and None where losses.drop.
    """
    if task in words.values():
        return task
    meaning = _MEANINGS.get(task.lower())
    if meaning is None:
        return task
    word = words.get(meaning)
    if word is None:
        losses.refuse("task", f"it has no word for {task!r}, only {', '.join(words.values())}")
    return word
