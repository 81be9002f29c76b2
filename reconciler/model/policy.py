"""Policy, PolicyTest and what a policy said. The form is Kubernetes' ValidatingAdmissionPolicy."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from reconciler.model.document import Document, Selector
from reconciler.model.wire import DnsLabel, Field, Time, Wire

Expression = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Operation = Literal["Create", "Update", "Rollback", "Retire"]


class Match(Wire):
    """Which decisions a policy is asked about; an empty list or selector matches all."""

    environments: tuple[DnsLabel, ...] = ()
    operations: tuple[Operation, ...] = ()
    selector: Selector = Selector()


class MatchCondition(Wire):
    """A policy is skipped unless every condition is true."""

    name: DnsLabel
    expression: Expression


class Variable(Wire):
    """A named expression, seen as `variables.NAME` by those after it."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
    expression: Expression


class Validation(Wire):
    """What must be true. `message_expression` wins over `message` when it gives a text."""

    expression: Expression
    message: Annotated[str, StringConstraints(max_length=1024)] = ""
    message_expression: Expression | None = None
    reason: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9]{0,62}$")] = "Denied"


class PolicySpec(Wire):
    """Who is asked, with what, and what a no means."""

    match: Match = Match()
    match_conditions: tuple[MatchCondition, ...] = ()
    params: dict[str, Any] = Field(default_factory=dict)
    variables: tuple[Variable, ...] = ()
    validations: Annotated[tuple[Validation, ...], Field(min_length=1)]
    validation_actions: Annotated[tuple[Literal["Deny", "Warn", "Audit"], ...], Field(min_length=1, max_length=1)] = (
        "Deny",
    )
    failure_policy: Literal["Fail", "Ignore"] = "Fail"


class Policy(Document):
    """One rule of the organisation, or of the shipped bundle."""

    kind: Literal["Policy"]
    spec: PolicySpec


class PolicyResult(StrEnum):
    """The words of the PolicyReport."""

    PASS = "pass"  # noqa: S105  # a verdict, not a password
    FAIL = "fail"
    WARN = "warn"
    ERROR = "error"
    SKIP = "skip"


class Expectation(Wire):
    """What one case must answer."""

    result: Literal["pass", "fail", "warn", "error", "skip"]
    message: str | None = None
    """A part of the message."""
    rule: int | None = None
    """The validation that must have answered, counted from 1."""


class UpstreamCase(Wire):
    """What the environment before this one is made up to have; `environment.after` must name it."""

    release: dict[str, Any] | None = None
    """What is stable there, laid over the test's `release`; none: nothing is."""
    served: bool = True
    """Whether it served the artifact of the case."""
    since: Time | None = None
    """When that became stable and healthy; none: it is not healthy."""
    until: Time | None = None
    """When a newer one took its place; none: it is what is stable now."""


class PolicyCase(Wire):
    """One decision, made up or from a file."""

    name: str
    release: dict[str, Any]
    """The `spec` of a release (a full document is fine too); missing parts come from the test's `release`."""
    running: dict[str, Any] | None = None
    environment: dict[str, Any] = Field(default_factory=dict)
    upstream: UpstreamCase | None = None
    """The environment that `environment.after` names; none: nothing is stable there."""
    params: dict[str, Any] = Field(default_factory=dict)
    operation: Operation = "Update"
    now: Time | None = None
    expect: Expectation


class PolicyTestSpec(Wire):
    """Cases for one policy; each case's maps are laid over `release` and `environment`."""

    policy: DnsLabel
    release: dict[str, Any] = Field(default_factory=dict)
    environment: dict[str, Any] = Field(default_factory=dict)
    cases: Annotated[tuple[PolicyCase, ...], Field(min_length=1)]


class PolicyTest(Document):
    """Tests of one policy; ignored by the daemon."""

    kind: Literal["PolicyTest"]
    spec: PolicyTestSpec


class PolicyVerdict(Wire):
    """What one policy said of one release."""

    name: str
    source: str
    """`builtin:baseline`, `builtin:strict` or the document's path."""
    result: PolicyResult
    rule: int = 0
    """The validation that decided, counted from 1; 0 when none did."""
    reason: str = ""
    message: str = ""
    place: str = ""
    """file:line:column of the expression."""
    values: dict[str, Any] = Field(default_factory=dict)
    """What the policy's variables were."""
