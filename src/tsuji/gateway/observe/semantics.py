"""Names of the OpenTelemetry GenAI conventions, as metrics and traces both use them.

https://github.com/open-telemetry/semantic-conventions-genai/tree/main/docs/gen-ai (status: development)
"""

OPERATIONS = frozenset(["chat", "embeddings", "count_tokens"])
"""Those that ask a model something. The last one is no well-known value of gen_ai.operation.name, which allows that."""

_PROVIDERS = {
    "azure": "azure.ai.inference",
    "azureopenai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "moonshot-cn": "moonshot_ai",
    "vertex": "gcp.vertex_ai",
    "vertexanthropic": "gcp.vertex_ai",
    "vertexopenai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}


def provider_and_model(target: str) -> tuple[str, str]:
    """gen_ai.provider.name (a well-known value where there is one) and gen_ai.request.model of "provider:model"."""
    provider, _, model = target.partition(":")
    return _PROVIDERS.get(provider, provider), model
