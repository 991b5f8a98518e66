"""The response cache: an answer that was given once is given again to whoever may have it and asks the same.

Owns what makes two requests the same (`key`), what is kept of an answer (`entry`), where (`memory`, `sqlite`,
`rediskv`), and the calls under way that several clients wait for (`flight`). It refuses to decide who may ask: keys,
limits and guardrails have spoken before a request comes here, and what it keeps has passed them on the way out. It
never makes up an answer: what is not whole, complete and unfiltered is not kept, and a store that fails is a miss.
"""

from .cache import ResponseCache
from .visit import Visit

__all__ = ["ResponseCache", "Visit"]
