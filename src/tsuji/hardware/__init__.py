"""The planner's arithmetic: what a machine can hold of a model, and how fast it runs it.

Owns pure estimates from facts of devices and models, each with the inputs it came from. It refuses sockets, clocks and
files (facts come from the catalogue or from its caller), and to invent a figure: unknown stays unknown.
"""
