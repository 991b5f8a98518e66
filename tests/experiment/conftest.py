"""Experiments on a real gateway: the fixtures of the gateway's and the ledger's tests."""

from tests.gateway.conftest import serve
from tests.ledger.conftest import engine, opened, postgres, url

__all__ = ["engine", "opened", "postgres", "serve", "url"]
