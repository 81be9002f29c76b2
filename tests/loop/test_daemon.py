"""The daemon itself, opened on embedded clusters: what wakes whom, and settings as `init` writes them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import structlog

from reconciler.cli.install import apply_all
from reconciler.config import load
from reconciler.demo.api import Cluster, serve
from reconciler.demo.api.messages import Request
from reconciler.demo.organisation import Organisation, make
from reconciler.demo.stage import CLUSTERS, NAMESPACES
from reconciler.edges.kube.connect import open_kubeconfig
from reconciler.loop.daemon import Daemon
from reconciler.model.state import TargetState

STATES = "/apis/reconciler.dev/v1alpha1/namespaces/fraud/targetstates"
QUIET = structlog.wrap_logger(  # of its own: another test's settings may name a stream that is closed
    structlog.ReturnLogger(), processors=[structlog.processors.KeyValueRenderer()], wrapper_class=structlog.BoundLogger
)
ALLOW = frozenset({"plainLoopback"})


class World:
    """Two embedded clusters and one daemon on them."""

    def __init__(self, folder: Path) -> None:
        self.organisation: Organisation = make(folder / "acme", metrics="127.0.0.1:0")
        self.clusters = {name: Cluster(name) for name in CLUSTERS}
        self.server = serve(self.clusters.values())
        self.server.write_kubeconfig(self.organisation.kubeconfig)
        for name in CLUSTERS:
            connection = open_kubeconfig(self.organisation.kubeconfig, name, name=name, allow=ALLOW)
            with contextlib.redirect_stdout(None):
                apply_all(connection, timeout=30)
            connection.close()
            for namespace in NAMESPACES:
                body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
                self.ask(name, "POST", "/api/v1/namespaces", body)
        self.daemon = Daemon(load(self.organisation.settings), log=QUIET)
        self.daemon.open()

    def ask(self, cluster: str, method: str, path: str, body: object = None, kind: str = "application/json") -> dict:
        data = orjson.dumps(body) if body is not None else b""
        return orjson.loads(self.clusters[cluster].answer(Request.of(method, path, {"content-type": kind}, data)).body)

    def target(self, cluster: str) -> TargetState | None:
        (row,) = self.ask(cluster, "GET", STATES)["items"] or [None]
        return TargetState.from_data({**row["spec"], "status": row.get("status") or {}}) if row else None

    def path(self, cluster: str) -> str:
        return f"{STATES}/{self.ask(cluster, 'GET', STATES)['items'][0]['metadata']['name']}"

    def settle(self) -> None:
        assert self.daemon.drain(until_settled=True, timeout=60)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    try:
        world.settle()
        yield world
    finally:
        world.daemon.stop()
        world.server.stop()


def test_a_target_state_that_somebody_deleted_or_edited_is_written_again(world):
    before = {cluster: world.target(cluster) for cluster in CLUSTERS}
    assert all(before.values())
    world.ask("eu-1", "DELETE", world.path("eu-1"))
    edit = {"status": {"sequence": 0, "versions": {}, "conditions": []}}
    world.ask("us-1", "PATCH", world.path("us-1"), edit, "application/merge-patch+json")
    world.settle()  # nobody else asks for a look at the target
    for cluster in CLUSTERS:
        after = world.target(cluster)
        assert after is not None
        assert after.directive == before[cluster].directive
        assert after.status.versions == before[cluster].status.versions
        assert {row.type for row in after.status.conditions} == {row.type for row in before[cluster].status.conditions}


def test_the_settings_that_init_writes_are_valid_whatever_the_first_commit_is_called(tmp_path):
    organisation = make(tmp_path / "acme")
    organisation.kubeconfig.write_text("")
    head = str(organisation.checkout.head())
    text = organisation.settings.read_text()
    for start in ("0b", "0", "1e"):  # one commit in 256 begins with 0b, which looks like a number
        other = start + head[len(start) :].translate(str.maketrans("abcdef", "123456"))
        organisation.settings.write_text(text.replace(head, other))
        assert load(organisation.settings).config.repositories[0].start == other
