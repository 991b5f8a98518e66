"""The names of this dialect, and what it keeps for itself of what passes through core."""

from typing import Any, cast

from tsuji.core.parts import Ext

from ..anthropic.fields import Object

NAME = "bedrock"
FIELDS = frozenset(
    (
        "messages",
        "system",
        "inferenceConfig",
        "toolConfig",
        "guardrailConfig",
        "projectIdentifier",
        "additionalModelRequestFields",
        "promptVariables",
        "additionalModelResponseFieldPaths",
        "requestMetadata",
        "performanceConfig",
        "serviceTier",
        "outputConfig",
    )
)
"""The request's top level (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html)."""

NAMES = {
    "max_tokens": "inferenceConfig.maxTokens",
    "max_completion_tokens": "inferenceConfig.maxTokens",
    "temperature": "inferenceConfig.temperature",
    "top_p": "inferenceConfig.topP",
    "stop": "inferenceConfig.stopSequences",
    "tools": "toolConfig.tools",
    "tool_choice": "toolConfig.toolChoice",
    "response_format": "outputConfig.textFormat",
    "service_tier": "serviceTier",
    "metadata": "requestMetadata",
}
"""See Dialect.names."""

ADDITIONAL = "additionalModelRequestFields"


def list_or_empty(value: Any) -> list[Any]:
    """For fields where a provider's mistake is no reason to fail."""
    return cast(list[Any], value) if type(value) is list else []


def ext_of(fields: Object) -> Ext | None:
    return {NAME: fields} if fields else None


def own(ext: Ext | None) -> Object:
    """This dialect's fields, remembered spellings ("~name") among them."""
    return ext.get(NAME, {}) if ext else {}


def plain(ext: Ext | None) -> Object:
    """The same without spellings."""
    return {k: v for k, v in own(ext).items() if not k.startswith("~")}


def is_native(ext: Ext | None) -> bool:
    """Whether a request was said in this dialect: then it is given back as it was said, not fitted to the API."""
    return "~native" in own(ext)
