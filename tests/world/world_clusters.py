"""What must lie on the clusters of a world at rest, and what may never be deleted from them."""

from collections import Counter
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import orjson
from world_rules import Key, Runs
from world_stage import Stage

from reconciler.model.state import Apply, ReleaseStatus

if TYPE_CHECKING:
    from world_oracle import Oracle

_DRIFT = b"reconciler.test/drift"


class Clusters:
    """The oracle's eyes on the clusters. `wrong` is what must never have been asked for."""

    def __init__(self, stage: Stage, oracle: "Oracle") -> None:
        self._stage, self._oracle = stage, oracle
        self._keys = {namespace: tuple(path.split("/")) for path, namespace in stage.namespaces.items()}
        self._deleted: Counter[tuple[str, str, float]] = Counter()
        self.wrong: list[str] = []

    def _namespace(self, key: Key) -> str:
        return self._stage.namespaces["/".join(key)]

    def running(self, key: Key, status: ReleaseStatus) -> Runs | None:
        """Which of what could run is stable: by its manifest, and by the arguments of its pods' template."""
        if status.stable is None:
            return None
        name = _name(key, status.stable.version)
        text = b""
        for cluster in sorted(status.directives) or ["eu-1"]:
            item = self._stage.clusters[cluster].store.get(("apps", "deployments"), self._namespace(key), name)
            text = text or (orjson.dumps(item.body["spec"]["template"]) if item else b"")
        could = self._oracle.could[key] | self._oracle.ran[key]
        for row in sorted(could, key=lambda row: (row.wish.sha256, row.args)):
            here = row.args.encode() in text if row.args else b"--extra" not in text
            if row.wish.sha256 == status.stable.manifest and here:
                return row
        return None

    # --- what must not be deleted

    def deleting(self, cluster: str, path: str) -> None:
        """The daemon is about to delete something: never what is stable or the release's own, unless it ends."""
        parts = path.split("/")
        namespace, kind, name = parts[-3:]
        cluster = "eu-1" if cluster == "home" else cluster
        if kind == "releasestates":
            return
        key = self._keys.get(namespace)
        if key is None:
            return
        states = self._stage.releases()
        status = states[key].status if key in states else ReleaseStatus()  # type: ignore[index]
        kept = {key[1]} | ({_name(key, status.stable.version)} if status.stable else set())  # type: ignore[arg-type]
        what = f"DELETE {path} on {cluster}"
        if kind == "targetstates" or (kind in ("deployments", "services") and name in kept):
            told = status.directives.get(cluster)
            if not self._oracle.allowed_to_end(key, cluster):  # type: ignore[arg-type]
                self.wrong.append(f"{what}, whose end nobody signed and approved")
            elif told and told.apply is Apply.RUN and kind == "targetstates":
                self.wrong.append(f"{what}, which is told to run")
        if kind != "targetstates":
            self._count(cluster, namespace, what)

    def _count(self, cluster: str, namespace: str, what: str) -> None:
        """No more at one moment than the budget that the target was told."""
        found = [row for row in self._stage.targets(cluster).values() if self._namespace_of(row) == namespace]
        budget = found[0].directive.budget if found else None
        at = (cluster, namespace, self._stage.clock.passed)
        self._deleted[at] += 1
        if budget and self._deleted[at] > budget.count and at[2] not in self._stage.starts:
            self.wrong.append(f"{what}: {self._deleted[at]} deletions at one moment, the budget is {budget.count}")

    def _namespace_of(self, state: Any) -> str:
        return self._stage.namespaces[f"{state.release.environment}/{state.release.name}"]

    # --- what must be there

    def nothing_left(self, key: Key, clusters: Collection[str]) -> Iterator[str]:
        """Nothing of an ended release."""
        for cluster in clusters:
            for group, plural in (("apps", "deployments"), ("", "services"), ("reconciler.dev", "targetstates")):
                rows = self._stage.rows(cluster, group, plural, self._namespace(key))
                if rows:
                    yield f"{cluster}: it ended, and {plural} {[row['metadata']['name'] for row in rows]} are there"

    def problems(self, key: Key, status: ReleaseStatus, runs: Runs, *, resolves: bool) -> Iterator[str]:
        """Everything on the clusters of a release that is not as it must be."""
        selected = set(self._oracle.governs.clusters(key)) if resolves else set()
        there = set(status.directives)
        if selected - there:
            yield f"{sorted(selected - there)} are selected and were told nothing"
        for cluster in sorted(set(self._stage.clusters) - there):
            if key == ("prod", "fraud-detector") and not self._oracle.allowed_to_end(key, cluster):
                yield f"{cluster} is told nothing any more, and nobody signed and approved that"
            yield from self.nothing_left(key, [cluster])
        for cluster in sorted(there):
            yield from (f"{cluster}: {problem}" for problem in self._cluster(key, status, runs, cluster))

    def _cluster(self, key: Key, status: ReleaseStatus, runs: Runs, cluster: str) -> Iterator[str]:
        namespace = self._namespace(key)
        stable, candidate = status.stable, status.candidate
        assert stable
        names = {ref: _name(key, ref.version) for ref in (stable, candidate) if ref}
        deployments = {row["metadata"]["name"]: row for row in self._rows(cluster, "apps", "deployments", namespace)}
        if names[stable] not in deployments:
            yield f"the stable Deployment {names[stable]} is missing"
            return
        others = set(deployments) - set(names.values())
        depth = self._oracle.governs.envs[key[0]].depth
        if len(others) > depth:
            yield f"{len(others)} other Deployments are kept, at most {depth} may be"
        for name in sorted(others):
            if deployments[name]["spec"]["replicas"]:
                yield f"{name} is neither stable nor candidate and has {deployments[name]['spec']['replicas']} replicas"
        spec = orjson.dumps(deployments[names[stable]]["spec"]["template"])
        if runs.wish.digest.encode() not in spec or runs.args.encode() not in spec:
            yield f"{names[stable]} does not serve {runs.wish.digest} {runs.args}"
        if any(_DRIFT in orjson.dumps(row) for row in deployments.values()):
            yield "drift is not repaired"
        if candidate is None:
            yield from self._pods(runs, cluster, namespace)
        services = {row["metadata"]["name"] for row in self._rows(cluster, "", "services", namespace)}
        if not {key[1], names[stable]} <= services:
            yield f"Services are missing: {services}"

    def _pods(self, runs: Runs, cluster: str, namespace: str) -> Iterator[str]:
        pods = self._rows(cluster, "", "pods", namespace)
        versions = {pod["metadata"]["annotations"]["reconciler.dev/model-version"] for pod in pods}
        if versions != {runs.wish.version}:
            yield f"pods of {sorted(versions)} run, {runs.wish.version} should"
        if len(pods) < runs.wish.low:
            yield f"{len(pods)} pods run, at least {runs.wish.low} should"

    def _rows(self, cluster: str, group: str, plural: str, namespace: str) -> list[dict[str, Any]]:
        return self._stage.rows(cluster, group, plural, namespace)


def _name(key: Key, version: str) -> str:
    return f"{key[1]}-{version.removeprefix('sha256:')[:10]}"
