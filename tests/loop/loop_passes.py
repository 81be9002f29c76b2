"""Release passes without a world: what `reconcile_release` does between reading and writing, with targets that obey."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from loop_acme import FRAUD, NOW, Published, Repo, fleet

from reconciler.loop.approving import with_known
from reconciler.loop.facts import Judged, ReleaseFacts
from reconciler.loop.progress import Fleeting
from reconciler.loop.release import conclude, fold, steer, verify
from reconciler.model.ids import ReleaseKey
from reconciler.model.plan import Gate
from reconciler.model.record import ApprovalFact
from reconciler.model.state import ReleaseStatus
from reconciler.model.vote import NOTHING_GIVEN, GivenVotes

DENIED = Gate(kind="Policy", open=False, reason="PolicyDenied", message="policy owner-named: name a team")


@dataclass
class Release:
    """One release over its passes. `obey` lets every target act on what it was told before the next pass."""

    repo: Repo = field(default_factory=Repo)
    key: ReleaseKey = FRAUD
    status: ReleaseStatus = field(default_factory=ReleaseStatus)
    denied: bool = False
    hooks: dict[str, str] = field(default_factory=dict)
    """By name, how far hooks are that do not complete."""
    given: GivenVotes = NOTHING_GIVEN
    """Votes from elsewhere than the trunk's files."""
    known: tuple[ApprovalFact, ...] = ()
    """Votes that the ledger tells of."""

    def __post_init__(self) -> None:
        self.world = Published(self.repo)
        self.now = NOW
        self.judged: Judged | None = None
        self.facts: ReleaseFacts | None = None

    def turn(self, clusters: Mapping[str, Fleeting] | None = None, *, obey: bool = True) -> ReleaseStatus:
        facts = ReleaseFacts(
            key=self.key,
            snapshot=self.world.publish(),
            status=with_known(self.status, self.known),
            stored=None,
            clusters=fleet(self.key, self.status, hooks=self.hooks) if clusters is None and obey else clusters or {},
            commit=None,
            now=self.now,
            given=self.given,
        ).settled()
        self.facts = facts
        judged = fold(facts, verify(facts), ())
        self.judged = replace(judged, gates=(*judged.gates, DENIED)) if self.denied else judged
        self.status = conclude(facts, self.judged, steer(facts, self.judged))
        self.now += timedelta(seconds=15)
        return self.status

    def settle(self, passes: int = 40) -> ReleaseStatus:
        """Passes until one changes nothing but what waits for the ledger."""
        for _ in range(passes):
            before = self.status
            if self.turn() == before:
                return before
        raise AssertionError(f"not settled: {self.status.phase} {self.status.message}")

    def told(self) -> set[str]:
        """The versions that any directive gives a size."""
        return {
            entry.version for directive in self.status.directives.values() for entry in directive.versions if entry.high
        }
