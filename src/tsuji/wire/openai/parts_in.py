"""Content parts of a message, from the wire.

`image_url`, `input_audio`, `file`, `text`, `refusal` are OpenAI's
(https://platform.openai.com/docs/api-reference/chat/create#chat_create-messages); `video_url` is shared by OpenRouter,
vLLM and Z.ai; `document_url` and `thinking` are Mistral's (https://docs.mistral.ai/capabilities/reasoning/).
Any other type becomes an Opaque part, verbatim.
"""

from collections.abc import Callable
from typing import Any

from tsuji.core.parts import Audio, Document, Image, Media, Opaque, Part, Refusal, Text, Thinking, Video

from .fields import NAME, as_list, as_object, as_text, ext, is_list, is_object, rest, take_mark, wrong


def read_parts(value: list[Any], where: str) -> tuple[Part, ...]:
    return tuple([read_part(part, f"{where}[{i}]") for i, part in enumerate(value)])


def read_part(value: Any, where: str) -> Part:
    """Raises InvalidRequestError, naming the field, where a part of a known type is not what it should be."""
    part = as_object(value, where)
    kind = as_text(part.get("type"), where + ".type")
    read = _READERS.get(kind)
    if read is None:
        return Opaque(dialect=NAME, kind=kind, data=part)
    return read(part, where)


def media(url: str) -> Media:
    """A link or a base64 data URL. A data URL of another form is kept as a URL."""
    if url.startswith("data:"):
        head, comma, data = url.partition(";base64,")
        if comma and "," not in head and ";" not in head:
            return Media(data=data, media_type=head[5:] or None)
    return Media(url=url)


def _text(part: dict[str, Any], where: str) -> Part:
    text = as_text(part.get("text"), where + ".text")
    if len(part) == 2:
        return Text(text)
    left = rest(part, ("type", "text"))
    return Text(text, cache=take_mark(left), ext=ext(left))


def _image(part: dict[str, Any], where: str) -> Part:
    left = rest(part, ("type", "image_url"))
    image: Any = part.get("image_url")
    cache = take_mark(left)
    if type(image) is str:  # Mistral takes a bare string as well.
        left["~string"] = True
        return Image(media(image), cache=cache, ext=ext(left))
    image = as_object(image, where + ".image_url")
    url = as_text(image.get("url"), where + ".image_url.url")
    detail: Any = image.get("detail")
    for name, value in rest(image, ("url", "detail")).items():
        left["image_url." + name] = value
    if detail is not None:
        detail = as_text(detail, where + ".image_url.detail")
    return Image(media(url), detail, cache, ext=ext(left))


def _audio(part: dict[str, Any], where: str) -> Part:
    left = rest(part, ("type", "input_audio"))
    said: Any = part.get("input_audio")
    if type(said) is str:  # Mistral: base64, or a URL.
        source = media(said)
        if source.url and not source.url.startswith(("http:", "https:")):
            source = Media(data=said)
        return Audio(source, ext=ext({**left, "~string": True}))
    audio = as_object(part.get("input_audio"), where + ".input_audio")
    data = as_text(audio.get("data"), where + ".input_audio.data")
    form: Any = audio.get("format")
    for name, value in rest(audio, ("data", "format")).items():
        left["input_audio." + name] = value
    if form is None:
        return Audio(Media(data=data), ext=ext(left))
    form = as_text(form, where + ".input_audio.format")
    return Audio(Media(data=data, media_type=_AUDIO_TYPES.get(form, "audio/" + form)), format=form, ext=ext(left))


_AUDIO_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav", "m4a": "audio/mp4", "pcm16": "audio/pcm"}


def _file(part: dict[str, Any], where: str) -> Part:
    left = rest(part, ("type", "file"))
    cache = take_mark(left)
    if "file" not in part and "file_id" in part:  # Mistral's.
        source = Media(file_id=as_text(left.pop("file_id", None), where + ".file_id"))
        return Document(source, cache=cache, ext=ext({**left, "~type": "file_id"}))
    file = as_object(part.get("file"), where + ".file")
    for name, value in rest(file, ("file_data", "file_id", "filename")).items():
        left["file." + name] = value
    left["~type"] = "file"
    file_id, data = _string(file, "file_id", where + ".file."), _string(file, "file_data", where + ".file.")
    name = _string(file, "filename", where + ".file.")
    if file_id is not None:
        if data is not None:
            left["file.file_data"] = data
        return Document(Media(file_id=file_id, name=name), cache=cache, ext=ext(left))
    if data is None:
        raise wrong(where + ".file", "an object with file_data or file_id")
    found = media(data)
    if found.url and not found.url.startswith(("data:", "http:", "https:")):
        found = Media(data=data)
    source = Media(data=found.data, url=found.url, media_type=found.media_type, name=name)
    return Document(source, cache=cache, ext=ext(left))


def _string(holder: dict[str, Any], name: str, where: str) -> str | None:
    value = holder.get(name)
    return None if value is None else as_text(value, where + name)


def _document_url(part: dict[str, Any], where: str) -> Part:
    left = rest(part, ("type", "document_url", "document_name"))
    left["~type"] = "document_url"
    url = as_text(part.get("document_url"), where + ".document_url")
    name = _string(part, "document_name", where + ".")
    source = media(url)
    return Document(
        Media(data=source.data, url=source.url, media_type=source.media_type, name=name),
        cache=take_mark(left),
        ext=ext(left),
    )


def _video(part: dict[str, Any], where: str) -> Part:
    left = rest(part, ("type", "video_url"))
    video = as_object(part.get("video_url"), where + ".video_url")
    url = as_text(video.get("url"), where + ".video_url.url")
    for name, value in rest(video, ("url",)).items():
        left["video_url." + name] = value
    return Video(media(url), ext=ext(left))


def _refusal(part: dict[str, Any], where: str) -> Part:
    left = rest(part, ("type", "refusal"))
    left["~part"] = True
    return Refusal(as_text(part.get("refusal"), where + ".refusal"), ext=ext(left))


def _thinking(part: dict[str, Any], where: str) -> Part:
    text = mistral_thinking(as_list(part.get("thinking"), where + ".thinking"))
    return Thinking(text, origin=NAME, ext={NAME: {"~field": "content", "~part": part}})


def mistral_thinking(pieces: Any) -> str:
    """The text of Mistral's `thinking` list."""
    if not is_list(pieces):
        return ""
    return "".join([p["text"] for p in pieces if is_object(p) and type(p.get("text")) is str])


_READERS: dict[str, Callable[[dict[str, Any], str], Part]] = {
    "text": _text,
    "image_url": _image,
    "input_audio": _audio,
    "file": _file,
    "document_url": _document_url,
    "video_url": _video,
    "refusal": _refusal,
    "thinking": _thinking,
}
