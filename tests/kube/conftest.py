"""Fixtures of the tests of edges/kube: a scripted HTTP server, and connections that end with the test."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from api_server import DEFINITIONS, ApiServer
from kube_cases import Scripted, plain_kubeconfig

from reconciler.edges.kube.connect import Connection, open_kubeconfig

CRDS = Path(__file__).parents[2] / "deploy" / "crds"


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """A real HTTP server that answers what the test tells it to."""
    server = Scripted()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[..., Connection]]:
    """connect(port, token=…): a connection to a plain server on this machine."""
    opened: list[Connection] = []

    def connect_to(port: int, token: str = "canary-token-123", **options) -> Connection:  # noqa: S107  # a fixture's token
        path = tmp_path / f"kubeconfig-{len(opened)}"
        path.write_text(plain_kubeconfig(port, token))
        opened.append(open_kubeconfig(path, name="eu-1", allow=frozenset({"plainLoopback"}), **options))
        return opened[-1]

    yield connect_to
    for connection in opened:
        connection.close()


@pytest.fixture(scope="session")
def server(api_server: ApiServer) -> ApiServer:
    """The API server of the test, with our definitions."""
    definitions = [yaml.safe_load(path.read_text()) for path in sorted(CRDS.glob("*.yaml"))]
    for definition in definitions:
        path = f"{DEFINITIONS}/{definition['metadata']['name']}"
        api_server.apply(path, definition, manager="test", force="true")
    for definition in definitions:
        api_server.eventually(f"/apis/reconciler.dev/v1alpha1/{definition['spec']['names']['plural']}", bool)
    return api_server


@pytest.fixture
def cluster(server: ApiServer) -> Iterator[Connection]:
    """Our connection to it."""
    allow = frozenset({"plainLoopback", "fileReferences"})
    connection = open_kubeconfig(server.kubeconfig, server.context, name="eu-1", allow=allow)
    yield connection
    connection.close()


@pytest.fixture
def namespace(server: ApiServer) -> str:
    """A namespace of this test."""
    return server.namespace()
