"""The simulated world: a real repository with real signatures, two embedded clusters, and the product's own daemon.

Not the machine that plays with it and not what is expected of it. Nothing happens by itself: polls, passes, flushes,
watches and controllers are turned by hand, in one thread, and time stands still until `tick`. `Effects` sees every
write and can end the daemon around any of them. A world at rest is made once per process; `staged` puts it back.
"""

import atexit
import contextlib
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson
import yaml
from world_clock import Clock, Dice, simulated
from world_effects import Crash, Effects, Log
from world_git import without_processes
from world_people import People, organise
from world_wire import Feeds, Hands, Wire, by_hand

from reconciler.cli.install import apply_all
from reconciler.config import load
from reconciler.demo.api import Cluster
from reconciler.demo.api.controllers import faults as pod_faults
from reconciler.demo.api.controllers import pods as pod_controller
from reconciler.demo.api.messages import Request
from reconciler.demo.stage import CLUSTERS, NAMESPACES
from reconciler.edges.cel.engine import CelEngine
from reconciler.edges.kube.connect import open_kubeconfig
from reconciler.errors import ReconcilerError
from reconciler.loop import daemon as daemon_module
from reconciler.loop.daemon import Daemon
from reconciler.model.state import ReleaseState, TargetState

HOME = "eu-1"
_BUSY = 1000  # turns without a pause after which a world counts as never quiet
_ALLOW = frozenset({"plainLoopback"})
_STATES = "/apis/reconciler.dev/v1alpha1"


class Restless(AssertionError):
    """Passes follow passes although no time passes."""


class Stage:
    """Everything of one world. Made by `staged`."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.dice = Clock(), Dice()
        self.clusters = {name: Cluster(name) for name in CLUSTERS}
        self.hands = {name: Hands(cluster) for name, cluster in self.clusters.items()}
        self.wire = Wire(self.clusters)
        self.feeds = Feeds(self.wire, self.clock)
        self.log = Log()
        self.effects = Effects(self._deleting)
        self.deleting: Callable[[str, str], None] = lambda _cluster, _path: None
        self.broken: dict[str, str] = {}  # model version → how its pods fail
        self.chance: Callable[[], bool] = lambda: True  # whether something that could turn does so now
        self.daemon: Daemon | None = None
        self.starts: set[float] = set()  # moments at which a daemon started
        self._engine = CelEngine()
        self._verdicts: dict[str, Any] = {}
        self._parsed: dict[tuple[str, str], Any] = {}
        with self._patched():
            self.organisation = organise(folder / "acme")
            self.people = People(self.organisation, self.clock)
            self.organisation.kubeconfig.write_text(self.wire.kubeconfig())
            self.namespaces = {
                path.removeprefix("releases/").removesuffix(".yaml"): yaml.safe_load(data)["spec"]["targets"][
                    "namespace"
                ]
                for path, data in self.people.files.items()
                if path.startswith("releases/") and path.endswith(".yaml")
            }
            for name in CLUSTERS:
                self._prepare(name)

    def _prepare(self, name: str) -> None:
        store = self.clusters[name].store
        store._first = store.version = 1_000_000
        self.clusters[name].start()
        connection = open_kubeconfig(self.organisation.kubeconfig, name, name=name, allow=_ALLOW)
        with contextlib.redirect_stdout(None):
            apply_all(connection, timeout=30)
        for namespace in NAMESPACES:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            self.ask(name, "POST", "/api/v1/namespaces", body)
        self.hands[name].settle()

    @contextlib.contextmanager
    def _patched(self) -> Iterator[None]:
        with (
            simulated(self.clock, self.dice),
            by_hand(self.wire, self),
            patch.object(pod_faults, "mode_of", self.mode),
            patch.object(pod_controller, "mode_of", self.mode),
        ):
            yield

    def shuffle(self, rows: list[int]) -> None:
        """The order of what the product does side by side."""
        self.dice.source.shuffle(rows)

    # --- hands on the clusters (never through the daemon's connections)

    def ask(self, cluster: str, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """One request as kubectl would make it, not hit by faults; the answer's JSON."""
        data = orjson.dumps(body) if body is not None else b""
        answer = self.clusters[cluster].answer(Request.of(method, path, {"content-type": kind}, data))
        return orjson.loads(answer.body) if answer.body else {}

    def rows(self, cluster: str, group: str, plural: str, namespace: str = "") -> list[dict[str, Any]]:
        """Objects as they are stored, without those that are being deleted."""
        items = self.clusters[cluster].store.items((group, plural), namespace)
        return [item.body for item in items if "deletionTimestamp" not in item.body["metadata"]]

    def _states(self, kind: Any, plural: str, cluster: str) -> dict[tuple[str, str], Any]:
        found = {}
        for row in self.rows(cluster, "reconciler.dev", plural):
            at = (row["metadata"]["uid"], row["metadata"]["resourceVersion"])
            if at not in self._parsed:
                self._parsed[at] = kind.from_data({**row["spec"], "status": row.get("status") or {}})
            value = self._parsed[at]
            found[value.release.environment, value.release.name] = value
        return found

    def releases(self) -> dict[tuple[str, str], ReleaseState]:
        return self._states(ReleaseState, "releasestates", HOME)

    def targets(self, cluster: str) -> dict[tuple[str, str], TargetState]:
        return self._states(TargetState, "targetstates", cluster)

    def pause(self, cluster: str) -> None:
        self.wire.cut.add(cluster)

    def resume(self) -> None:
        """Everything can be reached and does as it is told."""
        self.wire.cut.clear()
        self.give_git_back()
        for cluster in self.clusters.values():
            cluster.faults.clear()

    def heal(self) -> None:
        """No pod fails any more; those that did are made again."""
        self.broken.clear()
        for name in CLUSTERS:
            for pod in self.rows(name, "", "pods"):
                rows = (pod.get("status") or {}).get("conditions") or []
                if not any(row["type"] == "Ready" and row["status"] == "True" for row in rows):
                    meta = pod["metadata"]
                    self.ask(name, "DELETE", f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}")

    def mode(self, pod: dict[str, Any]) -> str:
        notes = pod["metadata"].get("annotations") or {}
        return self.broken.get(notes.get("reconciler.dev/model-version", ""), "")

    def _deleting(self, cluster: str, path: str) -> None:
        self.deleting(cluster, path)

    # --- the daemon

    def start(self) -> None:
        """A new process; what the old one had in memory is gone."""
        self.stop()
        self.effects.reset()
        self.starts.add(self.clock.passed)
        self.feeds = Feeds(self.wire, self.clock)
        with patch.object(daemon_module, "CelEngine", lambda: _Shared(self._engine, self._verdicts)):
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
                self.tick(1)
                continue
            return

    def poll(self) -> None:
        """Look at the trunk, if that can be done now."""
        with contextlib.suppress(ReconcilerError):
            self.poll_or_fail()

    def poll_or_fail(self) -> None:
        """Look at the trunk."""
        assert self.daemon
        self.turn_watches()
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

    def turn_watches(self) -> bool:
        """Controllers and watches go on, as far as chance lets them; whether any did."""
        moved = False
        for hands in self.hands.values():
            if self.chance():
                moved |= hands.turn()
        for feed in self.feeds.due():
            if self.chance():
                self.feeds.turn(feed)
                moved = True
        return moved

    def turn(self, passes: int) -> None:
        """At most so many passes, of those that are due."""
        assert self.daemon
        self.lead()
        for _ in range(passes):
            self.turn_watches()
            if not self.daemon._workers[0].turn(wait=False):
                return

    def drain(self) -> None:
        """Passes until nothing is due and nobody has anything to tell."""
        assert self.daemon
        self.lead()
        for _ in range(_BUSY):
            moved = self.turn_watches()
            if not self.daemon._workers[0].turn(wait=False) and not moved:
                return
        raise Restless("passes follow passes: " + "; ".join(self.effects.log[-12:] + self.log.lines[-12:]))

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
        self.clock.passed += seconds

    def lose_data(self) -> None:
        """The daemon's disk is gone (only while it does not run)."""
        shutil.rmtree(self.organisation.data, ignore_errors=True)

    # --- git

    @property
    def _origin(self) -> Path:
        return self.organisation.folder / "models.git"

    @property
    def git_away(self) -> bool:
        return not self._origin.exists()

    def take_git_away(self) -> None:
        """The Git host cannot be reached."""
        self._origin.rename(self.organisation.folder / "away.git")

    def give_git_back(self) -> None:
        """It can be reached, if it could not."""
        away = self.organisation.folder / "away.git"
        if away.exists():
            away.rename(self._origin)

    # --- once per process

    def save(self) -> dict[str, Any]:
        """The world at rest, with its daemon stopped."""
        self.stop()
        kept = self.organisation.folder.with_name("kept")
        shutil.copytree(self.organisation.folder, kept)
        return {
            "folder": kept, "clusters": {name: hands.save() for name, hands in self.hands.items()},
            "passed": self.clock.passed,
        }  # fmt: skip

    def put_back(self, saved: dict[str, Any]) -> None:
        """The world as it was saved, without a daemon."""
        self.stop()
        shutil.rmtree(self.organisation.folder)
        shutil.copytree(saved["folder"], self.organisation.folder, copy_function=shutil.copyfile)
        (self.organisation.folder / "keys" / "daemon").chmod(0o600)
        self.clock.passed = saved["passed"]
        self.dice.source = random.Random(1)  # noqa: S311  # not the first: what exists has its numbers
        self.broken.clear()
        self.wire.cut.clear()
        self.effects.reset()
        self.effects.log.clear()
        self.log.lines.clear()
        self.log.faults.clear()
        self._parsed.clear()
        self.starts.clear()
        self.chance = lambda: True
        for name, hands in self.hands.items():
            hands.load(saved["clusters"][name])
        self.people = People(self.organisation, self.clock)


class _Shared:
    """The policy engine outlives a daemon here, and remembers what it said: it is not what is played with."""

    def __init__(self, engine: CelEngine, known: dict[str, Any]) -> None:
        self._engine, self._known = engine, known

    def ask(self, questions: list[Any]) -> list[Any]:
        new = {question.digest: question for question in questions if question.digest not in self._known}
        self._known |= dict(zip(new, self._engine.ask(list(new.values())), strict=True)) if new else {}
        return [self._known[question.digest] for question in questions]

    def close(self) -> None:
        """Stays."""


_made: tuple[Stage, dict[str, Any]] | None = None


def _first() -> tuple[Stage, dict[str, Any]]:
    """The stage of this process and its world at rest: six releases are Promoted."""
    global _made  # noqa: PLW0603  # made once, because it is what costs
    if _made is None:
        folder = Path(tempfile.mkdtemp(prefix="reconciler-world-"))
        stage = Stage(folder)
        with stage._patched():
            stage.start()
            for _ in range(40):
                stage.round()
                stage.tick(7)
            _made = stage, stage.save()
        atexit.register(_end, stage, folder)
    return _made


def _end(stage: Stage, folder: Path) -> None:
    stage._engine.close()
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def staged(*, processes: bool = False) -> Iterator[Stage]:
    """A world whose daemon is up; with `processes` git itself fetches and pushes."""
    stage, saved = _first()
    with stage._patched(), contextlib.ExitStack() as undo:
        if not processes:
            undo.enter_context(without_processes())
        undo.enter_context(stage.effects.seen())
        stage.put_back(saved)
        stage.start()
        try:
            yield stage
        finally:
            stage.resume()
            stage.stop()
