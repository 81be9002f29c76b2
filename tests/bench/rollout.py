"""P1 and P3 on one API server: roll out N releases, then be quiet.

P1's probe applies the same objects (rendered by us beforehand) with raw server-side applies, 16 in flight, sets nothing
else, and waits like ours until every Deployment is available. P3 counts requests while nothing changes, and compares
the CPU of staying quiet with a loop that gets and dry-runs every object.
"""

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import urllib3

from reconciler.demo.stage import Stage, staged
from reconciler.digest import sha256_of
from reconciler.edges.kube.connect import Connection
from reconciler.edges.kube.resources import Resources
from reconciler.loop.bundle import bundled
from reconciler.model.ids import EnvironmentName, ReleaseKey, ReleaseName, RepositoryName
from reconciler.model.objects import RenderedObject
from reconciler.model.state import Phase, unpack
from reconciler.render.target import render
from tests.bench.measure import cpu_of, figure, median

_APPLY = "application/apply-patch+yaml"
_QUERY = {"fieldManager": "probe", "force": "true"}
_QUIET = 20.0  # seconds
_IN_FLIGHT = 16
_OBJECTS = 6  # per release: Deployment, two Services, PodDisruptionBudget, ServiceAccount, NetworkPolicy


def p1_and_p3(options: Any) -> Iterator[dict[str, Any]]:
    """Interleaved rounds of ours and the probe; the quiet part after the last of ours."""
    rounds = [_round(options, last=turn == options.rounds - 1) for turn in range(options.rounds)]
    count = options.releases
    ours, probe = median(row["wall"] for row in rounds), median(row["probe"] for row in rounds)
    requests = median(row["requests"] for row in rounds) / (count * _OBJECTS)
    yield figure("P1", f"{count} releases × {_OBJECTS} objects, all confirmed", ours, " s")
    yield figure("P1", "… as a ratio to the apply probe", median(r["wall"] / r["probe"] for r in rounds), goal="≤ 1.25")
    yield figure("P1", "probe", probe, " s")
    yield figure("P1", "requests per object (state objects' writes included)", requests, goal="≤ 1.2")
    yield figure("P1", "own CPU per release", median(r["cpu"] for r in rounds) / count * 1000, " ms", "≤ 10 ms")
    quiet = rounds[-1]["quiet"]
    objects = count * _OBJECTS
    yield figure("P3", f"requests in {_QUIET:.0f} s while {objects} objects are quiet", quiet["requests"], "", "0")
    yield figure("P3", "own CPU while quiet, of a core", quiet["cpu"] / _QUIET * 100, " %")
    saved = quiet["loop"] / (quiet["cpu"] / _QUIET * 60)
    yield figure("P3", "CPU of one get + dry-run pass / ours in a quiet minute", saved, "", "≥ 100 at 10,000 objects")


def _round(options: Any, *, last: bool) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="reconciler-bench-")) / "acme"
    with staged(folder, kubeconfig=options.kubeconfig, pace=0.0, progress=lambda _: None) as stage:
        try:
            _prepare(stage, options.releases)
            row = _ours(stage, options.releases)
            if last:
                row["quiet"] = _quiet(stage)
            objects = _objects(stage)
            _clear(stage, objects)
            row["probe"] = _probe(stage, objects, options.releases)
            _clear(stage, objects)
        finally:
            stage.close()
            shutil.rmtree(folder.parent, ignore_errors=True)
    return row


def _prepare(stage: Stage, count: int) -> None:
    """N small releases on eu-1, of one pod each, in place of the sample's."""
    people = stage.organisation
    people.settings.write_text(people.settings.read_text().replace("poll: 2s", "poll: 30s"))  # the default
    top = people.checkout.top
    shutil.rmtree(top / "releases")
    (top / "releases" / "prod").mkdir(parents=True)
    model = sha256_of(b"bench")
    owner = people.person("bo")
    text = (bundled("sample-repo") / "releases/prod/fraud-detector.yaml").read_text()
    text = text.replace("min: 2, max: 6", "min: 1, max: 1").replace("{tier: prod}", "{region: eu}")
    text = text.replace('cpu: "1", memory: 2Gi', "cpu: 100m, memory: 256Mi")  # they must all fit on one hollow node
    for number in range(count):
        path = f"releases/prod/model-{number}.yaml"
        (top / path).write_text(text.replace("name: fraud-detector\n", f"name: model-{number}\n", 1))
        people.sign(path, owner)
    unlimited(stage)
    people.commit(f"Declare {count} releases of {model[:17]}", owner)


def unlimited(stage: Stage) -> None:
    """Take out of the sample's prod what bounds it to a few releases of two pods; the caller commits."""
    people, path = stage.organisation, "environments/prod.yaml"
    file = people.checkout.top / path
    text = re.sub(r"\n  limits: .*", "", file.read_text())
    off = "off: [{name: two-replicas, reason: one pod each is measured}]"
    file.write_text(text.replace("    bundle: strict\n", f"    bundle: strict\n    {off}\n"))
    people.sign(path, people.person("bo"))


def _ours(stage: Stage, count: int) -> dict[str, Any]:
    """From the start of the daemon until every release is Promoted."""
    before = _requests(stage)
    began = time.perf_counter()
    stage.start_daemon()
    assert stage.daemon  # it was just started
    stage.wait(
        "every release is Promoted",
        lambda: [row.phase for row in stage.statuses().values()] == [Phase.PROMOTED] * count,
        seconds=600.0,
        every=0.5,
    )
    wall = time.perf_counter() - began
    return {"wall": wall, "cpu": cpu_of(stage.daemon.pid), "requests": _writes(stage) - before}


def _requests(stage: Stage) -> float:
    return 0.0 if stage.daemon is None else _writes(stage)


def _writes(stage: Stage) -> float:
    """Requests that the daemon made to eu-1 and home, watches and lists left out, from its own metrics."""
    return sum(
        float(line.rpartition(" ")[2])
        for line in _metrics(stage).splitlines()
        if line.startswith("reconciler_requests_total") and 'verb="watch"' not in line
    )


def _metrics(stage: Stage) -> str:
    log = Path(stage.log.name).read_bytes().splitlines()
    address = next(orjson.loads(row)["metrics"] for row in reversed(log) if b'"metrics"' in row)
    return urllib3.request("GET", f"http://{address}/metrics").data.decode()


def _objects(stage: Stage) -> list[RenderedObject]:
    """Exactly what the daemon applied, rendered again from the state objects."""
    found: list[RenderedObject] = []
    for (environment, name), status in stage.statuses().items():
        key = ReleaseKey(
            repository=RepositoryName(stage.organisation.repository),
            environment=EnvironmentName(environment),
            name=ReleaseName(name),
        )
        directive = status.directives["eu-1"]
        specs = {entry.version: unpack(status.effective[entry.version]) for entry in directive.versions}
        found += render(directive, specs, key=key).objects
    return sorted(found, key=lambda rendered: rendered.tier)


def _probe(stage: Stage, objects: list[RenderedObject], count: int) -> float:
    """Raw applies, then until every Deployment is available."""
    connection = stage.connections["eu-1"]
    resources = Resources(connection)
    began = time.perf_counter()
    with ThreadPoolExecutor(_IN_FLIGHT) as pool:
        list(pool.map(lambda rendered: _apply(connection, resources.path(rendered.ref), rendered.payload), objects))
    stage.wait("every Deployment is available", lambda: _available(stage) == count, seconds=600.0, every=0.5)
    return time.perf_counter() - began


def _apply(connection: Connection, path: str, payload: bytes) -> None:
    connection.request("PATCH", path, query=_QUERY, body=payload, content_type=_APPLY)


def _available(stage: Stage) -> int:
    rows = stage.ask("eu-1", "GET", "/apis/apps/v1/namespaces/fraud/deployments")["items"]
    return sum(row.get("status", {}).get("availableReplicas", 0) >= 1 for row in rows)


def _quiet(stage: Stage) -> dict[str, float]:
    """Requests and CPU of the daemon while nothing happens, and the CPU of one get + dry-run pass over the objects."""
    assert stage.daemon  # it runs
    time.sleep(3)
    requests, cpu = _writes(stage), cpu_of(stage.daemon.pid)
    time.sleep(_QUIET)
    row = {"requests": _writes(stage) - requests, "cpu": cpu_of(stage.daemon.pid) - cpu}
    connection = stage.connections["eu-1"]
    resources = Resources(connection)
    began = time.process_time()
    for rendered in _objects(stage):
        path = resources.path(rendered.ref)
        connection.request("GET", path)
        query = {"fieldManager": "reconciler", "force": "true", "dryRun": "All"}
        connection.request("PATCH", path, query=query, body=rendered.payload, content_type=_APPLY)
    return row | {"loop": time.process_time() - began}


def _clear(stage: Stage, objects: list[RenderedObject]) -> None:
    """Delete everything, states included, and wait for the pods to be gone."""
    stage.kill_daemon()
    connection = stage.connections["eu-1"]
    for cluster, namespace, kind in (("eu-1", "fraud", "targetstates"), ("eu-1", "reconciler-system", "releasestates"),
                                     ("eu-1", "reconciler-system", "repositorystates")):  # fmt: skip
        stage.ask(cluster, "DELETE", f"/apis/reconciler.dev/v1alpha1/namespaces/{namespace}/{kind}")
    resources = Resources(connection)
    with ThreadPoolExecutor(_IN_FLIGHT) as pool:
        list(pool.map(lambda rendered: connection.request("DELETE", resources.path(rendered.ref)), objects))
    stage.wait(
        "all pods are gone",
        lambda: not stage.ask("eu-1", "GET", "/api/v1/namespaces/fraud/pods")["items"],
        seconds=300.0,
        every=0.5,
    )
