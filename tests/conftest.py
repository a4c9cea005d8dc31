"""What every test shares."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.properties import load_profile

load_profile()


@pytest.fixture(autouse=True)
def _closed_ledgers() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """Python tells from 3.13 on of connections that nobody closed."""
    yield
    if opened := sys.modules.get("tests.support.ledger"):
        opened.close_all()
