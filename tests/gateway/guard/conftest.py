"""Guardrails need packages of an extra."""

from importlib.util import find_spec

import pytest

MISSING = [name for name in ("re2", "stdnum", "phonenumbers", "detect_secrets") if find_spec(name) is None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if MISSING:
        skip = pytest.mark.skip(reason=f"not installed: {', '.join(MISSING)} (pip install 'tsuji[guardrails]')")
        for item in items:
            if "tests/gateway/guard/" in str(item.path):
                item.add_marker(skip)
