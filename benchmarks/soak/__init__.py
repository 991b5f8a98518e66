"""The gateway under load for a while, with faults on both of its sides and operations meanwhile: `make soak`.

Owns the figures of docs/soak.md: what was asked, which faults were made, what clients saw, and whether the ledger has
each request that a client saw finish, once and with the right tokens. A client knows which fault it asked for, so an
outcome that its fault does not explain is counted as such. It refuses to explain one afterwards.
"""
