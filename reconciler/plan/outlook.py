"""What a preview comes to: it starts, waits for something by itself, asks people, is held, or changes nothing.

Pure, and the one place that says which closed gate merging can open. Rules: of several gates the worst counts; what
opens by time, by another release's end or when a cluster answers needs nobody; missing approvals need the people whom
the environment asks for; everything else needs another commit. A cluster that does not answer holds only itself.
"""

from enum import IntEnum

from reconciler.judge import dependencies
from reconciler.judge.limits import TURN
from reconciler.model.plan import Gate
from reconciler.plan.preview import Preview
from reconciler.rollout.hooks import HOOK_RUNNING
from reconciler.trust.quorum import Outcome

CLUSTER = "Cluster"
"""The kind of the gate of a cluster that cannot be planned at the moment."""

_BY_THEMSELVES = frozenset({dependencies.KIND, CLUSTER})
_IN_TURN = frozenset({TURN, HOOK_RUNNING})


class Outlook(IntEnum):
    """From the best to the worst."""

    NOTHING = 0
    STARTS = 1
    WAITS = 2
    ASKS = 3
    CLOSED = 4


def gate_outlook(gate: Gate) -> Outlook:
    """What one closed gate means for what is merged."""
    if gate.kind == "Approval" and gate.reason != Outcome.REJECTED:
        return Outlook.ASKS
    if gate.opens_at is not None or gate.kind in _BY_THEMSELVES or gate.reason in _IN_TURN:
        return Outlook.WAITS
    return Outlook.CLOSED


def outlook(preview: Preview) -> Outlook:
    """What merging would come to for one release."""
    moves = any(not plan.is_empty for plan in preview.plans)
    gates = [gate for gate in closed(preview) if gate.kind != CLUSTER or not moves]
    return max(map(gate_outlook, gates), default=Outlook.STARTS if moves else Outlook.NOTHING)


def closed(preview: Preview) -> tuple[Gate, ...]:
    """The gates that hold it, the worst first."""
    return tuple(sorted((gate for gate in preview.gates if gate.holds), key=gate_outlook, reverse=True))
