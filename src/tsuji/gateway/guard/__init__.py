"""Guardrails: what a route's requests and answers are checked for, before they go on.

Owns the kinds of checks, what they may do (block, redact, log), and their way through requests, whole answers and
streams, all in canonical form: one guardrail serves every dialect. It refuses to know wire formats (the driver's
translation does), to write down or log what was found (a guardrail's name and what kind of thing it was, no more), and
to let a piece of a stream go that a later piece could make part of a hit.
"""
