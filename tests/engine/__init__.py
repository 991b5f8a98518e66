"""Tests of the local engine, with the real llama.cpp and the real default models."""
