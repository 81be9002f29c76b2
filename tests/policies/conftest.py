"""Makes `policy_samples` importable, and one engine for a module's tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from reconciler.edges.cel.engine import CelEngine


@pytest.fixture(scope="module")
def engine() -> Iterator[CelEngine]:
    with CelEngine() as engine:
        yield engine
