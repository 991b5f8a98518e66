"""Tsuji: one router for every language model."""

__version__ = "0.1.0"
