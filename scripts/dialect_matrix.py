"""Writes the tables of docs/dialects.md from what the code does.

With --check, says whether they are what it would write; with --pairs, prints every pair of dialects that is not what
two cells of a row say.

Each feature is rendered in each dialect, alone: what is refused is refused, what stands in the body beside what stood
there without it is where the dialect says it, and it is read back to see whether it survives.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import dialect_features as features
import msgspec
from dialect_features import Feature

from tsuji.core.assemble import assemble, replay
from tsuji.core.errors import TsujiError, UnsupportedParameterError
from tsuji.core.provider import Quirks
from tsuji.core.request import ChatRequest
from tsuji.wire import DIALECTS, dialect
from tsuji.wire.dialect import NO_QUIRKS, Losses

PAGE = Path(__file__).parent.parent / "docs" / "dialects.md"
BEGIN, END = "<!-- tables: made by scripts/dialect_matrix.py -->", "<!-- end of tables -->"
ACCEPTING = Quirks(
    accepts=("top_k", "min_p", "seed", "stop", "frequency_penalty", "presence_penalty", "input_type"),
    reasoning_field="reasoning_content",
)
SAYS, ALMOST, HINT, REFUSED, LEFT_OUT, SILENT = "says", "almost", "hint", "refused", "empty", "left out"


class Cell(NamedTuple):
    """what: one of the words above. where: the field. accent: only where a provider's row says that it takes it.

    whole: not in a stream. own: only what the dialect itself made.
    """

    what: str
    where: str = ""
    accent: bool = False
    whole: bool = False
    own: bool = False

    def __str__(self) -> str:
        if self.what in (SAYS, ALMOST):
            marks = [m for m, on in ((" †", self.accent), (" ‡", self.whole), (" *", self.own)) if on]
            return f"{'≈ ' if self.what == ALMOST else ''}`{self.where}`{''.join(marks)}"
        return "" if self.what == LEFT_OUT else self.what


Addition = tuple[bool, str, Any]


def additions(before: Any, after: Any, path: str = "") -> Iterator[Addition]:
    """(whether it is changed, not new; path; value) of what `after` has and `before` has not."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in after.items():
            where = f"{path}.{key}" if path else key
            if key not in before or (before[key] is None and value is not None):
                yield False, where, value
            elif value != before[key]:
                yield from additions(before[key], value, where)
    elif isinstance(after, list) and isinstance(before, list | str):
        listed = [{"type": "text", "text": before}] if isinstance(before, str) else before
        left = [item for item in listed if item not in after]
        for item in [item for item in after if item not in listed]:
            if left:
                yield from additions(left.pop(0), item, path + "[]")
            else:
                yield False, path + "[]", item
    elif before != after:
        yield True, path, after


_WITHIN = ("messages", "contents", "input", "parts", "content", "output", "choices", "message", "candidates")


def field(found: list[Addition]) -> str:
    """Where it stands: without the containers that all parts stand in; a part is its type, a word goes with it."""
    _, path, value = sorted(found, key=lambda entry: entry[0])[0]
    while isinstance(value, dict) and len(value) == 1 and not path.endswith("]"):
        ((key, value),) = value.items()
        path = f"{path}.{key}"
    steps = path.split(".")
    while len(steps) > 1 and steps[0].removesuffix("[]") in _WITHIN:
        steps.pop(0)
    path = ".".join(steps)
    if isinstance(value, dict):
        kind = value.get("type") or value.get("role") or value.get("mode")
        if path.removesuffix("[]") in _WITHIN:
            return kind if isinstance(kind, str) else next(k for k in value if k not in ("role", "id"))
        return f"{path}: {kind}" if isinstance(kind, str) else path
    named = isinstance(value, str) and steps[-1].lower().endswith(("reason", "status", "choice", "mode", "type"))
    return f"{path.removesuffix('.type')}: {value}" if named else path


def probe(feature: Feature, name: str, embeddings: bool = False) -> Cell:
    """What a request says of the feature in a dialect."""
    best = Cell(REFUSED)
    for quirks in (NO_QUIRKS, ACCEPTING):
        losses, before = Losses(name), Losses(name, drop=True)
        sent = feature.with_(name)
        try:
            body, back = _there_and_back(sent, name, quirks, losses, embeddings)
        except UnsupportedParameterError:
            continue
        base, _ = _there_and_back(feature.without(name), name, quirks, before, embeddings)
        found = list(additions(base, body))
        accent = quirks is ACCEPTING
        if found and feature.noun(back) == feature.noun(sent):
            return Cell(SAYS, field(found), accent, own=not _of_others(feature, name, quirks, embeddings))
        if best.what == REFUSED:
            noted = [d for d in losses.dropped if d not in before.dropped]
            best = Cell(ALMOST, field(found), accent) if found and not noted else Cell(HINT if noted else SILENT)
    return best


def _of_others(feature: Feature, name: str, quirks: Quirks, embeddings: bool) -> bool:
    """Whether the dialect also says what another has made."""
    sent = msgspec.structs.replace(feature.with_("other"), model=feature.with_(name).model)
    try:
        _, back = _there_and_back(sent, name, quirks, Losses(name), embeddings)
    except UnsupportedParameterError:
        return False
    return bool(feature.noun(back) == feature.noun(sent))


def _there_and_back(sent: Any, name: str, quirks: Quirks, losses: Losses, embeddings: bool) -> tuple[Any, Any]:
    """The body, with what the path says beside it, and the request that is read from it."""
    spoken = dialect(name)
    if embeddings:
        assert spoken.render_embedding_request
        assert spoken.parse_embedding_request
        call = spoken.render_embedding_request(sent, quirks, losses)
        return json.loads(call.body), spoken.parse_embedding_request(call.body, sent.model)
    call = spoken.render_request(sent, quirks, losses)
    body = json.loads(call.body)
    stream = None if "model" in body else sent.stream
    if "model" not in body:
        body["path"] = call.path.rpartition("/")[2].rpartition(":")[2]
    return body, spoken.parse_request(call.body, sent.model, stream)


def answer(feature: Feature, name: str) -> Cell:
    """What an answer says of the feature in a dialect, whole and as a stream."""
    spoken, sent = dialect(name), feature.with_(name)
    whole = spoken.render_response(sent)
    found = list(additions(json.loads(spoken.render_response(feature.without(name))), json.loads(whole)))
    back = spoken.parse_response(whole, NO_QUIRKS)
    if feature.noun(back) != feature.noun(sent):
        return Cell(ALMOST, field(found)) if found else Cell(LEFT_OUT)
    if feature.whole:
        return Cell(SAYS, field(found))
    parser = spoken.stream_parser(NO_QUIRKS)
    stream = spoken.stream_renderer(ChatRequest("m", stream=True, stream_usage=True)).render(replay(sent))
    try:
        same = feature.noun(assemble(parser.feed(stream) + parser.close())) == feature.noun(sent)
    except TsujiError:  # A stream that ends so has failed.
        same = False
    return Cell(SAYS, field(found) if found else "", whole=not same)


def deviations() -> list[str]:
    """Pairs that are not what the two cells say: a request that one dialect says, said in another."""
    out: list[str] = []
    for feature in (*features.REQUEST, *features.TOOLS, *features.PARTS):
        for source in DIALECTS:
            told = probe(feature, source)
            if told.what != SAYS:
                continue
            quirks = ACCEPTING if told.accent else NO_QUIRKS
            _, asked = _there_and_back(feature.with_(source), source, quirks, Losses(source), embeddings=False)
            for target in [name for name in DIALECTS if name != source]:
                said = probe(feature, target)
                seen = _pair(feature, asked, target, said)
                wanted = {said.what}
                if said.own:
                    wanted = {REFUSED, HINT, ALMOST, SAYS}  # Bedrock takes what Claude has signed elsewhere.
                elif said.what in (ALMOST, SILENT):  # Of what another made, a dialect may also leave out more.
                    wanted = {ALMOST, SILENT, SAYS, *((HINT,) if told.own else ())}
                if seen not in wanted:
                    out.append(f"{feature.name}: {source} -> {target}: {seen}, not {' or '.join(sorted(wanted))}")
    return out


def _pair(feature: Feature, asked: ChatRequest, target: str, said: Cell) -> str:
    losses, before = Losses(target), Losses(target, drop=True)
    quirks = ACCEPTING if said.accent else NO_QUIRKS
    asked = msgspec.structs.replace(asked, model=features.MODELS[target])
    base, _ = _there_and_back(feature.without(target), target, quirks, before, embeddings=False)
    try:
        body, back = _there_and_back(asked, target, quirks, losses, embeddings=False)
    except UnsupportedParameterError:
        return REFUSED
    if feature.noun(back) == feature.noun(asked):
        return SAYS
    if [d for d in losses.dropped if d not in before.dropped]:
        return HINT
    return ALMOST if list(additions(base, body)) else SILENT


def table(title: str, rows: Sequence[Feature], look: Any, names: Sequence[str]) -> list[str]:
    out = [f"| {title} | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    out += [f"| {f.name} | {' | '.join([str(look(f, n)) for n in names])} |" for f in rows]
    return [*out, ""]


def tables() -> str:
    embedding = [n for n in DIALECTS if dialect(n).parse_embedding_request]
    out: list[str] = []
    for title, rows in (("a request", features.REQUEST), ("tools", features.TOOLS), ("parts", features.PARTS)):
        out += table(title, rows, probe, DIALECTS)
    out += table("embeddings", features.EMBEDDINGS, lambda f, n: probe(f, n, embeddings=True), embedding)
    for title, rows in (("an answer", features.RESPONSE), ("why it ended", features.STOPS), ("usage", features.USAGE)):
        out += table(title, rows, answer, DIALECTS)
    return "\n".join(out)


def main() -> int:
    if "--pairs" in sys.argv:
        print("".join([f"{line}\n" for line in deviations()]), end="")
        return 0
    page = PAGE.read_text()
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    written = f"{head}{BEGIN}\n\n{tables()}\n{END}{tail}"
    if "--check" in sys.argv:
        print("the tables are what the code does" if written == page else "the tables have drifted: run make docs")
        return int(written != page)
    PAGE.write_text(written)
    return 0


if __name__ == "__main__":
    sys.exit(main())
