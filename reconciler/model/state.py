"""What progress looks like: the directive, and the two state objects that keep it on clusters (a release, a target).

The release pass alone writes directives; the target pass carries them out and reports. Nothing here decides.
"""

import base64
import zlib
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Literal

import orjson

from reconciler.model.environment import PruneBudget
from reconciler.model.hooks import HookName
from reconciler.model.ids import (
    Closure,
    EnvironmentName,
    ReleaseKey,
    ReleaseName,
    RepositoryName,
    Revision,
    Version,
)
from reconciler.model.objects import ObjectRef
from reconciler.model.plan import Condition, Gate, Opened
from reconciler.model.policy import PolicyVerdict
from reconciler.model.record import ApprovalFact, OutboxEntry
from reconciler.model.release import Effective
from reconciler.model.wire import Field, Sha256, Time, Wire

STATE_API = "reconciler.dev/v1alpha1"


class Phase(StrEnum):
    """Where a rollout stands: a summary, not a program counter, since every pass starts from what is seen."""

    PENDING = "Pending"  # a gate is closed, or nothing has been asked yet
    PREPARING = "Preparing"  # the candidate's first pods are coming up
    STEPPING = "Stepping"  # replicas move from stable to candidate
    REMOVING = "Removing"  # its removal is signed; what runs is being deleted
    REMOVED = "Removed"  # nothing of it is left; this state goes once the ledger has its record
    RETIRING = "Retiring"  # it is told to serve no more; its last pods are ending
    RETIRED = "Retired"  # nothing of it serves; its objects are kept until it is active again or removed
    ROLLING_BACK = "RollingBack"  # a known-good version returns at once
    PROMOTED = "Promoted"  # what the trunk asks for runs and is healthy everywhere


ASLEEP = (Phase.RETIRING, Phase.RETIRED)
"""What was accepted last is that nothing serves."""
ROLLING = (Phase.PREPARING, Phase.STEPPING, Phase.ROLLING_BACK)
"""One version follows another."""
MOVING = (*ROLLING, Phase.RETIRING, Phase.REMOVING)
"""Something is on its way by itself."""


class Role(StrEnum):
    """What a version is to its release on one cluster."""

    STABLE = "stable"
    CANDIDATE = "candidate"
    PREVIOUS = "previous"  # kept scaled to zero, for a rollback at once


class Apply(StrEnum):
    """What a target does with its directive."""

    RUN = "run"
    RETIRE = "retire"  # keep everything that was made here, with no pods
    REMOVE = "remove"  # delete everything that was made here, then the TargetState itself


class PruneMark(Wire):
    """An object that the directive no longer renders. A later pass that still finds it so deletes it."""

    group: str = ""
    api: str
    kind: str
    namespace: str = ""
    name: str
    sequence: int
    """The directive it was marked under."""
    uid: str = ""
    """Which object of this name it is."""
    confirm: bool = False
    """True while it waits for people to confirm exactly this."""

    @property
    def identity(self) -> tuple[ObjectRef, str, int]:
        """What a confirmation is of: this object, marked then; another one of its name, or marked anew, is another."""
        return self.ref, self.uid, self.sequence

    @property
    def ref(self) -> ObjectRef:
        """Which object this is."""
        return ObjectRef(group=self.group, version=self.api, kind=self.kind, namespace=self.namespace, name=self.name)


class VersionDirective(Wire):
    """One version on one cluster: how many replicas it may have, and which effective spec it is rendered from."""

    version: Version
    role: Role
    low: int
    high: int
    """While a rollout runs low == high; else the autoscaler's range. 0 and 0: scaled to zero, no autoscaler."""
    effective: Sha256
    """sha256 of the effective spec's canonical JSON: a change in place (allowFrom, replicas …) changes it."""
    hooks: tuple[HookName, ...] = ()
    """Hooks whose Jobs the target is to have for this version."""


class Directive(Wire):
    """What a release tells one target to run. `sequence` only grows."""

    sequence: int
    revision: Revision
    closure: Closure
    versions: tuple[VersionDirective, ...]
    self_heal: bool = True
    apply: Apply = Apply.RUN
    budget: PruneBudget | None = None
    """None: no limit."""
    confirm: bool = False
    """True: of what is marked only the `confirmed` may be deleted."""
    confirmed: tuple[PruneMark, ...] = ()
    """The marks that people said may be carried out."""

    def version(self, version: Version) -> VersionDirective | None:
        """The directive for one version, or None when the target is not to have it."""
        return next((entry for entry in self.versions if entry.version == version), None)


def pack(effective: Effective) -> str:
    """An effective spec as base64 of zlib of canonical JSON: what state objects keep."""
    return base64.b64encode(zlib.compress(canonical(effective.to_data()), 9)).decode()


def unpack(packed: str) -> Effective:
    """The inverse of `pack`; raises ValueError on anything else."""
    try:
        data = zlib.decompress(base64.b64decode(packed, validate=True))
    except zlib.error as error:
        raise ValueError(f"this is no packed spec: {error}") from error
    return Effective.from_data(orjson.loads(data))


Unpack = Callable[[str], Effective]
"""As `unpack`; whoever asks for one spec again and again remembers it."""


def canonical(data: Any) -> bytes:
    """Canonical JSON: sorted keys, no spaces, UTF-8. Digests are taken over this."""
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)


class ReleaseRef(Wire):
    """Which release a state object is of."""

    repository: str
    environment: str
    name: str


class VersionRef(Wire):
    """A version and what people know it by."""

    version: Version
    model_version: str
    manifest: Sha256
    closure: Closure


class Promotion(Wire):
    """One version that was Promoted here; the newest stands first in a history."""

    version: Version
    model_version: str
    manifest: Sha256
    closure: Closure
    revision: Revision
    at: Time
    keys: tuple[str, ...] = ()
    """Fingerprints of the keys that released it."""
    retired: Time | None = None
    """When it was retired after this, so that it served no longer; None for what went on until another followed."""


class FailedHook(Wire):
    """The hook for which a version goes no further or, when it ran already, was given up for what is stable."""

    version: Version
    hook: HookName
    cluster: str
    message: str
    """Why, down to the pod's last words."""


class ReleaseStatus(Wire):
    """Progress of one release."""

    revision: Revision | Literal[""] = ""
    closure: Closure | Literal[""] = ""
    manifest: Sha256 | Literal[""] = ""
    """What the trunk asked for when this was written."""
    first_seen: Time | None = None
    """When we first saw that manifest: keys are judged for this time."""
    model_version: str = ""
    phase: Phase = Phase.PENDING
    since: Time | None = None
    stable: VersionRef | None = None
    candidate: VersionRef | None = None
    gates: tuple[Gate, ...] = ()
    """Closed gates only."""
    opened: tuple[Opened, ...] = ()
    """Gates that would be closed and that a break-glass holds open."""
    verdicts: tuple[PolicyVerdict, ...] = ()
    directives: dict[str, Directive] = Field(default_factory=dict)
    """By cluster."""
    orphaned: tuple[str, ...] = ()
    """Clusters whose document ended by a signed removal: what runs there stays, and nobody looks after it."""
    unconfirmed: dict[str, tuple[PruneMark, ...]] = Field(default_factory=dict)
    """By cluster: what is to be deleted and waits until people confirm it."""
    effective: dict[str, str] = Field(default_factory=dict)
    """By version in use or within rollback.depth: the packed effective spec."""
    history: tuple[Promotion, ...] = ()
    """The last 10 promoted versions, newest first."""
    approvals: tuple[ApprovalFact, ...] = ()
    """Votes on this and on earlier closures, removals and deletions, newest last: each keeps when it was first seen."""
    full: dict[str, int] = Field(default_factory=dict)
    """By cluster: the size stable had before the rollout touched it; what an abort gives back."""
    failed: FailedHook | None = None
    """Why the version that the trunk asks for goes no further, until something else is accepted."""
    message: str = ""
    """One sentence of progress."""
    outbox: tuple[OutboxEntry, ...] = ()
    """What the ledger has not got yet; entries that were pushed go with the next write."""
    conditions: tuple[Condition, ...] = ()


class ReleaseState(Wire):
    """One release's state on the home cluster."""

    release: ReleaseRef
    status: ReleaseStatus = ReleaseStatus()

    @property
    def key(self) -> ReleaseKey:
        """The release's identity."""
        return release_key(self.release)

    def to_data(self) -> dict[str, Any]:
        """The phase is always written, also the first one: people read it in a column."""
        data = super().to_data()
        data.setdefault("status", {})["phase"] = self.status.phase.value
        return data


class InventoryEntry(Wire):
    """One object we made. `rendered` is the payload's digest, `live` what the server had after we applied it.

    An entry with an empty `live` was announced but not confirmed: it is applied again.
    """

    group: str = ""
    api: str
    """The API version within the group: v1, v2 …"""
    kind: str
    namespace: str = ""
    name: str
    tier: int
    rendered: Sha256
    live: str = ""
    uid: str = ""
    repairs: int = 0
    """Repairs in a row, each within ten minutes of the one before: at 5 we stop and name the other manager."""
    repaired_at: Time | None = None

    @property
    def ref(self) -> ObjectRef:
        """Which object this is."""
        return ObjectRef(group=self.group, version=self.api, kind=self.kind, namespace=self.namespace, name=self.name)


class VersionHealth(Wire):
    """How one version does on one cluster. `wanted` is the size it was told to have (low end)."""

    replicas: int
    """Pods that exist."""
    ready: int
    wanted: int
    healthy: bool
    failed: bool = False
    """True when it will not get better by waiting (deadline exceeded)."""
    reason: str = ""
    message: str = ""


class SmokeOutcome(Wire):
    """What came of a version's smoke request on one cluster."""

    passed: bool
    since: Time
    """When it passed, or since when it fails in this way."""
    answered: bool = True
    """False when nothing came back from a pod: that says nothing of the version."""
    message: str = ""
    """Why it is not passed."""


class HookState(StrEnum):
    """How far a hook's Job is on one cluster; the last two are for good."""

    RUNNING = "Running"  # told, and not ended
    COMPLETE = "Complete"
    FAILED = "Failed"


class HookOutcome(Wire):
    """What became of one hook of one version on one cluster; `reason` and `message` say why it does not complete."""

    state: HookState
    since: Time
    reason: str = ""
    message: str = ""

    @property
    def ended(self) -> bool:
        """True when it will not run again for this version."""
        return self.state is not HookState.RUNNING


class TargetStatus(Wire):
    """What one target runs."""

    sequence: int = 0
    """The directive that this status speaks of."""
    inventory: tuple[InventoryEntry, ...] = ()
    marks: tuple[PruneMark, ...] = ()
    versions: dict[str, VersionHealth] = Field(default_factory=dict)
    smokes: dict[str, SmokeOutcome] = Field(default_factory=dict)
    """By version: what its smoke request came to; a passed one is not sent again."""
    hooks: dict[str, dict[str, HookOutcome]] = Field(default_factory=dict)
    """By version that the directive names, by hook: what keeps one that ended from running again."""
    serving: str = ""
    """The model version that serves, for people."""
    drifted: tuple[str, ...] = ()
    """Objects that differ and are only reported (selfHeal: false)."""
    orphaned: tuple[str, ...] = ()
    """Objects of kinds that are never deleted: they are wanted no longer, stay, and are looked after no more."""
    conditions: tuple[Condition, ...] = ()


class TargetState(Wire):
    """One target's state on its own cluster, in the release's namespace."""

    release: ReleaseRef
    cluster: str
    home: str
    """UID of the home cluster's kube-system namespace: who may act on this."""
    directive: Directive
    effective: dict[str, str]
    """By version that the directive names: the packed effective spec."""
    status: TargetStatus = TargetStatus()

    @property
    def key(self) -> ReleaseKey:
        """The release's identity."""
        return release_key(self.release)


def release_key(ref: ReleaseRef) -> ReleaseKey:
    """The key of a wire reference."""
    return ReleaseKey(
        repository=RepositoryName(ref.repository),
        environment=EnvironmentName(ref.environment),
        name=ReleaseName(ref.name),
    )


def release_ref(key: ReleaseKey) -> ReleaseRef:
    """The wire reference of a key."""
    return ReleaseRef(repository=key.repository, environment=key.environment, name=key.name)
