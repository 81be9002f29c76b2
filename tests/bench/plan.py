"""P5: planning when 1 of N documents changed must not depend on N.

Ours is what the daemon does after a fetch that moved one file: the next snapshot, and the standing of the release that
changed (parse, verify, resolve, closure, version). The probe is a full evaluation of all N.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reconciler.documents.load import load
from reconciler.documents.schema import parse
from reconciler.loop.indexing import Index
from reconciler.loop.standing import stand
from reconciler.loop.statements import statement_of
from reconciler.model.ids import BlobId, RepositoryName, Revision
from reconciler.trust.keys import generate_key, load_private_key
from reconciler.trust.people import read_trust
from reconciler.trust.sshsig import sign
from tests.bench.measure import figure, median, timed

REPOSITORY = RepositoryName("github.com/acme/models")
SAMPLE = Path(__file__).parents[2] / "sample-repo"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
PROD = "environments/prod.yaml"
BASELINE = """\
  defaults:
    serving: {placement: {topologySpread: zone}, disruption: {maxUnavailable: 1}, startup: {budget: 10m}}
    targets: {clusters: {matchLabels: {tier: prod}}}
"""


class Bed:
    """N signed releases in memory, as blobs, and an index over them; all of prod's over `baseline`, if there is one."""

    def __init__(self, count: int, baseline: str = "") -> None:
        pair = generate_key("bo")
        self.key = load_private_key(pair.private)
        self.trust = trust_of(pair.public)
        self.blobs: dict[BlobId, bytes] = {}
        self.files: dict[str, BlobId] = {}
        for path in sorted(SAMPLE.rglob("*.yaml")):
            relative = path.relative_to(SAMPLE).as_posix()
            if relative.startswith(("releases/", "holds/")) or "/tests/" in relative:
                continue  # the first are made here; the others are not signed
            self.put(relative, path.read_bytes() + (baseline.encode() if relative == PROD else b""))
        self.text = (SAMPLE / "releases/prod/fraud-detector.yaml").read_text()
        for number in range(count):
            self.release(number, "1.3.0")
        self.index = self.fresh()
        self.publish(self.files, self.index)

    def fresh(self) -> Index:
        return Index(REPOSITORY, read=self.blobs.__getitem__, recall=lambda _: None, limit=1 << 18)

    def put(self, path: str, data: bytes) -> dict[str, BlobId]:
        said = statement_of(REPOSITORY, path, parse(path, data), "sha256:" + hashlib.sha256(data).hexdigest())
        changed = {}
        for name, content in ((path, data), (f"{path}.sig", sign(self.key, said.text(), said.namespace).encode())):
            blob = BlobId(hashlib.sha1(content, usedforsecurity=False).hexdigest())
            self.blobs[blob] = content
            changed[name] = self.files[name] = blob
        return changed

    def release(self, number: int, version: str) -> dict[str, BlobId]:
        text = self.text.replace("name: fraud-detector\n", f"name: model-{number}\n", 1)
        return self.put(f"releases/prod/model-{number}.yaml", text.replace("1.3.0", version).encode())

    def publish(self, changed: dict[str, BlobId], index: Index) -> Any:
        return index.publish(
            dict(changed), revision=Revision("0" * 40), trust=self.trust, accepted={}, rejected=(), now=NOW
        )

    def plan(self, publication: Any) -> None:
        for key in publication.affected:
            stand(key, publication.snapshot, (), first_seen=NOW, now=NOW)


def trust_of(public: str) -> Any:
    """One person who may do everything; the same key is the daemon's where it signs records."""
    text = f"""
apiVersion: reconciler.dev/v1alpha1
kind: Trust
spec:
  repository: {REPOSITORY}
  version: 1
  threshold: {{role: owner, count: 1}}
  daemon: []
  people: [{{name: bo, roles: [owner], keys: [{{key: {" ".join(public.split()[:2])}}}]}}]
  allow:
    - {{role: owner, may: [release], environments: ["*"]}}
    - {{role: owner, may: [configure], paths: ["**"]}}
"""
    return read_trust(load("trust.yaml", text.encode()).data, path="trust.yaml")


def p5(options: Any) -> Iterator[dict[str, Any]]:
    """One change at each N, and a full evaluation at the largest."""
    times: dict[int, float] = {}
    full = 0.0
    for count in (100, 1_000, 10_000):
        bed = Bed(count)
        times[count] = _one_change(bed, options.rounds)
        yield figure("P5", f"plan after 1 of {count} documents changed", times[count] * 1000, " ms")
        full = timed(lambda: bed.plan(bed.publish(bed.files, bed.fresh())))[0]  # noqa: B023
    based = _one_change(Bed(1_000, BASELINE), options.rounds)
    yield figure("P5", "plan after 1 of 1000 documents changed, over a baseline", based * 1000, " ms")
    yield figure("P5", "t(10,000) / t(100)", times[10_000] / times[100], goal="≤ 1.5")
    yield figure("P5", "full evaluation at 10,000 / one change", full / times[10_000], goal="≥ 1,000")


def _one_change(bed: Bed, rounds: int) -> float:
    """Seconds, in the median, from a blob that changed to the standing of its release."""
    seen = []
    for turn in range(max(25, rounds)):
        changed = bed.release(turn, f"1.4.{turn}")
        seen.append(timed(lambda: bed.plan(bed.publish(changed, bed.index)))[0])  # noqa: B023
    return median(seen)
