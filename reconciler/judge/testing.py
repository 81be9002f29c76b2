"""`kind: PolicyTest`: made-up decisions, the engine's real verdicts, and which validations were never seen failing.

Pure: documents come in, the engine is an argument. Rules: a case is judged by the same questions as a real decision;
what a case lays over the test's base must be a valid release and environment, or the case fails with the reason; the
clock stands still.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from reconciler.digest import sha256_of, version_of
from reconciler.documents.schema import Loaded
from reconciler.judge.question import LoadedPolicy, Question, mismatch, not_matched, question
from reconciler.judge.upstream import Upstream
from reconciler.judge.variables import Facts, variables
from reconciler.model.cluster import Cluster
from reconciler.model.environment import Environment
from reconciler.model.part import overlay
from reconciler.model.policy import Expectation, PolicyCase, PolicyResult, PolicyTest, PolicyTestSpec, PolicyVerdict
from reconciler.model.release import Effective, ModelRelease, ReleaseSpec
from reconciler.model.runtime import Port, Probe, Probes, ResolvedRuntime, RuntimeSpec
from reconciler.model.state import canonical

FROZEN = datetime(2026, 1, 1, tzinfo=UTC)  # `now` of a case that sets none
NAME = "sample"  # of the release, unless the case is a whole document

Ask = Callable[[Sequence[Question]], Sequence[PolicyVerdict]]


class NotACase(Exception):
    """A case that cannot be asked; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """One case: what was expected, what the policy said (None: it could not be asked), and the problem if any."""

    policy: str
    case: str
    place: str
    """file:line:column of the case."""
    expected: Expectation
    verdict: PolicyVerdict | None
    problem: str

    @property
    def ok(self) -> bool:
        """True when the verdict is the expected one."""
        return not self.problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Of one policy: how many validations it has, which were never seen failing, and whether it was seen passing."""

    policy: str
    source: str
    validations: int
    never_failed: tuple[int, ...]
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TestReport:
    """The outcome of a run. Missing coverage is told and does not fail it."""

    __test__ = False  # its name begins like a test's

    results: tuple[CaseResult, ...]
    coverage: tuple[Coverage, ...]

    @property
    def failed(self) -> tuple[CaseResult, ...]:
        """The cases that did not answer as expected."""
        return tuple(result for result in self.results if not result.ok)

    @property
    def ok(self) -> bool:
        """True when there were cases and every one answered as expected."""
        return bool(self.results) and not self.failed


def run(
    tests: Sequence[Loaded], policies: Sequence[LoadedPolicy], runtimes: Mapping[str, ResolvedRuntime], ask: Ask
) -> TestReport:
    """Every case of every test. Of policies with one name the last counts: pass the bundle's first, then one's own.

    A runtime that is not in `runtimes` is made up: port 8080, /ready and /live.
    """
    known = {policy.name: policy for policy in policies}
    rows = [(test, index, case) for test in tests for index, case in enumerate(test.as_(PolicyTest).spec.cases)]
    asked: list[Question | PolicyVerdict | str] = [
        _question(test.as_(PolicyTest).spec, case, known, runtimes) for test, _, case in rows
    ]
    answers = iter(ask([entry for entry in asked if isinstance(entry, Question)]))
    results = []
    for (test, index, case), entry in zip(rows, asked, strict=True):
        verdict = next(answers) if isinstance(entry, Question) else entry
        results.append(_result(test, index, case, verdict))
    return TestReport(results=tuple(results), coverage=tuple(_coverage(policy, results) for policy in known.values()))


def _question(
    test: PolicyTestSpec, case: PolicyCase, known: Mapping[str, LoadedPolicy], runtimes: Mapping[str, ResolvedRuntime]
) -> Question | PolicyVerdict | str:
    """The case's question, the verdict where the policy is not about it, or why there is none."""
    policy = known.get(test.policy)
    if policy is None:
        return f"there is no policy '{test.policy}'"
    try:
        facts = _facts(test, case, runtimes)
    except NotACase as error:
        return str(error)
    why = mismatch(policy.policy.spec, facts)
    if why:
        return not_matched(policy, why)
    return question(policy, facts, variables(facts))


def _facts(test: PolicyTestSpec, case: PolicyCase, runtimes: Mapping[str, ResolvedRuntime]) -> Facts:
    baseline = _baseline(test, case)
    base = _document(test.release)
    release = _effective("release", base, case.release, baseline, runtimes)
    running = None
    if case.running is not None:
        running = _effective("running", base, case.running, baseline, runtimes)
    cluster = {"connection": {"inCluster": True}}
    labels = dict(release.spec.targets.clusters.match_labels)
    environment = _environment(test, case, release.spec)
    return Facts(
        operation=case.operation,
        release=release,
        running=running,
        environment=environment,
        upstream=_upstream(test, case, environment, runtimes),
        clusters=[Cluster.from_data(_wrapped("Cluster", NAME, cluster, labels))],
        now=case.now or FROZEN,
    )


def _baseline(test: PolicyTestSpec, case: PolicyCase) -> Mapping[str, Any]:
    """The `defaults` of the case's environment: they lie under the releases here, too."""
    found = overlay(test.environment, case.environment).get("defaults", {})
    return found if isinstance(found, Mapping) else {}  # anything else is told when the environment is made


def _upstream(
    test: PolicyTestSpec, case: PolicyCase, environment: Environment, runtimes: Mapping[str, ResolvedRuntime]
) -> Upstream | None:
    before, soak, made = environment.spec.after, environment.spec.soak, case.upstream
    if before is None:
        if made is not None:
            raise NotACase("it has an upstream, but its environment sets no after")
        return None
    if made is None:
        return Upstream(environment=before, soak=soak)
    stable = None
    if made.release is not None:
        stable = _effective("upstream", _document(test.release), made.release, {}, runtimes)
    return Upstream(
        environment=before, soak=soak, stable=stable, served=made.served, since=made.since, until=made.until
    )


def _document(data: Mapping[str, Any]) -> dict[str, Any]:
    """A release as a whole document; what is written as a `spec` alone gets the rest."""
    if "kind" in data or "metadata" in data:
        return dict(data)
    return {"metadata": {"name": NAME}, "spec": dict(data)}


def _effective(
    what: str,
    base: Mapping[str, Any],
    over: Mapping[str, Any],
    baseline: Mapping[str, Any],
    runtimes: Mapping[str, ResolvedRuntime],
) -> Effective:
    data = overlay(base, _document(over) if "kind" in over or "metadata" in over else {"spec": dict(over)})
    data = without_nulls({"apiVersion": "reconciler.dev/v1alpha1", "kind": "ModelRelease", **data})
    try:
        release = ModelRelease.from_data(data)
        spec = ReleaseSpec.from_data(overlay(baseline, release.spec.data))
    except (ValidationError, TypeError) as error:
        raise NotACase(f"its {what} is not a valid release: {_problems(error)}") from error
    runtime = runtimes.get(spec.serving.runtime) or sample_runtime(spec.serving.runtime)
    image = spec.serving.image or runtime.spec.image
    if image is None:
        raise NotACase(f"its {what} has no image and the runtime {runtime.name} brings none: set serving.image")
    return Effective(
        renderer=1,
        version=version_of(spec, runtime, image, 1),
        manifest=sha256_of(canonical(data)),
        repository="github.com/example/models",
        name=release.metadata.name,
        labels=dict(release.metadata.labels),
        image=image,
        spec=spec,
        runtime=runtime,
    )


def sample_runtime(name: str) -> ResolvedRuntime:
    """A made-up runtime for a name that is not known."""
    probes = Probes(ready=Probe(path="/ready"), live=Probe(path="/live"))
    return ResolvedRuntime(
        id=f"sample:{name}", name=name, spec=RuntimeSpec(ports=(Port(name="http", port=8080),), probes=probes)
    )


def _environment(test: PolicyTestSpec, case: PolicyCase, spec: ReleaseSpec) -> Environment:
    """The environment that the release says; what no map sets allows the release's own namespace and clusters."""
    smallest = {"namespaces": [spec.targets.namespace], "clusters": spec.targets.clusters.to_data()}
    data = {**smallest, **overlay(test.environment, case.environment)}
    if case.params:
        data = overlay(data, {"policies": {"params": {test.policy: case.params}}})
    try:
        return Environment.from_data(_wrapped("Environment", spec.environment, data, {}))
    except (ValidationError, TypeError) as error:
        raise NotACase(f"its environment is not valid: {_problems(error)}") from error


def without_nulls(data: Any) -> Any:
    """The data without the fields that a case sets to null: that is how it takes away what its test's base has."""
    if isinstance(data, Mapping):
        return {name: without_nulls(value) for name, value in data.items() if value is not None}
    return data


def _wrapped(kind: str, name: str, spec: Any, labels: Mapping[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "labels": dict(labels)}
    return {"apiVersion": "reconciler.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def _problems(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    rows = [f"{'.'.join(map(str, row['loc']))}: {row['msg'].removeprefix('Value error, ')}" for row in error.errors()]
    return "; ".join(rows)


def _result(test: Loaded, index: int, case: PolicyCase, verdict: PolicyVerdict | str) -> CaseResult:
    line, column = test.positions.value(("spec", "cases", index))
    given = verdict if isinstance(verdict, PolicyVerdict) else None
    problem = _difference(case.expect, given) if given is not None else f"it cannot be asked: {verdict}"
    return CaseResult(
        policy=test.as_(PolicyTest).spec.policy,
        case=case.name,
        place=f"{test.path}:{line}:{column}",
        expected=case.expect,
        verdict=given,
        problem=problem,
    )


def _difference(expected: Expectation, verdict: PolicyVerdict) -> str:
    """How a verdict differs from the expected one; empty when it does not."""
    said = f"{verdict.result.value}" + (f" ({verdict.message})" if verdict.message else "")
    if verdict.result.value != expected.result:
        return f"expected {expected.result}, got {said}"
    if expected.rule is not None and verdict.rule != expected.rule:
        return f"expected validation {expected.rule} to answer, but validation {verdict.rule} did: {said}"
    if expected.message is not None and expected.message not in verdict.message:
        return f"expected a message with '{expected.message}', got {said}"
    return ""


def _coverage(policy: LoadedPolicy, results: Sequence[CaseResult]) -> Coverage:
    verdicts = [
        entry.verdict for entry in results
        if entry.verdict is not None and (entry.verdict.name, entry.verdict.source) == (policy.name, policy.source)
    ]  # fmt: skip
    count = len(policy.policy.spec.validations)
    refusing = (PolicyResult.FAIL, PolicyResult.WARN)
    failing = {verdict.rule for verdict in verdicts if verdict.result in refusing}
    return Coverage(
        policy=policy.name,
        source=policy.source,
        validations=count,
        never_failed=tuple(rule for rule in range(1, count + 1) if rule not in failing),
        passed=any(verdict.result is PolicyResult.PASS for verdict in verdicts),
    )
