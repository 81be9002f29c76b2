"""Which policies are asked about a decision, and each one's question.

Not the evaluation (an edge does that), not what a policy may see (`variables`) and not the meaning of an answer
(`verdict`). Rules: shipped policies can be switched off with a reason, the organisation's own always add; a question
carries only the variables that its policy's expressions name, so its digest covers what the policy reads.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.digest import sha256_of
from reconciler.documents.schema import Loaded
from reconciler.documents.words import FieldPath, field_name
from reconciler.judge.variables import VARIABLES, Facts, variables
from reconciler.model.environment import Environment
from reconciler.model.policy import Operation, Policy, PolicyResult, PolicySpec, PolicyVerdict
from reconciler.model.state import canonical

BUNDLE_LABEL = "reconciler.dev/bundle"
BUILTIN = "builtin:"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPolicy:
    """A policy and where it came from: `source` is its path, or `builtin:baseline`, `builtin:strict`.

    `places` maps a field such as `spec.validations[0].expression` to `file:line:column`.
    """

    policy: Policy
    source: str
    digest: str
    places: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.policy.name

    @property
    def shipped(self) -> bool:
        """True for the bundle's: only those can be switched off."""
        return self.source.startswith(BUILTIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One policy asked about one decision. `policy` is the digest of its spec, `variables` plain JSON data."""

    name: str
    source: str
    policy: str
    spec: PolicySpec
    operation: Operation
    variables: Mapping[str, Any] = field(repr=False)
    places: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def digest(self) -> str:
        """sha256 of all that the verdict depends on: equal digests have equal verdicts."""
        data = [self.name, self.source, self.policy, self.operation, dict(self.variables), dict(self.places)]
        return sha256_of(canonical(data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be asked, and a verdict for every shipped policy that is switched off here.

    `unmatched` has one for every policy in force that is not about this decision; nobody keeps those.
    """

    questions: tuple[Question, ...]
    skipped: tuple[PolicyVerdict, ...]
    unmatched: tuple[PolicyVerdict, ...] = ()


def policy_digest(spec: PolicySpec) -> str:
    """The identity of a policy's text: sha256 of its spec's canonical JSON."""
    return sha256_of(canonical(spec.to_data()))


def own_policy(document: Loaded) -> LoadedPolicy:
    """A policy of the watched repository; its path is its source."""
    return _loaded(document, document.path)


def shipped_policy(document: Loaded) -> LoadedPolicy:
    """A policy of the bundle; one without the bundle label is in the baseline, so that it holds everywhere."""
    bundle = document.as_(Policy).metadata.labels.get(BUNDLE_LABEL, "baseline")
    return _loaded(document, f"{BUILTIN}{bundle}")


def ask(facts: Facts, bundle: Sequence[LoadedPolicy], own: Sequence[LoadedPolicy]) -> Asked:
    """The questions of one decision: policies in force that match it, in the order of bundle, then own."""
    chosen = facts.environment.spec.policies
    reasons = {entry.name: entry.reason for entry in chosen.off}
    held = [policy for policy in bundle if chosen.bundle == "strict" or policy.source != f"{BUILTIN}strict"]
    skipped = [_switched_off(policy, facts, reasons[policy.name]) for policy in held if policy.name in reasons]
    asked = [policy for policy in held if policy.name not in reasons] + list(own)
    seen = variables(facts)
    rows = [(policy, mismatch(policy.policy.spec, facts)) for policy in asked]
    return Asked(
        questions=tuple(question(policy, facts, seen) for policy, why in rows if not why),
        skipped=tuple(skipped),
        unmatched=tuple(not_matched(policy, why) for policy, why in rows if why),
    )


def question(policy: LoadedPolicy, facts: Facts, seen: Mapping[str, Any]) -> Question:
    """One policy's question; `seen` is `variables(facts)`, made once for all of them."""
    spec = policy.policy.spec
    params = {**spec.params, **facts.environment.spec.policies.params.get(policy.name, {})}
    read = _names(spec)
    return Question(
        name=policy.name,
        source=policy.source,
        policy=policy.digest,
        spec=spec,
        operation=facts.operation,
        variables={name: value for name, value in {**seen, "params": params}.items() if name in read},
        places=policy.places,
    )


def mismatch(spec: PolicySpec, facts: Facts) -> str:
    """Why a policy is not asked about a decision; empty when it is. Empty lists and selectors match all.

    But Retire is asked only of policies that name it: what says how to serve must not keep anybody from stopping.
    """
    match = spec.match
    environment = facts.release.spec.environment
    if match.environments and environment not in match.environments:
        return f"it is not about environment {environment}"
    if facts.operation not in match.operations and (match.operations or facts.operation == "Retire"):
        return f"it is not about operation {facts.operation}"
    if match.selector.match_labels and not match.selector.matches(facts.release.labels):
        return "its selector does not match the release's labels"
    return ""


def not_matched(policy: LoadedPolicy, why: str) -> PolicyVerdict:
    """The verdict of a policy that is not about a decision."""
    return PolicyVerdict(
        name=policy.name, source=policy.source, result=PolicyResult.SKIP, reason="NotMatched", message=why
    )


def misnamed(environment: Environment, bundle: Sequence[LoadedPolicy], own: Sequence[LoadedPolicy]) -> list[str]:
    """What `policies.off` and `policies.params` name that is not there: a typing error there must not go unseen."""
    chosen = environment.spec.policies
    known = {policy.name: set(policy.policy.spec.params) for policy in (*bundle, *own)}
    builtin = {policy.name for policy in bundle}
    problems = [
        f"policies.off names '{entry.name}', which is no shipped policy"
        for entry in chosen.off
        if entry.name not in builtin
    ]
    for name, params in chosen.params.items():
        if name not in known:
            problems.append(f"policies.params names '{name}', which is no policy")
            continue
        unknown = sorted(set(params) - known[name])
        problems.extend(f"policies.params.{name} sets '{param}', which that policy has not" for param in unknown)
    return problems


def expressions(spec: PolicySpec) -> Iterator[tuple[FieldPath, str]]:
    """Every expression of a policy with its path in the document."""
    for index, condition in enumerate(spec.match_conditions):
        yield ("spec", "matchConditions", index, "expression"), condition.expression
    for index, variable in enumerate(spec.variables):
        yield ("spec", "variables", index, "expression"), variable.expression
    for index, validation in enumerate(spec.validations):
        yield ("spec", "validations", index, "expression"), validation.expression
        if validation.message_expression is not None:
            yield ("spec", "validations", index, "messageExpression"), validation.message_expression


def _loaded(document: Loaded, source: str) -> LoadedPolicy:
    policy = document.as_(Policy)
    places = {
        field_name(path): "{}:{}:{}".format(document.path, *document.positions.value(path))
        for path, _ in expressions(policy.spec)
    }
    return LoadedPolicy(policy=policy, source=source, digest=policy_digest(policy.spec), places=places)


def _names(spec: PolicySpec) -> frozenset[str]:
    """Variables whose name stands anywhere in an expression: at least all that are read, as CEL has no other way."""
    words = {word for _, text in expressions(spec) for word in re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text)}
    return frozenset(words & VARIABLES.keys())


def _switched_off(policy: LoadedPolicy, facts: Facts, reason: str) -> PolicyVerdict:
    message = f"switched off in environment {facts.environment.name}: {reason}"
    return PolicyVerdict(
        name=policy.name, source=policy.source, result=PolicyResult.SKIP, reason="SwitchedOff", message=message
    )
