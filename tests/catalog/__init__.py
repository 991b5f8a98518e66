"""The catalogue's tests."""
