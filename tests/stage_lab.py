"""A stage whose clusters run in this process, so that a test can make them fail; the daemon is a process as ever.

What is not here: scenarios. Rules: a lab waits on what clusters and Git say and fails with what was waited for; it ends
only what it started; one lab serves a whole module, so a test leaves it as it found it: everything promoted, nothing
held, the daemon running.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.cli.install import apply_all
from reconciler.demo.api.cluster import Cluster
from reconciler.demo.api.serve import Server, serve
from reconciler.demo.organisation import Organisation, make
from reconciler.demo.stage import CLUSTERS, NAMESPACES, Stage
from reconciler.demo.story import PROD, edit, first_release, serves
from reconciler.edges.kube.connect import open_kubeconfig
from reconciler.errors import Conflict, ReconcilerError
from reconciler.model.state import ReleaseStatus

LEDGER = "refs/heads/reconciler/ledger"
MERGE = "application/merge-patch+json"
SERVICE = "/api/v1/namespaces/fraud/services/fraud-detector"
STATES = "/apis/reconciler.dev/v1alpha1"
HOME = f"{STATES}/namespaces/reconciler-system"
DEPLOYMENTS = "/apis/apps/v1/namespaces/fraud/deployments"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
LASTING = (
    "/apis/apps/v1/deployments", "/api/v1/services", "/api/v1/serviceaccounts",
    "/apis/autoscaling/v2/horizontalpodautoscalers", "/apis/policy/v1/poddisruptionbudgets",
    "/apis/networking.k8s.io/v1/networkpolicies", "/api/v1/pods",
)  # fmt: skip
_SECONDS = 20.0


@dataclass(slots=True)
class Lab:
    """One organisation, two clusters in this process and a daemon."""

    stage: Stage
    server: Server

    @property
    def organisation(self) -> Organisation:
        return self.stage.organisation

    @property
    def folder(self) -> Path:
        return self.organisation.folder

    @property
    def origin(self) -> Path:
        return self.folder / "models.git"

    @property
    def work(self) -> Path:
        return self.organisation.checkout.top

    # --- what people do

    def git(self, *arguments: str, at: Path | None = None) -> str:
        """Run git as somebody would; `at` is the work tree unless told."""
        done = subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", str(at or self.work), *arguments],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout.strip()

    def release(self, version: str, *, path: str = PROD, auc: float = 0.957) -> str:
        """Bo merges a signed version; returns the commit."""
        return edit(self.stage, path, version=version, auc=auc, who="bo", message=f"Promote {version}")

    def commit(self, message: str) -> str:
        return self.organisation.commit(message, self.organisation.person("bo"))

    def revert(self) -> None:
        self.organisation.checkout.revert(self.organisation.checkout.head(), self.organisation.person("bo").actor)
        self.organisation.checkout.push()

    def restart(self) -> None:
        self.stage.kill_daemon()
        self.stage.start_daemon()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line as a user would."""
        return run(*arguments)

    def audit(self, repository: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Verify a ledger offline, with no cluster and no daemon."""
        where = ("--repository-dir", str(repository or self.origin), "--trust", str(self.folder / "trust.yaml"))
        return run("audit", "verify", *where)

    # --- looking

    def ask(self, cluster: str, method: str, path: str, body: Any = None, *, kind: str = "application/json") -> Any:
        return self.stage.ask(cluster, method, path, body, kind=kind)

    def status(self, environment: str = "prod", name: str = "fraud-detector") -> ReleaseStatus:
        return self.stage.status(environment, name)

    def reasons(self, environment: str = "prod", name: str = "fraud-detector") -> str:
        """Everything that the release says of itself, as one text."""
        status = self.status(environment, name)
        rows = [f"{row.type}={row.status} {row.reason}: {row.message}" for row in status.conditions]
        return "\n".join([status.message, *rows, *(f"{gate.reason}: {gate.message}" for gate in status.gates)])

    def repository(self) -> dict[str, Any]:
        """The status of the only RepositoryState; raises IndexError while there is none."""
        return self.ask("eu-1", "GET", f"{HOME}/repositorystates")["items"][0]["status"]

    def condition(self, type_: str) -> dict[str, Any]:
        """A condition of the repository; empty while there is none."""
        return next((row for row in self.repository()["conditions"] if row["type"] == type_), {})

    def log(self) -> str:
        return (self.folder / "demo.log").read_text(errors="replace")

    def running(self) -> dict[tuple[str, str, str, str], str]:
        """The uid of everything that would be missed, by cluster, kind, namespace and name."""
        found = {}
        for cluster in CLUSTERS:
            for path in LASTING:
                for row in self.ask(cluster, "GET", path)["items"]:
                    meta = row["metadata"]
                    found[cluster, path.rsplit("/", 1)[1], meta["namespace"], meta["name"]] = meta["uid"]
        return found

    def records(self) -> list[dict[str, Any]]:
        """The ledger's records as the origin has them, oldest first."""
        paths = [path for path in self.git("ls-tree", "-r", "--name-only", LEDGER, at=self.origin).splitlines()
                 if path.startswith("records/") and path.endswith(".json")]  # fmt: skip
        return [json.loads(self.git("show", f"{LEDGER}:{path}", at=self.origin)) for path in sorted(paths)]

    # --- waiting

    def wait(self, what: str, holds: Callable[[], Any], seconds: float = _SECONDS) -> None:
        """Wait until it is so; says what was waited for, and what the release says, when it never is."""

        def there() -> bool:
            try:
                return bool(holds())
            except (ReconcilerError, LookupError, AttributeError, OSError, subprocess.CalledProcessError):
                return False  # not there yet, or not to be seen at the moment

        try:
            self.stage.wait(what, there, seconds=seconds)
        except ReconcilerError as error:
            said = ""
            with contextlib.suppress(ReconcilerError):
                said = self.reasons()
            raise AssertionError(f"{error.message}\n{said}\n{self.log()[-3000:]}") from error

    def serves(self, version: str) -> None:
        self.wait(f"{version} serves", lambda: serves(self.stage, version))

    def repairs(self, cluster: str = "us-1", path: str = SERVICE) -> None:
        """An object that somebody deletes is made again."""
        uid = self.ask(cluster, "GET", path)["metadata"]["uid"]
        self.ask(cluster, "DELETE", path)
        self.wait(f"{path} is made again", lambda: self.ask(cluster, "GET", path)["metadata"]["uid"] != uid)

    def recorded(self) -> None:
        """Every record that waits is in the ledger."""
        self.wait("all is recorded", lambda: self.pending() == 0)

    def pending(self) -> int:
        known = {(row["kind"], row.get("name"), row["message"], row["time"]) for row in self.records()}
        rows = [self.repository()] + [
            row["status"] for row in self.ask("eu-1", "GET", f"{HOME}/releasestates")["items"]
        ]
        waiting = [entry["record"] for row in rows for entry in row.get("outbox", [])]
        return sum((row["kind"], row.get("name"), row["message"], row["time"]) not in known for row in waiting)


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would; whatever it ends with."""
    return subprocess.run(
        [sys.executable, "-m", "reconciler", *arguments], capture_output=True, text=True, errors="replace",
        check=False, timeout=60, cwd=cwd, stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip


@contextlib.contextmanager
def lab(folder: Path, *, start: bool = True, pace: float = 0.0, poll: str = "1s") -> Iterator[Lab]:
    """Set the stage; with `start` the first releases run when it is given."""
    organisation = make(folder, metrics="127.0.0.1:0", poll=poll)
    with serve([Cluster(name, pace=pace) for name in CLUSTERS]) as server:
        server.write_kubeconfig(organisation.kubeconfig)
        connections = {
            name: open_kubeconfig(organisation.kubeconfig, name, name=name, allow=frozenset({"plainLoopback"}))
            for name in CLUSTERS
        }
        log = (folder / "demo.log").open("ab")
        stage = Stage(organisation=organisation, connections=connections, progress=lambda _: None, log=log)
        try:
            for name in CLUSTERS:
                prepare(stage, name)
            if start:
                first_release(stage)
            yield Lab(stage, server)
        finally:
            stage.close()


def prepare(stage: Stage, cluster: str) -> None:
    """Install what a cluster needs, and make the namespaces that are not there."""
    apply_all(stage.connections[cluster], timeout=30)
    for name in NAMESPACES:
        with contextlib.suppress(Conflict):
            namespace(stage, cluster, name)


def namespace(stage: Stage, cluster: str, name: str) -> None:
    """Make a namespace; raises Conflict when it is there."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    stage.ask(cluster, "POST", "/api/v1/namespaces", body)


def settle(seconds: float) -> None:
    """Give a daemon time to do what it must not do."""
    time.sleep(seconds)
