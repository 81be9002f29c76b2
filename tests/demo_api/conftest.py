"""Fixtures of the embedded API's own tests: a cluster that one test can break, and plain sockets to it."""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3

from reconciler.demo.api import Cluster, Server, serve

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def server() -> Iterator[Server]:
    """One embedded cluster, eu-1, that remembers few changes."""
    with serve([Cluster("eu-1", history=5)]) as running:
        yield running


@pytest.fixture
def cluster(server: Server) -> Cluster:
    return server.clusters["eu-1"]


@pytest.fixture
def ask(server: Server) -> Iterator[Ask]:
    """ask(method, path, body=None, **headers) -> (status, JSON or text)."""
    pool = urllib3.PoolManager(retries=False, timeout=10)

    def request(method: str, path: str, body: Any = None, kind: str = "application/json", **headers: str):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": kind, **headers}
        answer = pool.request(method, server.url("eu-1") + path, body=data, headers=sent)
        try:
            return answer.status, json.loads(answer.data)
        except ValueError:
            return answer.status, answer.data.decode()

    yield request
    pool.clear()


@pytest.fixture
def speak(server: Server) -> Callable[[bytes], bytes]:
    """speak(bytes) -> everything the server answers until it closes the connection."""

    def say(data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", server.port("eu-1")), timeout=10) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    return say
