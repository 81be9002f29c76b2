"""/healthz, /readyz and /metrics, asked over real connections."""

import http.client
import socket

import pytest

from reconciler.errors import Misused
from reconciler.loop.endpoints import Endpoints


def ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


class Served:
    def __init__(self, host="127.0.0.1"):
        self.host = host
        self.hanging, self.unready = [], []
        self.endpoints = Endpoints(
            (host, 0), alive=lambda: self.hanging, unready=lambda: self.unready, metrics=lambda: b"up 1\n"
        )
        self.endpoints.start()

    def ask(self, path, method="GET", body=None):
        connection = http.client.HTTPConnection(self.host, self.endpoints.port, timeout=10)
        connection.request(method, path, body=body)
        answer = connection.getresponse()
        found = answer.status, answer.read(), dict(answer.headers)
        connection.close()
        return found


@pytest.fixture(scope="module")
def server():
    served = Served()
    yield served
    served.endpoints.close()


@pytest.fixture
def served(server):
    server.hanging.clear()
    server.unready.clear()
    return server


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/healthz?verbose=1"])
def test_all_is_well(served, path):
    assert served.ask(path)[:2] == (200, b"ok\n")


@pytest.mark.parametrize(("path", "problems"), [("/healthz", "hanging"), ("/readyz", "unready")])
def test_what_is_wrong_is_named_one_to_a_line(served, path, problems):
    getattr(served, problems).extend(["home is not listed", "cluster eu-1: 403"])
    assert served.ask(path)[:2] == (503, b"home is not listed\ncluster eu-1: 403\n")
    other = {"/healthz": "/readyz", "/readyz": "/healthz"}[path]
    assert served.ask(other)[0] == 200
    getattr(served, problems).clear()
    assert served.ask(path)[0] == 200


def test_metrics(served):
    status, body, headers = served.ask("/metrics")
    assert (status, body) == (200, b"up 1\n")
    assert headers["Content-Type"].startswith("text/plain; version=")
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_head_is_the_same_without_a_body(served):
    status, body, headers = served.ask("/metrics", "HEAD")
    assert (status, body, headers["Content-Length"]) == (200, b"", "5")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/../etc/passwd", "/healthz/x", "/%68ealthz"])
def test_nothing_else_is_answered(served, path):
    assert served.ask(path)[:2] == (404, b"not found\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(served, method):
    assert served.ask("/healthz", method, body=b"x")[0] == 501


def test_an_address_that_is_taken_is_one_sentence(served):
    taken = ("127.0.0.1", served.endpoints.port)
    with pytest.raises(Misused, match=f"cannot listen on 127.0.0.1:{taken[1]}: Address already in use"):
        Endpoints(taken, alive=list, unready=list, metrics=bytes)


def test_an_address_that_is_not_ours_is_one_sentence():
    with pytest.raises(Misused, match=r"cannot listen on no-such-host\.invalid:0"):
        Endpoints(("no-such-host.invalid", 0), alive=list, unready=list, metrics=bytes)


@pytest.mark.skipif(not ipv6(), reason="this machine has no IPv6")
def test_it_listens_on_ipv6():
    served = Served("::1")
    assert served.ask("/healthz")[0] == 200
    served.endpoints.close()
