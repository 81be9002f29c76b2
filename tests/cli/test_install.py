"""`install`: what is printed is what is applied, once or many times, and a server that refuses is told of."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from reconciler.render.crds import KINDS

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class Server(ThreadingHTTPServer):
    """Keeps what is applied to it, as an API server does; definitions are served from the second look on."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, dict] = {}
        self.looks: dict[str, int] = {}
        self.order: list[str] = []
        self.established = True
        self.forbidden = False


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece

    def log_message(self, *_arguments):
        """A test's output is its own."""

    def do_GET(self):
        found = self.server.objects.get(self.path)
        if found is None:
            return self.answer(404, {"kind": "Status", "message": "not found", "details": {"name": "x"}})
        looks = self.server.looks[self.path] = self.server.looks.get(self.path, 0) + 1
        served = "True" if looks > 1 and self.server.established else "False"
        status = {"conditions": [{"type": "Established", "status": served}]}
        return self.answer(200, found | ({"status": status} if self.path.startswith(DEFINITIONS) else {}))

    def do_PATCH(self):
        path, _, query = self.path.partition("?")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.forbidden:
            return self.answer(403, {"kind": "Status", "message": "cannot patch"})
        assert self.headers["Content-Type"] == "application/apply-patch+yaml"
        assert "fieldManager=reconciler-install" in query
        before = self.server.objects.get(path, {"metadata": {"resourceVersion": "0"}})
        same = {**body, "metadata": {**body["metadata"], "resourceVersion": before["metadata"]["resourceVersion"]}}
        if same != before:
            same["metadata"]["resourceVersion"] = str(int(before["metadata"]["resourceVersion"]) + 1)
        self.server.objects[path] = same
        self.server.order.append(body["kind"])
        return self.answer(200, same)

    def answer(self, code, data):
        body = json.dumps(data).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server():
    made = Server()
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def kubeconfig(server, tmp_path):
    data = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}],
        "users": [{"name": "u", "user": {"token": "canary-token-123"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(data))
    return path


def printed(reconciler):
    return [body for body in yaml.safe_load_all(reconciler("install").out) if body]


def test_without_apply_everything_is_printed_and_nothing_sent(reconciler):
    bodies = printed(reconciler)
    kinds = [body["kind"] for body in bodies]
    assert kinds[0] == "Namespace"
    assert kinds.count("CustomResourceDefinition") == len(KINDS)
    assert "ClusterRole" in kinds


def test_what_is_printed_is_what_is_applied(reconciler, server, kubeconfig):
    said = reconciler("install", "--kubeconfig", kubeconfig, "--apply")
    assert (said.code, said.err) == (0, "")
    assert server.order == [body["kind"] for body in printed(reconciler)]
    assert "Namespace reconciler-system: created\n" in said.out
    assert said.out.endswith("the cluster serves the definitions\n")
    assert f"{DEFINITIONS}/releasestates.reconciler.dev" in server.objects
    assert "canary-token" not in said.out


def test_applying_again_changes_nothing(reconciler, server, kubeconfig):
    reconciler("install", "--kubeconfig", kubeconfig, "--apply")
    again = reconciler("install", "--kubeconfig", kubeconfig, "--context", "here", "--apply")
    assert again.code == 0
    *objects, _ = again.out.splitlines()
    assert all(line.endswith(": unchanged") for line in objects)
    server.objects["/api/v1/namespaces/reconciler-system"]["metadata"]["labels"] = {}
    changed = reconciler("install", "--kubeconfig", kubeconfig, "--apply").out.splitlines()
    assert [line for line in changed[:-1] if not line.endswith(": unchanged")] == [
        "Namespace reconciler-system: changed"
    ]


def test_the_environment_may_name_the_kubeconfig(reconciler, server, kubeconfig, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    assert reconciler("install", "--apply").code == 0
    assert server.order


def test_definitions_that_are_not_served_in_time_are_a_failure(reconciler, server, kubeconfig):
    server.established = False
    said = reconciler("install", "--kubeconfig", kubeconfig, "--apply", "--timeout", "1")
    assert said.code == 3
    assert "the cluster does not serve" in said.err


def test_a_server_that_refuses_or_is_not_there_is_told_of(reconciler, server, kubeconfig):
    server.forbidden = True
    said = reconciler("install", "--kubeconfig", kubeconfig, "--apply")
    assert (said.code, len(said.err.splitlines())) == (3, 1)
    assert "cannot patch" in said.err
    kubeconfig.write_text(kubeconfig.read_text().replace(str(server.server_address[1]), "1"))
    gone = reconciler("install", "--kubeconfig", kubeconfig, "--apply")
    assert gone.code == 3
    assert "the connection is refused" in gone.err


def test_a_kubeconfig_that_runs_programs_needs_them_allowed_by_name(reconciler, server, kubeconfig):
    text = kubeconfig.read_text().replace("token: canary-token-123", "exec: {command: login, apiVersion: x}")
    kubeconfig.write_text(text)
    said = reconciler("install", "--kubeconfig", kubeconfig, "--apply")
    assert said.code == 2
    assert "exec:<command>" in said.err
    assert not server.order
