"""Policies: 10,000 releases × 20 policies, cold, and again after one release changed.

Twenty are the shipped bundle and the organisation's own. The probe is the engine's own work: the same expressions over
the same values, sent to the worker in one go, without questions being made or verdicts being kept.
"""

import resource
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from reconciler.edges.cel.engine import CelEngine
from reconciler.judge.question import Question
from reconciler.loop.bundle import shipped_policies
from reconciler.loop.standing import questions, stand
from reconciler.loop.telemetry import Telemetry
from reconciler.loop.verdicts import Verdicts
from reconciler.model.ids import ReleaseKey
from tests.bench.measure import figure, timed
from tests.bench.plan import NOW, Bed

POLICIES = 20
_OWN = """\
apiVersion: reconciler.dev/v1alpha1
kind: Policy
metadata: {{name: own-{number}}}
spec:
  params: {{most: {number}}}
  validations:
    - expression: release.spec.serving.replicas.max <= params.most + 10
      messageExpression: "'at most ' + string(params.most + 10) + ' replicas'"
    - expression: release.spec.evidence.evaluations.all(one, one.value > 0.5)
      message: an evaluation is not better than a coin
"""


def policies(options: Any) -> Iterator[dict[str, Any]]:
    """Cold, then one change, at each N."""
    one: dict[int, float] = {}
    for count in (100, 10_000):
        bed = _bed(count)
        with CelEngine() as engine:
            play = _Play(bed, Verdicts(engine, Telemetry(), lambda: NOW))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            cold, cpu = timed(lambda: play.judge(bed.publish(bed.files, bed.index).snapshot.releases))  # noqa: B023
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            again = timed(lambda: play.judge(play.snapshot().releases))[0]  # noqa: B023
            changes = [play.change(number) for number in range(max(25, options.rounds))]
        one[count] = sorted(changes)[len(changes) // 2]
        asked = play.asked
        yield figure("POL", f"{count} releases × {asked} policies, cold", cold, " s")
        yield figure("POL", "… own CPU per question", cpu / count / asked * 1e6, " µs")
        yield figure("POL", "… memory that it grew by", grown, " MiB")
        yield figure("POL", "… the same again, all known", again, " s")
        yield figure("POL", f"after 1 of {count} changed", one[count] * 1000, " ms")
    yield figure("POL", "t(10,000) / t(100) after one change", one[10_000] / one[100], goal="≤ 1.5")


class _Play:
    """One bed whose releases are judged as passes would judge them."""

    def __init__(self, bed: Bed, verdicts: Verdicts) -> None:
        self._bed, self._verdicts = bed, verdicts
        self._bundle = shipped_policies()
        self.asked = 0

    def snapshot(self, changed: dict[str, Any] | None = None) -> Any:
        return self._bed.publish(changed or {}, self._bed.index).snapshot

    def change(self, number: int) -> float:
        """Seconds from one changed file to its verdicts."""
        changed = self._bed.release(number, f"1.5.{number}")

        def work() -> None:
            publication = self._bed.publish(changed, self._bed.index)
            self.judge(publication.affected, publication.snapshot)

        return timed(work)[0]

    def judge(self, keys: Any, snapshot: Any = None) -> None:
        snapshot = snapshot or self.snapshot()
        for key in keys:
            found = self._verdicts.ask(self._questions(key, snapshot))
            self.asked = len(found)

    def _questions(self, key: ReleaseKey, snapshot: Any) -> tuple[Question, ...]:
        standing = stand(key, snapshot, (), first_seen=NOW, now=NOW)
        return questions(
            standing, snapshot, self._bundle, running=None, commit=None, objects={"Deployment": 2}, rollback=False,
            upstream=None, now=NOW + timedelta(minutes=1),
        ).questions  # fmt: skip


def _bed(count: int) -> Bed:
    """Production with the strict bundle, and as many policies of the organisation's own as make twenty."""
    bed = Bed(count)
    play = _Play(bed, None)  # type: ignore[arg-type]  # only its questions are counted
    snapshot = play.snapshot()
    there = len(play._questions(next(iter(snapshot.releases)), snapshot))
    for number in range(POLICIES - there):
        bed.put(f"policies/own-{number}.yaml", _OWN.format(number=number).encode())
    return bed
