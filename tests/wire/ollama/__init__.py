"""Tests of the ollama dialect."""
