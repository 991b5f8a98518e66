"""The nouns that every layer shares: request, message parts, tools, events, usage, response, provider, errors.

Owns the canonical form that all wire dialects translate to and from, and the one error tree. It refuses to know any
wire format, any provider by name, and anything of the world: no sockets, clocks, files, environment or randomness.
It imports msgspec and the standard library only.

`ext` is how fidelity is kept. Every noun has an `ext`: dialect name -> fields of that dialect that core has no noun
for, verbatim. A renderer emits the ext of its own dialect and refuses that of another by name (or drops it, and says
so, where the caller set `drop_params`). A key that begins with "~" remembers a spelling (which of two names of one
field was used); the same dialect gives it back, others ignore it.
"""
