"""The simulated world: a real repository with real signatures, two embedded clusters, and the product's own daemon.

Not the machine that plays with it and not what is expected of it. Nothing runs in the background but the daemon's
watches and the clusters' controllers: polls, passes and flushes are turned by hand. `Clock` moves what the daemon takes
for the time (and the queue's delays with it); `Effects` sees every write and can end the daemon around any of them.
"""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson
import yaml
from world_effects import Clock, Crash, Effects, Log

from reconciler.cli.install import apply_all
from reconciler.config import load
from reconciler.demo.api import Cluster, serve
from reconciler.demo.api.controllers import faults as pod_faults
from reconciler.demo.api.controllers import pods as pod_controller
from reconciler.demo.api.messages import Request
from reconciler.demo.organisation import Organisation, make
from reconciler.demo.stage import CLUSTERS, NAMESPACES
from reconciler.edges.cel.engine import CelEngine
from reconciler.edges.kube import circuit, feed
from reconciler.edges.kube.connect import open_kubeconfig
from reconciler.errors import ReconcilerError
from reconciler.loop import daemon as daemon_module
from reconciler.loop.daemon import Daemon
from reconciler.model.state import ReleaseState, TargetState

HOME = "eu-1"
_QUIET = 0.12  # seconds without a pass that is due; caches follow the clusters within a fraction of it
_ALLOW = frozenset({"plainLoopback"})
_STATES = "/apis/reconciler.dev/v1alpha1"


class Stage:
    """Everything of one world. Made by `staged`."""

    def __init__(self, folder: Path) -> None:
        self.organisation: Organisation = make(folder / "acme", metrics="127.0.0.1:0")
        self.checkout = self.organisation.checkout
        self.clusters = {name: Cluster(name) for name in CLUSTERS}
        self.server = serve(self.clusters.values())
        self.server.write_kubeconfig(self.organisation.kubeconfig)
        self.clock = Clock()
        self.log = Log()
        self.effects = Effects(self._deleting)
        self.namespaces = {
            f"{path.parent.name}/{path.stem}": yaml.safe_load(path.read_text())["spec"]["targets"]["namespace"]
            for path in self.checkout.top.glob("releases/*/*.yaml")
        }
        self.wrong: list[str] = []  # deletions that must never be asked for
        self.broken: dict[str, str] = {}  # model version → how its pods fail
        self.daemon: Daemon | None = None
        self._engine = CelEngine()
        self._paused: set[str] = set()
        for name in CLUSTERS:
            connection = open_kubeconfig(self.organisation.kubeconfig, name, name=name, allow=_ALLOW)
            with contextlib.redirect_stdout(None):
                apply_all(connection, timeout=30)
            connection.close()
            for namespace in NAMESPACES:
                body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
                self.ask(name, "POST", "/api/v1/namespaces", body)

    # --- hands on the clusters (never through the daemon's connections)

    def ask(self, cluster: str, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """One request as kubectl would make it, not hit by faults; the answer's JSON."""
        data = orjson.dumps(body) if body is not None else b""
        answer = self.clusters[cluster].answer(Request.of(method, path, {"content-type": kind}, data))
        return orjson.loads(answer.body) if answer.body else {}

    def items(self, cluster: str, path: str) -> list[dict[str, Any]]:
        found = self.ask(cluster, "GET", path).get("items") or []
        return [item for item in found if "deletionTimestamp" not in item["metadata"]]

    def releases(self) -> dict[tuple[str, str], ReleaseState]:
        rows = self.items(HOME, f"{_STATES}/namespaces/reconciler-system/releasestates")
        values = [ReleaseState.from_data({**row["spec"], "status": row.get("status") or {}}) for row in rows]
        return {(value.release.environment, value.release.name): value for value in values}

    def targets(self, cluster: str) -> dict[tuple[str, str], TargetState]:
        rows = self.items(cluster, f"{_STATES}/targetstates")
        values = [TargetState.from_data({**row["spec"], "status": row.get("status") or {}}) for row in rows]
        return {(value.release.environment, value.release.name): value for value in values}

    def pause(self, cluster: str) -> None:
        if cluster not in self._paused:
            self.server.pause(cluster)
            self._paused.add(cluster)

    def resume(self) -> None:
        """Everything can be reached and does as it is told."""
        for name in sorted(self._paused):
            self.server.resume(name)
        self._paused.clear()
        self.give_git_back()
        for cluster in self.clusters.values():
            cluster.faults.clear()

    def heal(self) -> None:
        """No pod fails any more; those that did are made again."""
        self.broken.clear()
        for name in CLUSTERS:
            for pod in self.items(name, "/api/v1/pods"):
                rows = (pod.get("status") or {}).get("conditions") or []
                if not any(row["type"] == "Ready" and row["status"] == "True" for row in rows):
                    meta = pod["metadata"]
                    self.ask(name, "DELETE", f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}")

    def mode(self, pod: dict[str, Any]) -> str:
        notes = pod["metadata"].get("annotations") or {}
        return self.broken.get(notes.get("reconciler.dev/model-version", ""), "")

    def _deleting(self, cluster: str, path: str) -> None:
        """The daemon is about to delete something: never what is stable somewhere, never a release's own objects."""
        *_, namespace, kind, name = path.split("/")
        here = [
            value
            for value in self.releases().values()
            if self.namespaces.get(value.release.environment + "/" + value.release.name) == namespace
        ]
        stable = [
            f"{value.release.name}-{value.status.stable.version.removeprefix('sha256:')[:10]}"
            for value in here
            if value.status.stable
        ]
        kept = {*stable, *(value.release.name for value in here)}
        if kind == "targetstates" or (kind in ("deployments", "services") and name in kept):
            self.wrong.append(f"DELETE {path} on {cluster}")

    # --- the daemon

    def start(self) -> None:
        """A new process; what the old one had in memory is gone."""
        self.stop()
        self.effects.reset()
        with patch.object(daemon_module, "CelEngine", lambda: _Shared(self._engine)):
            self.daemon = Daemon(load(self.organisation.settings), log=self.log, now=self.clock.now)
        self.daemon.queue._clock = self.clock.monotonic
        self.daemon.open(timeout=1.0)

    def stop(self) -> None:
        """Without putting anything in order: nothing is flushed."""
        if self.daemon:
            self.daemon._leader._until = 0.0  # so that it gives nothing back
            self.daemon.stop()
            self.daemon = None

    def survive(self, work: Callable[[], Any]) -> bool:
        """Do something with the daemon; when it dies of it, start the next one. False: it died, or could not."""
        try:
            work()
        except ReconcilerError:
            time.sleep(0.05)
            return False
        except Crash:
            self.revive()
            return False
        return True

    def revive(self) -> None:
        """Start until it comes up: home must be there, and the start itself writes."""
        while True:
            try:
                self.start()
            except Crash:
                continue
            except ReconcilerError:
                self.resume()
                continue
            return

    def poll(self) -> None:
        """Look at the trunk, if that can be done now."""
        with contextlib.suppress(ReconcilerError):
            self.poll_or_fail()

    def poll_or_fail(self) -> None:
        """Look at the trunk."""
        assert self.daemon
        for source in self.daemon.world.sources.values():
            source.poll()

    def flush(self) -> None:
        assert self.daemon
        with contextlib.suppress(ReconcilerError):
            for ledger in self.daemon.world.ledgers.values():
                ledger.flush()

    def lead(self) -> None:
        """What the leader's thread does."""
        assert self.daemon
        self.daemon._leader.turn()

    def turn(self, passes: int) -> None:
        """At most so many passes, of those that are due."""
        assert self.daemon
        self.lead()
        for _ in range(passes):
            if not self.daemon._workers[0].turn(wait=False):
                return

    def drain(self, quiet: float = _QUIET) -> None:
        """Passes until nothing was due for a moment."""
        assert self.daemon
        self.lead()
        since = time.monotonic()
        while time.monotonic() - since < quiet:
            if self.daemon._workers[0].turn(wait=False):
                since = time.monotonic()
            else:
                time.sleep(0.005)

    def round(self) -> None:
        """What a running daemon does in a while: poll, passes, flush."""
        self.poll()
        self.drain()
        self.flush()

    def stale(self) -> list[str]:
        """Watches that do not work yet."""
        assert self.daemon
        caches = [self.daemon._home.cache, *(handle.cache for handle in self.daemon._fleet.all())]
        found = [problem for cache in caches for problem in cache.problems.values()]
        return found + ["not every list was read" for cache in caches if not cache.synced]

    def look_at_clusters(self) -> None:
        """What the reachability thread does when a cluster came back."""
        assert self.daemon
        for handle in self.daemon._fleet.all():
            self.daemon._look_at_cluster(handle.key)

    def tick(self, seconds: float) -> None:
        self.clock.added += seconds

    def lose_data(self) -> None:
        """The daemon's disk is gone (only while it does not run)."""
        shutil.rmtree(self.organisation.data, ignore_errors=True)

    # --- git

    def take_git_away(self) -> None:
        """The Git host cannot be reached."""
        (self.organisation.folder / "models.git").rename(self.organisation.folder / "away.git")

    def give_git_back(self) -> None:
        """It can be reached, if it could not."""
        away = self.organisation.folder / "away.git"
        if away.exists():
            away.rename(self.organisation.folder / "models.git")

    def git(self, *arguments: str) -> str:
        """Plain git in the origin."""
        done = subprocess.run(
            ["git", "-C", str(self.organisation.folder / "models.git"), *arguments],
            check=True, capture_output=True, text=True,
            env={"GIT_AUTHOR_NAME": "m", "GIT_AUTHOR_EMAIL": "m@x", "GIT_COMMITTER_NAME": "m",
                 "GIT_COMMITTER_EMAIL": "m@x", "PATH": "/usr/bin:/bin:/usr/local/bin"},
        )  # fmt: skip
        return done.stdout.strip()

    def close(self) -> None:
        self.stop()
        self._engine.close()
        self.server.stop()


class _Shared:
    """The policy engine outlives a daemon here: starting its process is slow and of no interest."""

    def __init__(self, engine: CelEngine) -> None:
        self.ask = engine.ask

    def close(self) -> None:
        """Stays."""


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """A world whose daemon is up, with short waits where a real one is patient with the network."""
    stage = Stage(folder)
    with (
        stage.effects.seen(),
        patch.object(feed, "_FIRST_SECONDS", 0.02),
        patch.object(feed, "_LONGEST_SECONDS", 0.1),
        patch.object(circuit, "_FIRST_SECONDS", 0.1),
        patch.object(circuit, "_LONGEST_SECONDS", 0.3),
        patch.object(pod_faults, "mode_of", stage.mode),
        patch.object(pod_controller, "mode_of", stage.mode),
    ):
        try:
            stage.start()
            yield stage
        finally:
            stage.resume()
            stage.close()
