"""Verdicts of policies, each asked once: what is known is kept by everything that the policy read.

Not the evaluation (edges/cel) and not what a verdict does to a release (judge/verdict). Rules: equal questions have
equal verdicts, so losing what is kept costs time only; an error may be the engine's rather than the policy's, so it is
asked again after a while, and until then a policy that overruns its limits costs nobody time.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from reconciler.judge.question import Question
from reconciler.loop.kept import Kept
from reconciler.loop.telemetry import Telemetry
from reconciler.model.policy import PolicyResult, PolicyVerdict
from reconciler.model.state import canonical

_KEPT = 250_000  # ten thousand releases and two dozen policies; see docs/performance.md for their memory
_EQUAL = 20_000
_ERRORS_KEPT = timedelta(minutes=1)
_ASKED = "reconciler_policy_questions_total"


class Engine(Protocol):
    """Whoever evaluates."""

    def ask(self, questions: Sequence[Question]) -> list[PolicyVerdict]:
        """One verdict per question, in their order."""
        ...


class Verdicts:
    """The verdicts of one daemon. Thread-safe; two threads may both ask a question that is new."""

    def __init__(self, engine: Engine, telemetry: Telemetry, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._telemetry = telemetry
        self._now = now
        self._kept: Kept[str, tuple[PolicyVerdict, datetime]] = Kept(_KEPT)
        self._equal: Kept[bytes, PolicyVerdict] = Kept(_EQUAL)  # most releases pass a policy in the same words

    def ask(self, questions: Sequence[Question]) -> tuple[PolicyVerdict, ...]:
        """One verdict per question, in their order; a question whose every input is known is not asked again."""
        digests = [question.digest for question in questions]
        known = {digest: verdict for digest in digests if (verdict := self._known(digest))}
        missing = {digest: row for digest, row in zip(digests, questions, strict=True) if digest not in known}
        answers = self._engine.ask(list(missing.values())) if missing else []
        for digest, verdict in zip(missing, answers, strict=True):
            known[digest] = self._shared(verdict)
            self._kept.put(digest, (known[digest], self._now()))
        self._telemetry.count(_ASKED, "engine", by=len(missing))
        self._telemetry.count(_ASKED, "cache", by=len(questions) - len(missing))
        return tuple(known[digest] for digest in digests)

    def _shared(self, verdict: PolicyVerdict) -> PolicyVerdict:
        """The verdict, or the equal one that is kept already."""
        return self._equal.get(canonical(verdict.to_full_data()), lambda: verdict)

    def _known(self, digest: str) -> PolicyVerdict | None:
        row = self._kept.known(digest)
        if row is None or (row[0].result is PolicyResult.ERROR and self._now() - row[1] >= _ERRORS_KEPT):
            return None
        return row[0]
