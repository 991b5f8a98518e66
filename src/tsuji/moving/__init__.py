"""Moving in: what another gateway's configuration says, as a tsuji.toml with a comment for all that it cannot say.

Owns the readers of LiteLLM's, OpenRouter's, Portkey's and Ollama's formats, the names that they have for providers, and
the draft that each of them fills. It refuses to write files, to ask anyone, to lose a setting in silence, and to fail
for a key that it does not know: that one is listed.
"""

from .draft import Draft
from .litellm import from_litellm
from .ollama import from_ollama
from .openrouter import from_openrouter
from .portkey import from_portkey

__all__ = ["Draft", "from_litellm", "from_ollama", "from_openrouter", "from_portkey"]
