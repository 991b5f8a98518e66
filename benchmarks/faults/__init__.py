"""What providers do wrong, done on purpose: a provider with a port for each fault, and what comes of it.

It owns the faults, the rules that they are judged by, and the table. It refuses to know how the callers work: they are
asked as their users would ask them, and every rule on tries and times is measured at the provider.
"""
