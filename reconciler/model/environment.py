"""Environment: what is allowed and required in dev, staging or prod."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import StringConstraints, field_validator, model_validator

from reconciler.model.document import Document, Selector
from reconciler.model.part import Part, PartOf
from reconciler.model.release import MERGEABLE, ReleaseSpec
from reconciler.model.windows import Windows
from reconciler.model.wire import DnsLabel, Duration, Field, Wire

RegistryHost = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.:-]{0,252}$")]
PolicyName = DnsLabel


class Rollback(Wire):
    """How far back a revert may reach and still return at once."""

    depth: Annotated[int, Field(ge=0, le=20)] = 3
    """Promoted versions that are kept, scaled to zero."""
    max_age: Duration = timedelta(days=30)


class PolicyOff(Wire):
    """A shipped policy switched off here, with its reason."""

    name: PolicyName
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class PolicyChoice(Wire):
    """Which shipped policies hold here; the environment's own Policy documents always add to them."""

    bundle: Literal["baseline", "strict"] = "baseline"
    params: dict[PolicyName, dict[str, Any]] = Field(default_factory=dict)
    """Per policy, values that replace the policy's own `params`."""
    off: tuple[PolicyOff, ...] = ()


class ApprovalRule(Wire):
    """So many people, of one role or of any, who may approve here."""

    role: DnsLabel | None = None
    count: Annotated[int, Field(ge=1, le=100)]


class Approvals(Wire):
    """Who has to say yes before a version is promoted here, a release ends, or objects go that wait for it.

    All rules must hold.
    """

    rules: Annotated[tuple[ApprovalRule, ...], Field(min_length=1, max_length=20)]
    sources: Annotated[tuple[Literal["signature", "forge"], ...], Field(min_length=1, max_length=2)] = ("signature",)
    """What counts as one. `signature`, always: a signed block, wherever it lies. `forge`: also a review of the pull
    request by a login that the trust file gives to somebody who may approve; it is not signed."""
    separate: bool = True
    """True: who signed the release is not one of its approvers."""
    expire_after: Duration = timedelta(days=14)
    """An approval counts this long after it was first seen; a rollout that began with it goes on."""

    @field_validator("sources")
    @classmethod
    def _signatures_count(cls, sources: tuple[str, ...]) -> tuple[str, ...]:
        if "signature" not in sources or len(set(sources)) < len(sources):
            raise ValueError("must be [signature] or [signature, forge]: a signed approval always counts")
        return sources

    @property
    def by_review(self) -> bool:
        """Whether a review on the forge counts."""
        return "forge" in self.sources


class PruneBudget(Wire):
    """How much of one target one pass deletes: at most `count` objects and `percent` of what it has, one at least."""

    count: Annotated[int, Field(ge=1, le=1000)] = 20
    percent: Annotated[int, Field(ge=1, le=100)] = 20


class Prune(Wire):
    """How what is no longer wanted is deleted."""

    budget: PruneBudget = PruneBudget()
    confirm: bool = False
    """True: nothing is deleted before people have confirmed exactly the objects that would be."""


class Limits(Wire):
    """How much the releases of an environment may have together. What runs is never held by one, nor what shrinks."""

    gpus: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """GPUs: of every release its largest size on each of its clusters."""
    replicas: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """Pods, counted the same way."""
    concurrent_rollouts: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Releases that have a rollout under way at one time; the others wait for their turn."""


class EnvironmentSpec(Wire):
    """Allow-lists (empty: nothing is allowed) and rules of one environment."""

    after: DnsLabel | None = None
    """The environment before this one: what comes here was Promoted there and healthy for its soak."""
    soak: Duration = timedelta()
    """How long it must have been healthy there."""
    promotion: Literal["manual", "auto"] = "manual"
    """`auto`: once its soak is over, the daemon proposes it here by an unsigned pull request; people sign and merge."""
    namespaces: Annotated[tuple[DnsLabel, ...], Field(min_length=1)]
    clusters: Selector
    registries: tuple[RegistryHost, ...] = ()
    """Hosts that images and models may come from."""
    model_sources: tuple[Literal["oci", "s3", "gs", "hf", "https", "pvc"], ...] = ("oci",)
    approvals: Approvals | None = None
    """None: nobody is asked."""
    prune: Prune | None = None
    """None: all that is no longer wanted goes in one pass, once an earlier one has marked it."""
    windows: Windows | None = None
    """When changes may start; without it, always."""
    limits: Limits = Limits()
    """How much its releases may have together; without it, as much as they ask for."""
    rollback: Rollback = Rollback()
    self_heal: bool = True
    """False: drift is reported and left."""
    policies: PolicyChoice = PolicyChoice()
    defaults: Annotated[Part[ReleaseSpec], PartOf(model=ReleaseSpec, mergeable=MERGEABLE, under=True)] = Field(
        default_factory=Part
    )
    """The baseline under every release here: a part of a release's `spec`. Maps merge deep; what a release writes
    otherwise replaces it. Nothing of `environment`, `model` and `evidence`, which say what one release is."""


class Environment(Document):
    """One stage of the promotion chain."""

    kind: Literal["Environment"]
    spec: EnvironmentSpec

    @model_validator(mode="after")
    def _after_another(self) -> "Environment":
        if self.spec.after == self.name:
            raise ValueError(f"'{self.name}' cannot come after itself: name the environment before it in spec.after")
        if self.spec.soak and self.spec.after is None:
            raise ValueError("spec.soak needs spec.after: which environment must it be healthy in?")
        if self.spec.promotion == "auto" and self.spec.after is None:
            raise ValueError("spec.promotion: auto needs spec.after: which environment is promoted from?")
        return self
