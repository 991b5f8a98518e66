"""Tests of the library's client, against scripted providers."""
