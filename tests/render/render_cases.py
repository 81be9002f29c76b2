"""The releases that the golden renders are of, and the text form they are kept in. Run it to write new golden files.

`PYTHONPATH=. python tests/render/render_cases.py` rewrites the cases' golden files, and adds a new case or renderer to
golden/renderers.yaml and a new runtime to golden/runtimes.yaml. What those two already say of a case or a name is never
rewritten: that is what makes it a promise.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from reconciler.model.ids import ReleaseKey, Version
from reconciler.model.objects import Kinds, Rendering
from reconciler.model.release import Effective
from reconciler.model.state import Directive, canonical
from reconciler.render import BUILTIN, RENDERER, render

GOLDEN = Path(__file__).parent / "golden"
REPOSITORY = "github.com/acme/models"


def sha(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


FRAUD = {
    "environment": "prod",
    "model": {
        "name": "fraud-detector",
        "version": "1.4.0",
        "uri": f"oci://registry.example.com/models/fraud-detector@{sha('fraud 1.4.0')}",
        "digest": sha("fraud 1.4.0"),
        "format": "onnx",
    },
    "serving": {
        "runtime": "generic",
        "args": ["--model", "$(MODEL_PATH)"],
        "env": [
            {"name": "LOG_LEVEL", "value": "info"},
            {"name": "FEATURE_TOKEN", "secretKeyRef": {"name": "fraud-features", "key": "token"}},
        ],
        "resources": {"cpu": "2", "memory": "8192Mi"},
        "replicas": {"min": 2, "max": 10},
        "placement": {"topologySpread": "zone"},
        "access": {"serviceAccount": "fraud", "allowFrom": [{"namespace": "checkout"}]},
    },
    "targets": {"namespace": "fraud", "clusters": {"matchLabels": {"tier": "prod"}}},
}

LLM = {
    "environment": "prod",
    "model": {
        "name": "acme/support-chat",
        "version": "2026-11",
        "uri": f"hf://acme/support-chat@{'0123456789' * 4}",
        "digest": sha("support-chat 2026-11"),
        "format": "safetensors",
    },
    "serving": {
        "runtime": "vllm",
        "args": ["--max-model-len", "32768"],
        "env": [{"name": "HF_TOKEN", "secretKeyRef": {"name": "hugging-face", "key": "token"}}],
        "resources": {
            "cpu": "7500m",
            "memory": "1.5Ti",
            "gpu": {"count": 2, "product": "NVIDIA-H100-80GB-HBM3"},
        },
        "replicas": {"min": 2, "max": 2},
        "placement": {
            "nodeSelector": {"pool": "gpu"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "topologySpread": "node",
        },
    },
    "targets": {"namespace": "llm", "clusters": {"matchLabels": {"tier": "prod"}}},
}


CHURN = {
    "environment": "staging",
    "model": {
        "name": "churn-scorer",
        "version": "3.1.0",
        "uri": f"oci://registry.example.com/models/churn-scorer@{sha('churn 3.1.0')}",
        "digest": sha("churn 3.1.0"),
        "format": "skops",
    },
    "serving": {
        "runtime": "mlserver",
        "resources": {"cpu": "500m", "memory": "1Gi"},
        "replicas": {"min": 1, "max": 1},
    },
    "targets": {"namespace": "churn", "clusters": {"matchLabels": {"lower": "true"}}},
}

RANKER = {
    "environment": "prod",
    "model": {
        "name": "ranker",
        "version": "12",
        "uri": "pvc://models/ranker/12",
        "digest": sha("ranker 12"),
        "format": "tensorrt",
    },
    "serving": {
        "runtime": "triton",
        "args": ["--exit-on-error=true"],
        "resources": {"cpu": "4", "memory": "16Gi", "gpu": {"count": 1}},
        "replicas": {"min": 2, "max": 4},
    },
    "targets": {"namespace": "search", "clusters": {"matchLabels": {"tier": "prod"}}},
}


HOOKS = {
    "before": [
        {
            "job": {
                "name": "migrate",
                "image": f"registry.example.com/tools/migrate@{sha('migrate')}",
                "command": ["/bin/migrate"],
                "args": ["--to", "$(MODEL_VERSION)"],
                "env": [
                    {"name": "HOME", "value": "/work"},
                    {"name": "DATABASE", "secretKeyRef": {"name": "features", "key": "url"}},
                ],
                "resources": {"cpu": "1", "memory": "1024Mi"},
                "budget": "30m",
                "retries": 2,
            }
        }
    ],
    "after": [{"job": {"name": "smoke", "image": f"registry.example.com/tools/smoke@{sha('smoke')}"}}],
}


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Maps deep, everything else replaced."""
    out = dict(base)
    for name, value in over.items():
        out[name] = merged(out[name], value) if isinstance(value, dict) and isinstance(out.get(name), dict) else value
    return out


def fraud(model_version: str, **over: Any) -> Effective:
    digest = sha(f"fraud {model_version}")
    model = {
        "version": model_version,
        "digest": digest,
        "uri": f"oci://registry.example.com/models/fraud-detector@{digest}",
    }
    return effective("fraud-detector", merged(merged(FRAUD, {"model": model}), over), runtime="builtin:generic/1")


def llm(**over: Any) -> Effective:
    return effective("support-chat", merged(LLM, over), runtime="builtin:vllm/1")


def churn(**over: Any) -> Effective:
    return effective("churn-scorer", merged(CHURN, over), runtime="builtin:mlserver/1")


def ranker(**over: Any) -> Effective:
    return effective("ranker", merged(RANKER, over), runtime="builtin:triton/1")


def effective(name: str, spec: Mapping[str, Any], *, runtime: str) -> Effective:
    return Effective.from_data(
        {
            "renderer": RENDERER,
            "version": sha(f"version {name} {spec['model']['version']}"),
            "manifest": sha(f"manifest {name} {spec['model']['version']}"),
            "repository": REPOSITORY,
            "name": name,
            "labels": {"team": "risk"},
            "image": f"registry.example.com/{name}-server@{sha('image of ' + name)}",
            "spec": spec,
            "runtime": BUILTIN[runtime].to_full_data(),
        }
    )


def key_of(each: Effective) -> ReleaseKey:
    return ReleaseKey(repository=each.repository, environment=each.spec.environment, name=each.name)


def directive(*entries: tuple[Effective, str, int, int]) -> Directive:
    """Every version is told all hooks that it has."""
    return Directive.from_data(
        {
            "sequence": 7,
            "revision": "8d" * 20,
            "closure": sha("closure"),
            "versions": [
                {
                    "version": each.version,
                    "role": role,
                    "low": low,
                    "high": high,
                    "effective": "sha256:" + hashlib.sha256(canonical(each.to_data())).hexdigest(),
                    "hooks": [hook.name for hook in each.spec.hooks.all],
                }
                for each, role, low, high in entries
            ],
        }
    )


def rendering(*entries: tuple[Effective, str, int, int], kinds: Kinds = frozenset()) -> Rendering:
    by_version = {Version(each.version): each for each, *_ in entries}
    return render(directive(*entries), by_version, key=key_of(entries[0][0]), kinds=kinds, cluster="eu-1")


SIDE_IMAGE = f"registry.example.com/proxy@{sha('proxy')}"
HATCHES = {
    "serving": {
        "podTemplate": {
            "metadata": {"labels": {"kueue.x-k8s.io/queue-name": "gpu"}},
            "spec": {
                "imagePullSecrets": [{"name": "registry"}],
                "topologySpreadConstraints": None,
                "tolerations": [{"key": "spot", "operator": "Exists"}],
                "securityContext": {"fsGroup": 2000},
                "containers": [
                    {
                        "name": "model",
                        "env": [{"name": "LOG_LEVEL", "value": "debug"}],
                        "volumeMounts": [{"name": "settings", "mountPath": "/etc/settings"}],
                    },
                    {"name": "proxy", "image": SIDE_IMAGE, "securityContext": {"runAsUser": 1337}},
                ],
                "volumes": [
                    {"name": "settings", "configMap": {"name": "settings"}},
                    {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
                ],
            },
        },
        "objects": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"mode": "fast"}},
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "cache", "labels": {"team": "risk"}},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
            },
        ],
        "ignore": [
            {"kind": "HorizontalPodAutoscaler", "path": "/spec/metrics"},
            {"kind": "Service", "name": "fraud-detector", "path": "/metadata/annotations/reconciler.dev~1none"},
        ],
        "startup": {"smoke": {"path": "/v1/models/fraud", "body": "{}"}},
    }
}
"""Every escape hatch at once."""

CASES: Mapping[str, tuple[tuple[Effective, str, int, int], ...]] = {
    "onnx-on-generic": ((fraud("1.4.0"), "stable", 2, 10),),
    "llm-on-vllm-with-two-gpus": ((llm(), "stable", 2, 2),),
    "skops-on-mlserver": ((churn(), "stable", 1, 1),),
    "tensorrt-on-triton": ((ranker(), "stable", 2, 4),),
    "rolling-from-stable-to-candidate": ((fraud("1.4.0"), "stable", 3, 3), (fraud("1.5.0"), "candidate", 1, 1)),
    "with-every-escape-hatch": ((fraud("1.6.0", **HATCHES), "stable", 2, 10),),
    "hooks-around-a-candidate": ((fraud("1.4.0"), "stable", 3, 3), (fraud("1.6.0", hooks=HOOKS), "candidate", 1, 1)),
    "previous-scaled-to-zero": ((fraud("1.5.0"), "stable", 2, 10), (fraud("1.4.0"), "previous", 0, 0)),
}


def golden_text(each: Rendering) -> str:
    """All objects in order as YAML documents, then the sizes."""
    documents = [f"# tier {rendered.tier}\n{_yaml(rendered.body)}" for rendered in each.objects]
    sizes = [{"workload": size.ref.name, "low": size.low, "high": size.high} for size in each.sizes]
    return "---\n".join([*documents, f"# set through the scale subresource, never applied\n{_yaml({'sizes': sizes})}"])


def pod_templates() -> dict[str, str]:
    """For each case and version, the digest of its pod template."""
    return {
        f"{name} {rendered.ref.name}": sha(canonical(rendered.body["spec"]["template"]).decode())
        for name, entries in CASES.items()
        for rendered in rendering(*entries).objects
        if rendered.ref.kind == "Deployment"
    }


def _yaml(data: Any) -> str:
    return yaml.safe_dump(data, sort_keys=True, default_flow_style=False, width=1000)


def write() -> None:
    for name, entries in CASES.items():
        (GOLDEN / f"{name}.yaml").write_text(golden_text(rendering(*entries)))
    path = GOLDEN / "renderers.yaml"
    known = yaml.safe_load(path.read_text()) if path.exists() else {}
    path.write_text(_yaml({**known, RENDERER: {**pod_templates(), **known.get(RENDERER, {})}}))
    path = GOLDEN / "runtimes.yaml"
    known = yaml.safe_load(path.read_text()) if path.exists() else {}
    path.write_text(_yaml({**{name: runtime.to_data() for name, runtime in BUILTIN.items()}, **known}))


if __name__ == "__main__":
    write()
