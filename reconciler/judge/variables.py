"""All that a policy may see: the table of variables, and how facts become them.

This is an API for people who write policies: the table is what the documentation prints. Rules: full data, defaults
included, so an unset field is null and not missing; plain JSON; never the value of a pod's environment variable. Maps
have no order in CEL (it differs from process to process): what a message lists comes from a list.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.judge.upstream import Upstream
from reconciler.model.cluster import Cluster
from reconciler.model.environment import Environment
from reconciler.model.evidence import Evaluation
from reconciler.model.facts import CommitFact
from reconciler.model.policy import Operation
from reconciler.model.record import SignatureFact
from reconciler.model.release import Effective
from reconciler.model.wire import format_duration, format_time, quantity_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One variable that every expression of a policy may use."""

    type: str
    meaning: str


_RELEASE = (
    "metadata.name, metadata.labels; spec (the whole ModelRelease, unset fields are null; of env only names "
    "and references); image (resolved), version and manifest (sha256:…); probes (those in force); "
    "hooks: every hook in order, each {name, when ('before' or 'after'), image}; "
    "pod.cpu (cores, double), pod.memory (bytes, int), pod.gpus (int); "
    "scores: every evaluation and slice in order, each {name, dataset, metric, slice, value} with a name such as "
    "'auc on holdout' or 'auc on holdout (new-accounts)'; scoreByName: name to value"
)

VARIABLES: Mapping[str, Seen] = {
    "release": Seen(type="map(string, dyn)", meaning=f"what the trunk asks for: {_RELEASE}"),
    "running": Seen(type="dyn", meaning="what is stable now, in the form of release; null when nothing is"),
    "environment": Seen(type="map(string, dyn)", meaning="metadata.name, metadata.labels and spec of the Environment"),
    "clusters": Seen(type="list(map(string, dyn))", meaning="the target clusters: name, labels, suspend"),
    "signatures": Seen(
        type="list(map(string, dyn))", meaning="the release's valid signatures: person, key (fingerprint), use"
    ),
    "revision": Seen(
        type="dyn",
        meaning="the commit asked about: commit, author, email, subject, time (RFC 3339), none of it proven; or null",
    ),
    "plan": Seen(
        type="map(string, dyn)",
        meaning="what it comes to on all clusters: clusters (int), objects (kind to how many), replicas.min, "
        "replicas.max, gpus (at replicas.max)",
    ),
    "upstream": Seen(
        type="dyn",
        meaning="the environment named by environment.spec.after; null where none is: environment, soak; release (what "
        "is stable there, in the form of release, or null); served (true when it served this very model digest and "
        "image), healthy, since and until (RFC 3339 or null), soaked (healthy for the whole soak), opens (when the "
        "soak ends, or null)",
    ),
    "runtime": Seen(type="map(string, dyn)", meaning="the resolved ServingRuntime: id, name, spec"),
    "params": Seen(type="map(string, dyn)", meaning="the policy's params with the environment's laid over them"),
    "operation": Seen(
        type="string",
        meaning="Create (nothing runs yet), Update, Rollback (a known-good version returns), or Retire (it is to "
        "serve no more; only policies whose match.operations names it are asked)",
    ),
    "now": Seen(type="timestamp", meaning="the time of the decision, to the second"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known when a decision is made. `objects` counts the rendered objects on all clusters by kind."""

    operation: Operation
    release: Effective
    running: Effective | None
    environment: Environment
    clusters: Sequence[Cluster] = ()
    signatures: Sequence[SignatureFact] = ()
    revision: CommitFact | None = None
    objects: Mapping[str, int] = field(default_factory=dict)
    upstream: Upstream | None = None
    now: datetime


def variables(facts: Facts) -> dict[str, Any]:
    """The variables of one decision as plain JSON data; all of VARIABLES but `params`, which each policy has itself."""
    environment = facts.environment
    return {
        "release": _release(facts.release),
        "running": _release(facts.running) if facts.running is not None else None,
        "environment": {
            "metadata": {"name": environment.name, "labels": dict(environment.metadata.labels)},
            "spec": environment.spec.to_full_data(),
        },
        "clusters": [
            {"name": cluster.name, "labels": dict(cluster.metadata.labels), "suspend": cluster.spec.suspend}
            for cluster in facts.clusters
        ],
        "signatures": [fact.to_full_data() for fact in facts.signatures],
        "revision": _revision(facts.revision) if facts.revision is not None else None,
        "plan": _plan(facts),
        "upstream": _upstream(facts.upstream, facts.now) if facts.upstream is not None else None,
        "runtime": facts.release.runtime.to_full_data(),
        "operation": facts.operation,
        "now": format_time(facts.now),
    }


def scores(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """Every measured value with a name for people; a second value of the same name gets ` #2`, so none is hidden."""
    rows: dict[str, dict[str, Any]] = {}
    for dataset, metric, part, value in _values(evaluations):
        name = f"{metric} on {dataset} ({part})" if part else f"{metric} on {dataset}"
        key, count = name, 1
        while key in rows:
            count += 1
            key = f"{name} #{count}"
        rows[key] = {"name": key, "dataset": dataset, "metric": metric, "slice": part, "value": value}
    return list(rows.values())


def _values(evaluations: Sequence[Evaluation]) -> Iterator[tuple[str, str, str, float]]:
    for evaluation in evaluations:
        yield evaluation.dataset, evaluation.metric, "", evaluation.value
        for part in evaluation.slices:
            yield evaluation.dataset, evaluation.metric, part.name, part.value


def _release(effective: Effective) -> dict[str, Any]:
    serving = effective.spec.serving
    probes = serving.probes or effective.runtime.spec.probes
    measured = scores(effective.spec.evidence.evaluations)
    spec = effective.spec.to_full_data()
    spec["serving"], spec["hooks"] = _without_values(spec["serving"]), _without_values(spec["hooks"])
    hooks = [(when, entry["job"]) for when in ("before", "after") for entry in spec["hooks"][when]]
    return {
        "metadata": {"name": effective.name, "labels": dict(effective.labels)},
        "spec": spec,
        "image": effective.image,
        "version": effective.version,
        "manifest": effective.manifest,
        "probes": probes.to_full_data(),
        "hooks": [{"name": job["name"], "when": when, "image": job["image"]} for when, job in hooks],
        "pod": {
            "cpu": float(quantity_value(serving.resources.cpu)),
            "memory": int(effective.memory),
            "gpus": effective.gpus,
        },
        "scores": measured,
        "scoreByName": {row["name"]: row["value"] for row in measured},
    }


def _without_values(data: Any, field: str = "") -> Any:
    """The data without the literal values of environment variables, of sidecars too."""
    if isinstance(data, dict):
        return {name: _without_values(value, name) for name, value in data.items()}
    if not isinstance(data, list):
        return data
    items = [_without_values(item) for item in data]
    if field != "env":
        return items
    return [
        {name: value for name, value in item.items() if name != "value"} if isinstance(item, dict) else item
        for item in items
    ]


def _revision(commit: CommitFact) -> dict[str, Any]:
    return {
        "commit": commit.revision,
        "author": commit.author,
        "email": commit.email,
        "subject": commit.subject,
        "time": format_time(commit.time),
    }


def _upstream(upstream: Upstream, now: datetime) -> dict[str, Any]:
    """No time that passes is in it but `soaked`, so a verdict stays known until that turns."""
    times = {"since": upstream.since, "until": upstream.until, "opens": upstream.opens}
    return {
        "environment": upstream.environment,
        "soak": format_duration(upstream.soak),
        "release": _release(upstream.stable) if upstream.stable is not None else None,
        "served": upstream.served,
        "healthy": upstream.since is not None,
        "soaked": upstream.soaked(now),
        **{name: format_time(time) if time is not None else None for name, time in times.items()},
    }


def _plan(facts: Facts) -> dict[str, Any]:
    clusters = len(facts.clusters)
    replicas = facts.release.spec.serving.replicas
    return {
        "clusters": clusters,
        "objects": dict(facts.objects),
        "replicas": {"min": replicas.min * clusters, "max": replicas.max * clusters},
        "gpus": facts.release.gpus * replicas.max * clusters,
    }
