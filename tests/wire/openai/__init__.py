"""Tests of the openai dialect."""
