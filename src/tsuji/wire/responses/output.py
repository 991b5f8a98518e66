"""What the model said, to the items of an answer's `output`: each part of core is one item, or part of a message.

| core | here |
|---|---|
| Text, Refusal | `output_text`, `refusal`; those in a row are one message, unless they came as several |
| Thinking | `reasoning`: of this dialect as it came; of another its text as the summary, the rest carried |
| ToolCall | `function_call` (`custom_tool_call` where it came as that), `call_id` made up where there is none |
| a signature on a text or a call | carried in a `reasoning` item behind it |
| Image with data | `image_generation_call` |
| Opaque of this dialect | as it came |
| Audio | its transcript, as text |
| anything else | left out: what a client's dialect has no word for is no error in an answer |

Carried is what another dialect needs back on the next turn: it stands in `encrypted_content`, which clients give back
unread.
"""

from typing import Any

from tsuji.core.parts import Audio, Image, Opaque, Part, Refusal, Text, Thinking, ToolCall
from tsuji.core.response import TokenLogprob
from tsuji.wire.anthropic import carried
from tsuji.wire.openai.logprobs import write_logprobs

from .fields import NAME, Fields, own
from .items_out import summaries, write_call, write_image, write_reasoning, write_words


def words_of(part: Part) -> Text | Refusal | None:
    """The part as words, if it is any."""
    if type(part) is Text or type(part) is Refusal:
        return part
    if type(part) is Audio and part.transcript is not None:
        return Text(part.transcript)
    return None


def message_item(part: Text | Refusal, made: str) -> Fields:
    """A message without content yet. made: its id, where the provider gave none."""
    kept = own(part.ext).get("~item")
    out: Fields = {"id": made, "type": "message", "status": "completed", "role": "assistant"}
    if kept:
        out.update(kept)
    return out


def words(part: Text | Refusal, logprobs: tuple[TokenLogprob, ...] = ()) -> Fields:
    """A part of a message's content, with all that the official client requires."""
    if type(part) is Refusal or "~part" in own(part.ext):
        out = write_words(part)
        if type(part) is Text:
            out.setdefault("annotations", [])
        return out
    cited = part.citations if type(part) is Text else ()
    notes = [a for c in cited if (a := annotation(c, len(part.text))) is not None]
    return {"type": "output_text", "text": part.text, "annotations": notes, "logprobs": _logprobs(logprobs)}


def _logprobs(entries: tuple[TokenLogprob, ...]) -> list[Fields]:
    """The client's type requires the bytes."""
    out = write_logprobs(entries)
    for entry in out:
        for row in (entry, *entry["top_logprobs"]):
            row["bytes"] = row["bytes"] or []
    return out


def annotation(cited: Any, length: int) -> Fields | None:
    """This dialect's own verbatim, another's as `url_citation` where it has a URL. length: of the text."""
    verbatim = own(cited.ext)
    if verbatim:
        return verbatim
    if cited.url is None:
        return None
    start, end = cited.start or 0, length if cited.end is None else cited.end
    return {
        "type": "url_citation",
        "start_index": start,
        "end_index": end,
        "title": cited.title or "",
        "url": cited.url,
    }


def call_item(part: ToolCall, made: str) -> Fields:
    kept = {k: v for k, v in own(part.ext).items() if not k.startswith("~")}
    item = write_call(part, part.id or "call_" + made)
    if item["type"] == "custom_tool_call":  # It has no status.
        return {"id": "ctc_" + made, **item, **kept}
    return {"id": "fc_" + made, "status": "completed", **item, **kept}


def reasoning_item(part: Thinking, made: str) -> Fields:
    if part.origin == NAME:
        out = write_reasoning(part, part.id or made)
        out.setdefault("summary", [])
        return out
    return {
        "id": made,
        "type": "reasoning",
        "summary": summaries(part.text),
        "encrypted_content": carried.pack_thinking(part),
    }


def signature_item(signature: str, made: str) -> Fields:
    packed = carried.pack_signature(signature)
    return {"id": made, "type": "reasoning", "summary": [], "encrypted_content": packed}


def whole_item(part: Part, made: str) -> Fields | None:
    """The item of a part that has no deltas."""
    if type(part) is Opaque:
        return part.data if part.dialect == NAME else None
    if type(part) is Image and part.source.data is not None:
        return write_image(part, "ig_" + made)
    return None


def write_output(content: tuple[Part, ...], response_id: str, logprobs: tuple[TokenLogprob, ...]) -> list[Fields]:
    """All items of a whole answer. The log-probabilities of another dialect go to the first text."""
    out: list[Fields] = []
    message: Any = None
    for index, part in enumerate(content):
        made = f"{response_id}_{index}"
        said = words_of(part)
        if said is not None:
            if message is None or "~item" in own(said.ext):
                message = {**message_item(said, "msg_" + made), "content": []}
                out.append(message)
            message["content"].append(words(said, logprobs))
            if type(said) is Text:
                logprobs = ()
        else:
            message = None
            item = _item(part, made)
            if item is not None:
                out.append(item)
        signature = part.signature if type(part) is Text or type(part) is ToolCall else None
        if signature is not None:
            message = None
            out.append(signature_item(signature, f"rs_{made}_signature"))
    return out


def _item(part: Part, made: str) -> Fields | None:
    if type(part) is ToolCall:
        return call_item(part, made)
    if type(part) is Thinking:
        return reasoning_item(part, "rs_" + made)
    return whole_item(part, made)
