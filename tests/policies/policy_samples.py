"""Made-up decisions and policies for the tests of judge, edges/cel and the shipped bundle."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from reconciler.digest import version_of
from reconciler.documents.schema import Loaded, parse
from reconciler.judge.question import LoadedPolicy, Question, own_policy, question, shipped_policy
from reconciler.judge.variables import Facts, variables
from reconciler.model.environment import Environment
from reconciler.model.part import overlay
from reconciler.model.release import Effective, ReleaseSpec
from reconciler.model.runtime import Port, Probe, Probes, ResolvedRuntime, RuntimeSpec

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64
API = "reconciler.dev/v1alpha1"

RUNTIME = ResolvedRuntime(
    id="builtin:generic/1",
    name="generic",
    spec=RuntimeSpec(ports=(Port(name="http", port=8080),), probes=Probes(ready=Probe(path="/ready"))),
)
SPEC: Mapping[str, Any] = {
    "environment": "prod",
    "model": {
        "name": "fraud",
        "version": "1.4.0",
        "uri": f"oci://registry.example.com/models/fraud@{DIGEST}",
        "digest": DIGEST,
        "format": "onnx",
    },
    "serving": {
        "runtime": "generic",
        "image": f"registry.example.com/servers/onnx@{DIGEST}",
        "env": [
            {"name": "TOKEN", "value": "canary-token-4711"},
            {"name": "KEY", "secretKeyRef": {"name": "keys", "key": "api"}},
        ],
        "resources": {"cpu": "500m", "memory": "2Gi", "gpu": {"count": 2}},
        "replicas": {"min": 2, "max": 4},
    },
    "targets": {"namespace": "fraud", "clusters": {"matchLabels": {"tier": "prod"}}},
}


def effective(over: Mapping[str, Any] | None = None, *, labels: Mapping[str, str] | None = None) -> Effective:
    spec = ReleaseSpec.from_data(overlay(SPEC, over or {}))
    image = str(spec.serving.image)
    return Effective(
        renderer=1,
        version=version_of(spec, RUNTIME, image, 1),
        manifest=DIGEST,
        repository="github.com/acme/models",
        name="fraud-detector",
        labels=dict(labels or {"team": "risk"}),
        image=image,
        spec=spec,
        runtime=RUNTIME,
    )


def environment(over: Mapping[str, Any] | None = None) -> Environment:
    spec = {"namespaces": ["fraud"], "clusters": {"matchLabels": {"tier": "prod"}}, "registries": ["a.example"]}
    metadata = {"name": "prod", "labels": {"stage": "last"}}
    data = {"apiVersion": API, "kind": "Environment", "metadata": metadata, "spec": overlay(spec, over or {})}
    return Environment.from_data(data)


def facts(**changes: Any) -> Facts:
    values: dict[str, Any] = {
        "operation": "Update",
        "release": effective(),
        "running": None,
        "environment": environment(),
        "now": NOW,
    }
    return Facts(**(values | changes))


def document(spec: Mapping[str, Any], *, name: str = "sample", labels: Mapping[str, str] | None = None) -> Loaded:
    """A Policy document in a file, from its spec."""
    data = {"apiVersion": API, "kind": "Policy", "metadata": {"name": name, "labels": labels or {}}, "spec": spec}
    return parse(f"policies/{name}.yaml", orjson.dumps(data))


def policy(expression: str = "true", *, name: str = "sample", **spec: Any) -> LoadedPolicy:
    """An organisation's own policy; its spec is one validation unless `validations` are given."""
    return own_policy(document({"validations": [{"expression": expression}], **spec}, name=name))


def asked(expression: str = "true", decision: Facts | None = None, **spec: Any) -> Question:
    """The question of such a policy about a decision."""
    decision = decision or facts()
    return question(policy(expression, **spec), decision, variables(decision))


def shipped(folder: Path = ROOT / "policies") -> list[LoadedPolicy]:
    return [
        shipped_policy(parse(str(path.relative_to(ROOT)), path.read_bytes())) for path in sorted(folder.glob("*.yaml"))
    ]
