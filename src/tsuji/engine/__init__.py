"""The local engine: GGUF models run by llama.cpp, each in a child process with its own loopback port.

Owns the model store with its names, presets and sources, the GGUF header reader, the child processes, and what
llama.cpp's chat endpoint lacks (enforced tool choice, tools for templates that know none). Refuses to read weights, to
run a model inside this process, and to speak HTTP for a caller: it hands out an endpoint, the client does the rest.
"""
