"""What merging would do to one release, as a value: what the loop finds out, and every page and command shows.

Nothing is decided or formatted here. `outlook` says what a preview comes to.
"""

from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.ids import ReleaseKey
from reconciler.model.plan import BREAK_GLASS, Gate, Plan
from reconciler.model.policy import PolicyVerdict
from reconciler.plan.diff import ClusterDiff
from reconciler.trust.quorum import Quorum
from reconciler.trust.statement import ApprovalStatement


class Doing(StrEnum):
    """What is asked for; the values are what sentences say."""

    PROMOTE = "promote"
    CHANGE = "change"  # the same version in place: replicas, access …
    RETURN = "return"  # a version that was good here comes back
    RETIRE = "retire"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Approvals that a release, or a removal, is asked for: how they stand, and what is signed to give one.

    `what` is the path of the file that is approved.
    """

    what: str
    quorum: Quorum
    statement: ApprovalStatement


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What merging would do to one release: its gates, its verdicts and one plan per cluster.

    `before` and `after` are model versions for people (empty: nothing runs yet). `version` and `manifest` are the
    digests (`sha256:…`) of what the trunk asks for: what a Waiver names; empty when that does not resolve. `plans` are
    what would be carried out next; `diffs` is what clusters would be told once every gate is open, object by object,
    so that one can look at it before approving it.
    """

    key: ReleaseKey
    path: str
    before: str
    after: str
    gates: tuple[Gate, ...]
    verdicts: tuple[PolicyVerdict, ...]
    plans: tuple[Plan, ...]
    message: str
    version: str = ""
    manifest: str = ""
    doing: Doing = Doing.PROMOTE
    diffs: tuple[ClusterDiff, ...] = ()
    asked: tuple[Asking, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True when nothing would change and no gate is closed, or would be without a break-glass."""
        quiet = all(gate.open and gate.reason != BREAK_GLASS for gate in self.gates)
        return quiet and all(plan.is_empty for plan in self.plans)

    @property
    def clusters(self) -> tuple[str, ...]:
        """Where something would change, or all clusters that were planned where nothing would."""
        changed: list[str] = [plan.key.cluster for plan in self.plans if not plan.is_empty]
        changed += [row.cluster for row in self.diffs if row.objects]
        return tuple(sorted(set(changed))) or tuple(sorted(plan.key.cluster for plan in self.plans))
