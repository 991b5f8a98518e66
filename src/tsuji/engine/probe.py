"""What a llama.cpp server says of itself over HTTP, for the parent that started it."""

import http.client
import json
import time
from collections.abc import Callable
from typing import Any

from tsuji.hardware.gguf import Header

from .endpoint import LoadedModel
from .formats.families import refused_by_llama

_PAUSE = 0.05


def wait_healthy(port: int, check: Callable[[], None]) -> None:
    """Returns when the server on `port` has loaded its model; `check` is called in between and may raise."""
    while _get(port, "/health", "")[0] != 200:
        check()
        time.sleep(_PAUSE)


def loaded_model(port: int, key: str, pid: int, header: Header) -> LoadedModel:
    """From GET /props, and from the file's header what an old server leaves out.

    https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md#get-props-get-server-global-properties
    """
    _, props = _get(port, "/props", key)
    template: str | None = None if header.embeds else props.get("chat_template") or header.chat_template
    abilities: dict[str, Any] = props.get("chat_template_caps") or {}
    knows_tools = abilities.get("supports_tools", template is not None and "tools" in template)
    settings: dict[str, Any] = props.get("default_generation_settings") or {}
    return LoadedModel(
        architecture=header.architecture or "",
        context=settings.get("n_ctx") or header.context_length or 0,
        template=template,
        tools_supported=bool(
            knows_tools and abilities.get("supports_tool_calls", True) and not refused_by_llama(template or "")
        ),
        embeddings=header.embeds,
        pid=pid,
    )


def _get(port: int, path: str, key: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        return 0, {}
    finally:
        connection.close()
