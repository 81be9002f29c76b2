"""What must be so when the world is at rest, worked out without the product's rules.

It reads what people committed (told by the machine), the objects on the clusters, and Git. Rules it knows: who may
sign what, that a worse score is denied outside of dev and a single replica in production, that an environment names its
namespaces, that production may not leave a cluster, and that what does not hold leaves what ran before.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import yaml
from world_stage import HOME, Stage

from reconciler.cli.audit import _problems
from reconciler.cli.trust import trusted
from reconciler.demo.stage import CLUSTERS
from reconciler.edges.git.checkout import history
from reconciler.loop.chain import verify_chain
from reconciler.model.state import Phase, ReleaseStatus

Key = tuple[str, str]
NAMESPACES = {
    ("dev", "fraud-detector"): "fraud-dev",
    ("staging", "churn-scorer"): "churn-staging",
    ("staging", "fraud-detector"): "fraud-staging",
    ("prod", "fraud-detector"): "fraud",
    ("staging", "support-chat"): "llm-staging",
    ("prod", "support-chat"): "llm",
}
WHERE = {key: CLUSTERS if key == ("prod", "fraud-detector") else (HOME,) for key in NAMESPACES}
EITHER = "?"  # denied, but it was good here: it runs when it came back near enough, and is held when it does not
REPLICAS_IN_PROD = 2
MARGIN = 0.1  # scores of good versions differ by less, those of worse ones by more, than every policy's margin


@dataclass(frozen=True)
class Wish:
    """One text of a release's file: what it asks for, and whether it may."""

    sha256: str
    version: str
    digest: str
    score: float
    low: int
    why: str = ""
    """Empty, or the kind of the gate that must be closed."""


@dataclass
class Governs:
    """The governing documents that are in force, as far as anything here depends on them."""

    args: str = ""  # an extra argument in the runtime onnx-http
    namespaces: dict[str, bool] = field(default_factory=lambda: {"dev": True, "staging": True, "prod": True})
    us_in_prod: bool = True
    no_nines: bool = False
    depth: int = 3


@dataclass(frozen=True)
class Runs:
    """What may be running: a wish, and the runtime's argument it was made with."""

    wish: Wish
    args: str


class Oracle:
    """Told by the machine what people did; asked when the world is at rest."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.governs = Governs()
        self.trunk: dict[Key, Wish | None] = {}
        self.could: dict[Key, set[Runs]] = {key: set() for key in NAMESPACES}
        self.promoted: dict[Key, set[str]] = {key: set() for key in NAMESPACES}

    # --- told

    def wishes(self, key: Key, wish: Wish | None) -> None:
        """The trunk's text of a release moved."""
        self.trunk[key] = wish
        self.may_have_run(key)

    def may_have_run(self, key: Key) -> None:
        wish = self.trunk.get(key)
        if wish and not wish.why:
            self.could[key].add(Runs(wish, self._args(key)))

    def governed(self, **changed: Any) -> None:
        """Another governing text is in force from now on."""
        self.governs = replace(self.governs, **changed)
        for key in NAMESPACES:
            self.may_have_run(key)

    def _args(self, key: Key) -> str:
        return self.governs.args if key[1] == "fraud-detector" else ""

    # --- expected

    def closed(self, key: Key, wish: Wish | None, running: Wish | None) -> str:
        """The kind of a gate that must be closed for this text; empty when none is."""
        if wish is None:
            return "Removal"
        if wish.why:
            return wish.why
        if not self.governs.namespaces[key[0]]:
            return "Reference"
        if key == ("prod", "fraud-detector") and not self.governs.us_in_prod:
            return "Removal"
        denied = self.governs.no_nines and wish.version.startswith("9.")
        denied |= bool(key[0] != "dev" and running and wish.score < running.score - MARGIN)
        denied |= key[0] == "prod" and wish.low < REPLICAS_IN_PROD
        if denied and wish.sha256 in self.promoted[key]:
            return EITHER
        return "Policy" if denied else ""

    # --- asked

    def problems(self) -> Iterator[str]:
        """Everything that is not as it must be."""
        states = self.stage.releases()
        for key in NAMESPACES:
            state = states.get(key)
            if state is None:
                yield f"{key}: there is no ReleaseState"
                continue
            yield from (f"{key}: {problem}" for problem in self._release(key, state.status))
        yield from self.stage.wrong
        yield from (f"a trace was logged: {fault}" for fault in self.stage.log.faults)
        yield from self._ledger({key: state.status for key, state in states.items()})

    def _release(self, key: Key, status: ReleaseStatus) -> Iterator[str]:
        if status.stable is None:
            yield f"nothing is stable: {status.message}"
            return
        runs = self._running(key, status)
        if runs is None:
            known = [(row.wish.version, row.args) for row in self.could[key]]
            yield f"{status.stable.model_version} is stable, which nobody asked for: {known}"
            return
        wish = self.trunk[key]
        gate = self.closed(key, wish, runs.wish)
        broken = wish is not None and wish.version in self.stage.broken
        if gate and gate != EITHER:
            yield from self._held(gate, status)
        elif wish is not None and not gate and not broken:
            yield from self._arrived(Runs(wish, self._args(key)), runs, status)
        elif broken and not gate and runs.wish != wish and not re.search("failed|wait", status.message):
            yield f"a failing candidate is not told about: {status.message!r}"
        ready = next(row for row in status.conditions if row.type == "Ready")
        if ready.status != "True" and not self._excused(status):
            yield f"not Ready: {ready.message}"
        for cluster in WHERE[key]:
            yield from (f"{cluster}: {problem}" for problem in self._cluster(key, status, runs, cluster))

    def _arrived(self, asked: Runs, runs: Runs, status: ReleaseStatus) -> Iterator[str]:
        """What is asked for is what is stable, and nothing is in its way."""
        if runs != asked:
            yield f"{runs.wish.version} {runs.args} is stable, not {asked.wish.version} {asked.args}: {status.message}"
        if status.gates:
            yield f"held without reason: {[gate.message for gate in status.gates]}"
        if status.phase is not Phase.PROMOTED:
            yield f"phase {status.phase}: {status.message}"

    def _excused(self, status: ReleaseStatus) -> bool:
        """A version that cannot run is known not to be ready; under `recreate` it took stable's place."""
        versions = {ref.model_version for ref in (status.stable, status.candidate) if ref}
        return bool(versions & set(self.stage.broken))

    def _running(self, key: Key, status: ReleaseStatus) -> Runs | None:
        """Which of what could run is stable: by its manifest, and by the arguments of its pods' template."""
        assert status.stable
        name = f"{key[1]}-{status.stable.version.removeprefix('sha256:')[:10]}"
        path = f"/apis/apps/v1/namespaces/{NAMESPACES[key]}/deployments/{name}"
        container = self.stage.ask(WHERE[key][0], "GET", path).get("spec", {}).get("template", {})
        text = yaml.safe_dump(container)
        for row in self.could[key]:
            if row.wish.sha256 == status.stable.manifest and (row.args in text if row.args else "--extra" not in text):
                return row
        return None

    def _held(self, gate: str, status: ReleaseStatus) -> Iterator[str]:
        kinds = {row.kind for row in status.gates}
        if gate not in kinds:
            yield f"must be held by {gate}, is held by {sorted(kinds)}: {status.message}"
        if not all(row.message for row in status.gates):
            yield "a closed gate says nothing"
        held = next(row for row in status.conditions if row.type == "Held")
        if held.status != "True" or not held.message:
            yield "Held does not say so"

    def _cluster(self, key: Key, status: ReleaseStatus, runs: Runs, cluster: str) -> Iterator[str]:
        namespace = NAMESPACES[key]
        stable, candidate = status.stable, status.candidate
        assert stable
        names = {ref: f"{key[1]}-{ref.version.removeprefix('sha256:')[:10]}" for ref in (stable, candidate) if ref}
        deployments = {
            row["metadata"]["name"]: row
            for row in self.stage.items(cluster, f"/apis/apps/v1/namespaces/{namespace}/deployments")
        }
        if names[stable] not in deployments:
            yield f"the stable Deployment {names[stable]} is missing"
            return
        others = set(deployments) - set(names.values())
        if len(others) > self.governs.depth:
            yield f"{len(others)} other Deployments are kept, at most {self.governs.depth} may be"
        for name in others:
            if deployments[name]["spec"]["replicas"]:
                yield f"{name} is neither stable nor candidate and has {deployments[name]['spec']['replicas']} replicas"
        spec = yaml.safe_dump(deployments[names[stable]]["spec"]["template"])
        if runs.wish.digest not in spec or (runs.args and runs.args not in spec):
            yield f"{names[stable]} does not serve {runs.wish.digest} {runs.args}"
        if "reconciler.test/drift" in yaml.safe_dump(list(deployments.values())):
            yield "drift is not repaired"
        if candidate is None:
            yield from self._pods(runs, cluster, namespace)
        services = {
            row["metadata"]["name"] for row in self.stage.items(cluster, f"/api/v1/namespaces/{namespace}/services")
        }
        if not {key[1], names[stable]} <= services:
            yield f"Services are missing: {services}"

    def _pods(self, runs: Runs, cluster: str, namespace: str) -> Iterator[str]:
        pods = self.stage.items(cluster, f"/api/v1/namespaces/{namespace}/pods")
        versions = {pod["metadata"]["annotations"]["reconciler.dev/model-version"] for pod in pods}
        if versions != {runs.wish.version}:
            yield f"pods of {sorted(versions)} run, {runs.wish.version} should"
        if len(pods) < runs.wish.low:
            yield f"{len(pods)} pods run, at least {runs.wish.low} should"

    # --- the ledger

    def records(self) -> list[Any]:
        with history(self.stage.organisation.folder / "models.git") as opened:
            files, _ = opened.read(opened.resolve("refs/heads/reconciler/ledger"))
        trust = trusted(self.stage.organisation.folder / "trust.yaml")
        chain = verify_chain(files, trust)
        self._audit = _problems(chain, files, trust)
        return [link.record for link in chain.links]

    def learn(self) -> None:
        """At rest: what runs is what runs, and what was promoted is known-good."""
        for key, state in self.stage.releases().items():
            runs = self._running(key, state.status)
            wish = self.trunk[key]
            keep = {runs} if runs else set()
            if wish and not wish.why:
                keep |= {row for row in self.could[key] if row.wish == wish and row.args == self._args(key)}
            # A known-good version that comes back comes back as it was.
            keep |= {
                row
                for row in self.could[key]
                if row.wish.sha256 in self.promoted[key] and runs and row.wish == runs.wish
            }
            self.could[key] = keep
        for record in self.records():
            if record.kind in ("Promoted", "RolledBack"):
                self.promoted[record.environment, record.name].add(record.detail["promotion"]["manifest"])

    def _ledger(self, statuses: dict[Key, ReleaseStatus]) -> Iterator[str]:
        records = self.records()
        yield from (f"audit: {problem}" for problem in self._audit)
        for key, status in statuses.items():
            told = [
                (row.version, row.detail["promotion"]["manifest"])
                for row in records
                if (row.environment, row.name) == key and row.kind in ("Promoted", "RolledBack")
            ]
            kept = [(row.version, row.manifest) for row in reversed(status.history)]
            if told[-len(kept) :] != kept:
                shown = [[(a[7:13], b[7:13]) for a, b in rows] for rows in (told, kept)]
                yield f"{key}: the ledger tells promotions {shown[0]}, the state {shown[1]}"
            doubles = [one for one, two in itertools.pairwise(told) if one == two]
            if doubles:
                yield f"{key}: promoted twice in a row: {doubles}"
            if status.stable and kept and kept[-1] != (status.stable.version, status.stable.manifest):
                yield f"{key}: {status.stable.model_version} is stable, the last promotion is another"
