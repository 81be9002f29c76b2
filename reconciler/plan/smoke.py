"""The smoke request of a version on one cluster: what its answer is worth, and what that does to the version's health.

Not the sending (the loop asks the edge). Rules: a version with a smoke request counts no pod as ready, and is not
healthy, until one of its pods answered as expected; once it did, it is not asked again here. A wrong answer fails the
version after its startup budget, as if it did not come up. No answer says nothing of the version, because we cannot see
whether the request got to the pod (a network that drops it looks like a model that hangs): it holds and fails nothing.
"""

from datetime import datetime

from reconciler.documents.secrets import secret_shape
from reconciler.model.facts import SmokeAnswer
from reconciler.model.ids import Version
from reconciler.model.release import Effective, Smoke
from reconciler.model.state import SmokeOutcome, VersionHealth
from reconciler.plan.seen import SeenTarget

_WORDS = 120  # characters of an answer that are repeated


def smokes(seen: SeenTarget) -> dict[str, SmokeOutcome]:
    """What is known of every version that the directive names, with the answers of this pass."""
    found: dict[str, SmokeOutcome] = {}
    for entry in seen.directive.versions:
        smoke = seen.effective[entry.version].spec.serving.startup.smoke
        before, answer = seen.status.smokes.get(entry.version), seen.answers.get(entry.version)
        if smoke and answer:
            found[entry.version] = outcome(smoke, answer, before, seen.now)
        elif smoke and before:
            found[entry.version] = before
    return found


def due(seen: SeenTarget, version: Version, health: VersionHealth) -> bool:
    """True when the version has a ready pod and a smoke request that was not answered well yet."""
    smoke = seen.effective[version].spec.serving.startup.smoke
    known = seen.status.smokes.get(version)
    return smoke is not None and health.ready > 0 and not (known and known.passed)


def outcome(smoke: Smoke, answer: SmokeAnswer, before: SmokeOutcome | None, now: datetime) -> SmokeOutcome:
    """What an answer is worth; `since` stays while it fails in the same way."""
    message = _wrong(smoke, answer)
    passed, answered = not message, answer.status > 0
    same = before is not None and (before.passed, before.answered) == (passed, answered)
    since = before.since if before and same else now.replace(microsecond=0)
    return SmokeOutcome(passed=passed, since=since, answered=answered, message=message)


def _wrong(smoke: Smoke, answer: SmokeAnswer) -> str:
    asked = f"{smoke.verb} {smoke.path}"
    if answer.problem:
        return f"the smoke request {asked} did not get to pod {answer.pod}: {answer.problem}"
    if not answer.status:
        return f"nothing came back in time for the smoke request {asked} to pod {answer.pod}"
    if answer.status != smoke.expect:
        said = f": {_words(answer.body)}" if answer.body else ""
        return f"pod {answer.pod} answered {answer.status} instead of {smoke.expect} to {asked}{said}"
    if smoke.contains is not None and smoke.contains not in answer.body:
        return f"pod {answer.pod} answered {answer.status} to {asked}, but without the expected text"
    return ""


def _words(body: str) -> str:
    """The first words of an answer, on one line; nothing of one that looks like it has a secret in it."""
    if secret_shape(body):
        return "(hidden)"
    line = " ".join("".join(char if char.isprintable() else " " for char in body).split())
    return line if len(line) <= _WORDS else f"{line[:_WORDS]}…"


def with_smoke(health: VersionHealth, effective: Effective, known: SmokeOutcome | None, now: datetime) -> VersionHealth:
    """The health of a version with what is known of its smoke request; a version at zero is not asked."""
    startup = effective.spec.serving.startup
    if startup.smoke is None or health.wanted == 0 or (known and known.passed):
        return health
    update: dict[str, object] = {"ready": 0, "healthy": False}
    if health.healthy and known is None:
        update |= {"reason": "SmokePending", "message": "its pods are ready and its smoke request is still to be sent"}
    elif known and health.ready and not health.failed:
        late = known.answered and now - known.since >= startup.budget
        reason = "SmokeFailed" if known.answered else "SmokeNotAnswered"
        update |= {"reason": reason, "message": known.message, "failed": late}
    return health.model_copy(update=update)
