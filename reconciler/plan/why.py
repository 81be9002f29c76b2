"""Why a release is not as the trunk asks: one sentence, down to the gate, pod or log line, and who opens it when.

Pure; everything is in the release's state. Not the judgement itself: it was made by the passes, and this only chooses
what is said first. Rules: a refused trunk comes first, for what was merged is not even seen; then closed gates; then a
rollout under way; then what is not healthy; then what is merged and not in force. A break-glass is never left out.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.model.plan import Condition, Gate
from reconciler.model.repository import RepositoryState
from reconciler.model.state import ASLEEP, ROLLING, Phase, ReleaseState, ReleaseStatus
from reconciler.model.wire import format_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """The answer: `live` when everything is as declared; `opens_at` when all that holds it ends by itself."""

    live: bool
    sentence: str
    opens_at: datetime | None = None


def why(state: ReleaseState, repository: RepositoryState | None) -> Why:
    """Why this release is not live as declared, or that it is; and what a break-glass has to do with it."""
    answer = _why(state, repository)
    glass = _condition(state.status.conditions, "BreakGlass")
    if glass is None:
        return answer
    return replace(answer, sentence=f"{answer.sentence}; BREAK-GLASS: {glass.message}")


def _why(state: ReleaseState, repository: RepositoryState | None) -> Why:
    status = state.status
    runs = _runs(status)
    synced = _condition(repository.status.conditions if repository else (), "Synced")
    if synced and synced.status == "False":
        return Why(live=False, sentence=f"{state.key}: nothing newer is read: {synced.message}; {runs}")
    closed = tuple(gate for gate in status.gates if gate.holds)
    if closed:
        return _held(state, closed, runs)
    if status.phase in (*ROLLING, Phase.RETIRING) and status.message:
        return Why(live=False, sentence=f"{_subject(state)} is on its way: {status.message}")
    ready = _condition(status.conditions, "Ready")
    if ready is None or ready.status != "True":
        told = ready.message if ready and ready.message else status.message or "it was not looked at yet"
        return Why(live=False, sentence=f"{_subject(state)} is not live: {told}")
    return _live(state, ready)


def _live(state: ReleaseState, ready: Condition) -> Why:
    """It is live; what is wrong all the same."""
    how = "retired" if state.status.phase is Phase.RETIRED else "live"
    said = f"{_subject(state)} is {how}: {ready.message}"
    untrusted = _condition(state.status.conditions, "ConfigTrusted")
    if untrusted and untrusted.status == "False":
        return Why(live=False, sentence=f"{said}; but not all that governs it is in force: {untrusted.message}")
    vouched = _condition(state.status.conditions, "Vouched")
    if vouched and vouched.status == "False":
        return Why(live=True, sentence=f"{said}; but no key that counts vouches for it any more: {vouched.message}")
    orphaned = _condition(state.status.conditions, "Orphaned")
    buts = [*([orphaned.message] if orphaned else []), *(gate.message for gate in state.status.gates)]
    return Why(live=True, sentence="; but ".join([said, *buts]))


def _runs(status: ReleaseStatus) -> str:
    """What goes on meanwhile."""
    if status.phase in ASLEEP:
        return "it stays retired"
    return f"{status.stable.model_version} keeps serving" if status.stable else "nothing serves yet"


def _held(state: ReleaseState, gates: tuple[Gate, ...], runs: str) -> Why:
    times = [gate.opens_at for gate in gates if gate.opens_at]
    opens = max(times) if len(times) == len(gates) else None
    told = "; and ".join(gate.message for gate in gates)
    when = f"; it starts {format_time(opens)} at the earliest" if opens and len(gates) > 1 else ""
    return Why(live=False, sentence=f"{_subject(state)} is held: {told}{when}; {runs}", opens_at=opens)


def _subject(state: ReleaseState) -> str:
    return f"{state.key} {state.status.model_version}".rstrip()


def _condition(conditions: tuple[Condition, ...], kind: str) -> Condition | None:
    return next((row for row in conditions if row.type == kind), None)
