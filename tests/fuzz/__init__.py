"""Bytes that nobody thought of, guided by coverage: what reads a stranger's bytes, fed by atheris (libFuzzer).

`targets` has what is fed and what must hold; `__main__` feeds it: `make fuzz SECONDS=60`, for each target.
"""
