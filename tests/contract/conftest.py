"""The same cases on the embedded server and on a real one: what holds here holds where models run.

Each case takes `api_server` and so runs twice. Where the embedded server differs on purpose, the case says so.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "render"))

import contract_samples as samples
from api_server import ApiServer


@pytest.fixture
def namespace(api_server: ApiServer) -> str:
    """A namespace of this test."""
    return api_server.namespace()


@pytest.fixture(scope="session")
def gadgets(api_server: ApiServer) -> str:
    """A custom kind with a scale, a status and columns; the path of its group and version."""
    api_server.install_crd(samples.GADGETS)
    return "/apis/example.com/v1"
