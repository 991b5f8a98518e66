"""Content parts of an item, from the wire.

Any type that is not known becomes an Opaque part, verbatim. An `output_text` keeps all but its words under "~part".
`text`, as chat completions and any-llm's examples have it, is read as the `input_text` that OpenAI takes.
"""

from collections.abc import Callable
from typing import Any

from tsuji.core.parts import Audio, Citation, Document, Image, Media, Opaque, Part, Refusal, Text
from tsuji.wire.openai.fields import as_object, as_text, is_list, is_object, rest, take_mark, wrong
from tsuji.wire.openai.parts_in import media

from .fields import NAME, Fields, ext


def read_content(value: list[Any], where: str) -> tuple[Part, ...]:
    return tuple([read_part(part, f"{where}[{i}]") for i, part in enumerate(value)])


def read_part(value: Any, where: str) -> Part:
    """Raises InvalidRequestError, naming the field, where a part of a known type is not what it should be."""
    part = as_object(value, where)
    kind = as_text(part.get("type"), where + ".type")
    read = _READERS.get(kind)
    return Opaque(NAME, kind, part) if read is None else read(part, where)


def _input_text(part: Fields, where: str) -> Part:
    text = as_text(part.get("text"), where + ".text")
    if len(part) == 2:
        return Text(text)
    left = rest(part, ("type", "text"))
    return Text(text, cache=take_mark(left), ext=ext(left))


def _output_text(part: Fields, where: str) -> Part:
    said: Any = part.get("annotations")
    cited = tuple([read_citation(a) for a in said if is_object(a)]) if is_list(said) else ()
    kept = {"~part": rest(part, ("type", "text"))}
    return Text(as_text(part.get("text"), where + ".text"), citations=cited, ext={NAME: kept})


def read_citation(annotation: Fields) -> Citation:
    """An annotation: a `url_citation` in core's words too, any other verbatim only."""
    url, title, start, end = (annotation.get(k) for k in ("url", "title", "start_index", "end_index"))
    return Citation(
        url=url if type(url) is str else None,
        title=title if type(title) is str else None,
        start=start if type(start) is int else None,
        end=end if type(end) is int else None,
        ext={NAME: annotation},
    )


def _refusal(part: Fields, where: str) -> Part:
    return Refusal(as_text(part.get("refusal"), where + ".refusal"), {NAME: {"~part": rest(part, ("type", "refusal"))}})


def _optional(part: Fields, name: str, where: str) -> str | None:
    value = part.get(name)
    return None if value is None else as_text(value, f"{where}.{name}")


def _image(part: Fields, where: str) -> Part:
    left = rest(part, ("type", "image_url", "file_id", "detail"))
    url, file_id = _optional(part, "image_url", where), _optional(part, "file_id", where)
    if url is None and file_id is None:
        raise wrong(where, "an image with image_url or file_id")
    if part.get("detail") is None:
        left["~own"] = True
    if url is not None and file_id is not None:
        left["file_id"] = file_id
    source = Media(file_id=file_id) if url is None else media(url)
    return Image(source, _optional(part, "detail", where), take_mark(left), ext=ext(left))


def _file(part: Fields, where: str) -> Part:
    left = rest(part, ("type", "file_data", "file_url", "file_id", "filename"))
    name, data = _optional(part, "filename", where), _optional(part, "file_data", where)
    url, file_id = _optional(part, "file_url", where), _optional(part, "file_id", where)
    cache = take_mark(left)
    if file_id is not None:
        source = Media(file_id=file_id)
        left.update({k: v for k in ("filename", "file_url", "file_data") if (v := part.get(k)) is not None})
    elif url is not None:
        source = Media(url=url, name=name)
        left.update({"file_data": data} if data is not None else {})
    elif data is not None:
        found = media(data)
        source = Media(data=data, name=name) if found.data is None else _named(found, name)
    else:
        raise wrong(where, "a file with file_data, file_url or file_id")
    return Document(source, cache=cache, ext=ext(left))


def _named(found: Media, name: str | None) -> Media:
    return Media(data=found.data, media_type=found.media_type, name=name)


def _audio(part: Fields, where: str) -> Part:
    audio = as_object(part.get("input_audio"), where + ".input_audio")
    form = as_text(audio.get("format"), where + ".input_audio.format")
    source = Media(data=as_text(audio.get("data"), where + ".input_audio.data"), media_type=_AUDIO.get(form))
    return Audio(source, format=form, ext={NAME: {"~own": True, **rest(part, ("type", "input_audio"))}})


_AUDIO = {"mp3": "audio/mpeg", "wav": "audio/wav"}
_READERS: dict[str, Callable[[Fields, str], Part]] = {
    "input_text": _input_text,
    "text": _input_text,
    "output_text": _output_text,
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}
