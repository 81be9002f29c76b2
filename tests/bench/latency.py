"""P6: from the moment the branch moves until a change of one of N releases is Promoted, on 1 and on 3 clusters.

A round is one push and, right after it, the probe: the objects of that very version under another name, applied raw
with 16 in flight, until every Deployment is available. Both are seen by the same looks at the API servers. The clock
starts when git wrote the branch's file. Woken: the daemon watches that file. Polled: no hint reaches the daemon, and
pushes come at any time of its interval. Clusters that are given must be fresh, and keep what is made on them.
"""

import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reconciler.demo.stage import Stage, staged
from reconciler.digest import sha256_of
from reconciler.edges.kube.resources import Resources
from reconciler.loop.bundle import bundled
from reconciler.model.ids import EnvironmentName, ReleaseKey, ReleaseName, RepositoryName
from reconciler.model.objects import RenderedObject
from reconciler.model.state import Phase, ReleaseStatus, unpack
from reconciler.render.target import render
from tests.bench.measure import figure, median, percentile
from tests.bench.rollout import unlimited

CLUSTERS = ("eu-1", "us-1", "eu-2")
POLL = 2.0  # seconds, of the polled part
_FEW = 20  # releases: what N is compared with
_LOOK = 0.01  # seconds between two looks
_LONGEST = 60.0
_IN_FLIGHT = 16
_APPLY = "application/apply-patch+yaml"
_QUERY = {"fieldManager": "probe", "force": "true"}
_ONE, _WIDE, _PROBE = "model-0", "model-wide", "probe"
_DEPLOYMENTS = "/apis/apps/v1/namespaces/fraud/deployments"
_DEAF = "import reconciler.loop.wakers as w; w.watches = lambda _: (); from reconciler.__main__ import main; main()"


@dataclass(slots=True)
class Rounds:
    """Seconds of every round of one kind. `made` and `live`: until the new Deployments are there, and available."""

    ours: list[float] = field(default_factory=list)
    probe: list[float] = field(default_factory=list)
    made: list[float] = field(default_factory=list)
    live: list[float] = field(default_factory=list)


def p6(options: Any) -> Iterator[dict[str, Any]]:
    """Woken on 1 and 3 clusters, polled on one; then, where the clusters are ours to make, woken among few releases."""
    count, rounds = options.releases, 2 * options.rounds
    with _running(options, count) as play:
        one = play.rounds(_ONE, CLUSTERS[:1], rounds)
        yield from _figures(one, f"woken, 1 of {count} releases, 1 cluster")
        yield from _figures(play.rounds(_WIDE, CLUSTERS, rounds), f"woken, 1 of {count} releases, 3 clusters")
        play.restart(deaf=True)
        polled = play.rounds(_ONE, CLUSTERS[:1], rounds).ours
        goal = f"≤ {POLL / 2 + 0.3:.1f} s"
        yield figure("P6", f"polled every {POLL:.0f} s, 1 cluster: mean", sum(polled) / len(polled), " s", goal)
    if options.kubeconfig is None:  # a given cluster keeps what it has: another repository would be a rewritten one
        with _running(options, _FEW) as play:
            few = play.rounds(_ONE, CLUSTERS[:1], rounds)
        ratio = median(one.ours) / median(few.ours)
        yield figure("P6", f"woken p50 among {count} releases / among {_FEW}", ratio, "", "about 1")


def _figures(found: Rounds, what: str) -> Iterator[dict[str, Any]]:
    middle = median(found.probe)
    yield figure("P6", f"{what}: p50", median(found.ours), " s", "")
    yield figure("P6", "… as a ratio to the probe's", median(found.ours) / middle, "", "≤ 1.5")
    worst = percentile(found.ours, 0.99) / middle
    yield figure("P6", f"… p99 of {len(found.ours)} rounds, as a ratio to the probe's p50", worst, "", "≤ 3")
    yield figure("P6", "… probe, p50", middle, " s")
    yield figure("P6", "… of it until the new Deployments are there, p50", median(found.made), " s")
    yield figure("P6", "… until they are available, p50", median(found.live), " s")


class _running:  # noqa: N801  # used like a function
    """A stage with N releases that are all Promoted, and its daemon."""

    def __init__(self, options: Any, count: int) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="reconciler-bench-")) / "acme"
        self._set = staged(
            self._folder, kubeconfig=options.kubeconfig, pace=0.0, progress=lambda _: None, clusters=CLUSTERS
        )
        self._count = count

    def __enter__(self) -> "_Play":
        self._stage = self._set.__enter__()
        play = _Play(self._stage, self._count)
        play.declare()
        play.restart(deaf=False)
        return play

    def __exit__(self, *_: object) -> None:
        self._stage.close()
        shutil.rmtree(self._folder.parent, ignore_errors=True)


class _Play:
    """Pushes and probes on one stage."""

    def __init__(self, stage: Stage, count: int) -> None:
        self.stage = stage
        self.count = count
        self.top = stage.organisation.checkout.top
        self.branch = stage.organisation.folder / "models.git" / "refs/heads/main"
        self.number = 0

    def declare(self) -> None:
        """N small releases on eu-1 but one, which is on all three, in place of the sample's."""
        people, owner = self.stage.organisation, self.stage.organisation.person("bo")
        settings = people.settings.read_text()
        people.settings.write_text(settings.replace("poll: 2s", "poll: 30s"))  # the default
        shutil.rmtree(self.top / "releases")
        (self.top / "releases" / "prod").mkdir(parents=True)
        cluster = (
            (self.top / "clusters" / "us-1.yaml")
            .read_text()
            .replace("us-1", "eu-2")
            .replace("region: us", "region: eu")
        )
        (self.top / "clusters" / "eu-2.yaml").write_text(cluster)
        names = [*(f"model-{number}" for number in range(self.count - 1)), _WIDE]
        for name in names:
            self._write(name, "1.3.0")
        people.sign("clusters/eu-2.yaml", owner)
        unlimited(self.stage)
        people.commit(f"Declare {self.count} releases", owner)

    def _write(self, name: str, version: str) -> None:
        text = (bundled("sample-repo") / "releases/prod/fraud-detector.yaml").read_text()
        text = text.replace("name: fraud-detector\n", f"name: {name}\n", 1).replace("min: 2, max: 6", "min: 2, max: 2")
        text = text.replace('cpu: "1", memory: 2Gi', "cpu: 100m, memory: 256Mi").replace(
            "version: 1.3.0", f"version: {version}"
        )
        text = re.sub(r"sha256:a79a[0-9a-f]*", sha256_of(version.encode()), text)
        selector = "{tier: prod}" if name == _WIDE else '{lower: "true"}'
        path = f"releases/prod/{name}.yaml"
        (self.top / path).write_text(text.replace("{tier: prod}", selector))
        people = self.stage.organisation
        people.sign(path, people.person("bo"))

    def restart(self, *, deaf: bool) -> None:
        """Start the daemon (again), until all is Promoted; a deaf one is told of no push and finds it by its poll."""
        stage = self.stage
        stage.stop_daemon()
        if deaf:
            settings = stage.organisation.settings
            settings.write_text(settings.read_text().replace("poll: 30s", f"poll: {POLL:.0f}s"))
            command = [sys.executable, "-c", _DEAF, "run", "--config", str(settings), "--log-format", "json"]
            stage.daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stage.log, stderr=stage.log)
        else:
            stage.start_daemon()
        done = [Phase.PROMOTED] * self.count
        stage.wait(
            "all is Promoted", lambda: [row.phase for row in stage.statuses().values()] == done, seconds=600, every=0.5
        )
        time.sleep(5.0)  # the ledger, and what else follows

    def rounds(self, name: str, clusters: Sequence[str], count: int) -> Rounds:
        """Pushes of this release's next versions, each followed by its probe. The first, which warms, is left out."""
        found = Rounds()
        for turn in range(count + 1):
            self._ours(name, clusters, found)
            found.probe.append(self._probe(name, clusters))
            if turn == 0:
                found = Rounds()
            time.sleep(1.0 + random.random() * POLL)  # noqa: S311  # any time of the interval
        return found

    def _ours(self, name: str, clusters: Sequence[str], found: Rounds) -> None:
        self.number += 1
        version = f"2.{self.number}.0"
        self._write(name, version)
        people = self.stage.organisation
        before = self._deployments(name, clusters)
        revision = people.checkout.commit(f"Promote {name} {version}", people.person("bo").actor)
        people.checkout.push()
        began = self.branch.stat().st_mtime
        assert self.branch.read_text().strip() == revision
        made = self._until(lambda: len(self._deployments(name, clusters) - before) == len(clusters))
        new = self._deployments(name, clusters) - before
        live = self._until(lambda: new <= self._available(name, clusters))
        confirmed = self._until(lambda: _confirmed(self.stage.status("prod", name), version))
        for row, seen in ((found.made, made), (found.live, live), (found.ours, confirmed)):
            row.append(seen - began)

    def _probe(self, name: str, clusters: Sequence[str]) -> float:
        """The same objects as `probe`, raw."""
        objects = {cluster: self._objects(name, cluster) for cluster in clusters}
        rows = [(cluster, rendered) for cluster, found in objects.items() for rendered in found]
        resources = {cluster: Resources(self.stage.connections[cluster]) for cluster in clusters}
        for cluster, rendered in rows:
            resources[cluster].path(rendered.ref)  # the kinds are known before the clock starts
        with ThreadPoolExecutor(_IN_FLIGHT) as pool:
            began = time.time()
            list(pool.map(lambda row: self._send("PATCH", row, resources), rows))
            ended = self._until(lambda: len(self._available(_PROBE, clusters)) == len(clusters))
            list(pool.map(lambda row: self._send("DELETE", row, resources), rows))
        self._until(lambda: not self._deployments(_PROBE, clusters))
        return ended - began

    def _send(self, method: str, row: tuple[str, RenderedObject], resources: dict[str, Resources]) -> None:
        cluster, rendered = row
        connection, path = self.stage.connections[cluster], resources[cluster].path(rendered.ref)
        if method == "DELETE":
            connection.request(method, path)
        else:
            connection.request(method, path, query=_QUERY, body=rendered.payload, content_type=_APPLY)

    def _objects(self, name: str, cluster: str) -> Sequence[RenderedObject]:
        """What the stable version has on a cluster, under another name."""
        status = self.stage.status("prod", name)
        assert status.stable
        directive = status.directives[cluster]
        stable = tuple(entry for entry in directive.versions if entry.version == status.stable.version)
        specs = {entry.version: unpack(status.effective[entry.version]) for entry in stable}
        key = ReleaseKey(
            repository=RepositoryName(self.stage.organisation.repository),
            environment=EnvironmentName("prod"),
            name=ReleaseName(name),
        )
        found = render(directive.model_copy(update={"versions": stable}), specs, key=key).objects
        return [
            replace(
                rendered,
                ref=replace(rendered.ref, name=rendered.ref.name.replace(name, _PROBE)),
                payload=rendered.payload.replace(name.encode(), _PROBE.encode()),
            )
            for rendered in found
        ]

    def _rows(self, name: str, clusters: Sequence[str]) -> Iterator[tuple[str, Any]]:
        for cluster in clusters:
            query = f"?labelSelector=reconciler.dev/release={name}"
            yield from ((cluster, row) for row in self.stage.ask(cluster, "GET", _DEPLOYMENTS + query)["items"])

    def _deployments(self, name: str, clusters: Sequence[str]) -> set[tuple[str, str]]:
        return {(cluster, row["metadata"]["name"]) for cluster, row in self._rows(name, clusters)}

    def _available(self, name: str, clusters: Sequence[str]) -> set[tuple[str, str]]:
        """The Deployments of which every pod that is asked for is available."""
        return {
            (cluster, row["metadata"]["name"])
            for cluster, row in self._rows(name, clusters)
            if row.get("status", {}).get("availableReplicas", 0) >= row["spec"].get("replicas", 1) > 0
        }

    def _until(self, holds: Any) -> float:
        """When it was first seen."""
        self.stage.wait("the round ends", holds, seconds=_LONGEST, every=_LOOK)
        return time.time()


def _confirmed(status: ReleaseStatus, version: str) -> bool:
    return status.phase is Phase.PROMOTED and status.model_version == version and status.candidate is None
