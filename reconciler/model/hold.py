"""Hold and Waiver: stopping the line, and letting one release pass in spite of a policy or, by break-glass, a gate.

Not whether they are in force (loop/governing) nor what they hold or waive (judge/exceptions). Rules: whoever can merge
may add a Hold; a Waiver is signed by somebody who may waive (or break the glass) in every environment that it names,
and it always ends.
"""

from typing import Annotated, Literal, Self

from pydantic import StringConstraints, model_validator

from reconciler.model.document import Document
from reconciler.model.wire import DnsLabel, Field, Labels, Sha256, Time, Wire

GlassGate = Literal["Signature", "Approval", "Policy", "Hold", "Window", "Freeze", "Schedule", "Limit", "Dependency"]
"""Kinds of gates that a break-glass may open. Never Document, Reference, Config, Removal and Prune: what does not
resolve, what nobody vouches for as governing, and what would end or be deleted, are not a matter of haste."""

Reason = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class HoldSelector(Wire):
    """Releases that match everything which is given here; something must be."""

    environments: tuple[DnsLabel, ...] = ()
    """Names of environments."""
    names: tuple[DnsLabel, ...] = ()
    """Of releases."""
    match_labels: Labels = Field(default_factory=dict)
    """Of releases."""

    @model_validator(mode="after")
    def _selects(self) -> Self:
        if not (self.environments or self.names or self.match_labels):
            raise ValueError("it selects nothing: give environments, names or matchLabels")
        return self

    def matches(self, environment: str, name: str, labels: Labels) -> bool:
        """True for a release that has all of it."""
        return (
            (not self.environments or environment in self.environments)
            and (not self.names or name in self.names)
            and all(labels.get(key) == value for key, value in self.match_labels.items())
        )


class HoldSpec(Wire):
    """Whom it stops, why, and who may end it."""

    selector: HoldSelector
    reason: Reason
    """Why; whoever waits is told."""
    until: Time | None = None
    """It ends by itself then; without it, by a signed removal only."""
    released_by: DnsLabel
    """The role that may end it earlier."""


class Hold(Document):
    """Nothing new starts for the releases that it selects. It never holds a repair, an abort or a return."""

    kind: Literal["Hold"]
    spec: HoldSpec


class WaiverSelector(Wire):
    """Releases by name, and the environments in which."""

    names: Annotated[tuple[DnsLabel, ...], Field(min_length=1)]
    """Of releases."""
    environments: Annotated[tuple[DnsLabel, ...], Field(min_length=1)]
    """In which; its signer must be one who may waive in each of them."""


class WaiverSpec(Wire):
    """Which policy or, in an emergency, which gates; for whom, why and until when."""

    policy: DnsLabel | None = None
    """The name of a policy, shipped or the organisation's own."""
    break_glass: Annotated[tuple[GlassGate, ...], Field(min_length=1, max_length=10)] | None = None
    """In place of `policy`: the kinds of gates that it opens for one version, whoever closed them."""
    selector: WaiverSelector
    version: Sha256 | None = None
    """Only this version; without it any. A break-glass must name one."""
    manifest: Sha256 | None = None
    """Only this text of the release. A break-glass that opens Signature must name one: nobody else vouches for it."""
    reason: Reason
    """Why; every verdict repeats it."""
    expires: Time
    """The moment at which it ends; there is no waiver without one."""

    @model_validator(mode="after")
    def _one_use(self) -> Self:
        if (self.policy is None) == (self.break_glass is None):
            raise ValueError("it needs exactly one of policy and breakGlass")
        if self.break_glass is None:
            if self.manifest is not None:
                raise ValueError("manifest belongs to a breakGlass; a waiver of a policy may name a version")
            return self
        if self.version is None:
            raise ValueError("a breakGlass is of one version: name it (`reconciler plan` shows it)")
        if "Signature" in self.break_glass and self.manifest is None:
            raise ValueError("a breakGlass that opens Signature is of one text: name its sha256 in manifest")
        return self


class Waiver(Document):
    """For these releases a policy's no is a skip, or the named gates are open. Deleting it needs no signature."""

    kind: Literal["Waiver"]
    spec: WaiverSpec

    def covers(self, environment: str, name: str, version: str, manifest: str) -> bool:
        """True for a release that it names, in a version and text (`sha256:…`) that it is about."""
        selector = self.spec.selector
        named = name in selector.names and environment in selector.environments
        return named and self.spec.version in (None, version) and self.spec.manifest in (None, manifest)
