"""Microsoft Entra ID, through azure-identity's DefaultAzureCredential.

https://learn.microsoft.com/azure/developer/python/sdk/authentication/credential-chains
"""

from importlib import import_module
from typing import Any

from tsuji.core.errors import ConfigError, MissingApiKeyError

from .signer import Bearer, bearer


def grant(scope: str) -> Bearer:
    """Raises ConfigError without azure-identity, MissingApiKeyError with what was tried, in order."""
    try:
        identity: Any = import_module("azure.identity")
        failures: Any = import_module("azure.core.exceptions")
    except ImportError:
        raise ConfigError("Entra ID takes azure-identity: pip install 'tsuji[azure]'") from None
    try:
        # A new one each time: an old one would give the token again that it has kept.
        with identity.DefaultAzureCredential() as credential:
            token = credential.get_token(scope)
    except failures.AzureError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise MissingApiKeyError(f"no token of Entra ID for {scope}: {' | '.join(lines)}") from error
    return bearer(token.token, float(token.expires_on))
