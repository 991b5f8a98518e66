"""The engine's fixtures, where its tests find them."""

from tests.engine.fixtures import local_engine

__all__ = ["local_engine"]
