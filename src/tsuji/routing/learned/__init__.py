"""A learned policy: which model is worth its price for this prompt.

Owns what is known of a prompt without a model (features), the policy as a file, its decisions, how it is trained from
outcomes of several models on the same prompts, how decisions are judged, and what feedback teaches since. It refuses to
read files, to run a model and to decide where it knows no better than the best single model: then it says so, and that
one is taken. Deciding needs nothing but Python; training needs numpy.
"""

from .decide import Decision, decide
from .policy import Group, Policy, Stop, read_policy

__all__ = ["Decision", "Group", "Policy", "Stop", "decide", "read_policy"]
