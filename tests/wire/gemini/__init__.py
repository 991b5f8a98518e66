"""Tests of the gemini dialect."""
