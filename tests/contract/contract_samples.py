"""Objects that the contract cases are about, and paths to them."""

from typing import Any


def configmaps(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps" + (f"/{name}" if name else "")


def pods(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/pods" + (f"/{name}" if name else "")


def apps(namespace: str, plural: str, name: str = "") -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")


def deployments(namespace: str, name: str = "") -> str:
    return apps(namespace, "deployments", name)


def configmap(name: str, data: dict[str, str] | None = None, **meta: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **meta}}
    return body if data is None else {**body, "data": data}


def deployment(
    name: str, *, replicas: int | None = None, mode: str = "", image: str = "img:1", **spec: Any
) -> dict[str, Any]:
    """A Deployment of one container; `mode` makes its pods fail."""
    labels = {"app": name}
    meta = {"labels": labels, "annotations": {"fault.test/mode": mode}} if mode else {"labels": labels}
    container = {"name": "model", "image": image, "ports": [{"containerPort": 8080}]}
    size = {} if replicas is None else {"replicas": replicas}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            **size,
            "selector": {"matchLabels": labels},
            "template": {"metadata": meta, "spec": {"containers": [container]}},
            **spec,
        },
    }


def budget(name: str, **spec: Any) -> dict[str, Any]:
    """A PodDisruptionBudget of the Deployment of that name."""
    selector = {"matchLabels": {"app": name}}
    body = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}}
    return {**body, "spec": {"selector": selector, **spec}}


def autoscaler(name: str, low: int, high: int) -> dict[str, Any]:
    """A HorizontalPodAutoscaler of the Deployment of that name."""
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {
            "minReplicas": low,
            "maxReplicas": high,
            "metrics": [{"type": "Resource", "resource": cpu}],
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        },
    }


def job(name: str, mode: str = "") -> dict[str, Any]:
    """A Job of one pod that is not tried again."""
    meta = {"annotations": {"fault.test/mode": mode}} if mode else {}
    pod = {"restartPolicy": "Never", "containers": [{"name": "work", "image": "img:1"}]}
    spec = {"backoffLimit": 0, "template": {"metadata": meta, "spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


SIZE = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 0, "maximum": 9},
        "mode": {"type": "string", "enum": ["slow", "fast"], "default": "slow"},
        "parts": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "weight": {"type": "integer"}},
            },
        },
    },
}
STATE = {
    "type": "object",
    "properties": {"size": {"type": "integer"}, "phase": {"type": "string"}, "selector": {"type": "string"}},
}
SCALE = {
    "specReplicasPath": ".spec.size",
    "statusReplicasPath": ".status.size",
    "labelSelectorPath": ".status.selector",
}
GADGETS: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gadgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "shortNames": ["gd"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": SIZE, "status": STATE}}},
                "subresources": {"status": {}, "scale": SCALE},
                "additionalPrinterColumns": [
                    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                    {"name": "Phase", "type": "string", "jsonPath": ".status.phase", "description": "where it is"},
                    {"name": "Mode", "type": "string", "jsonPath": ".spec.mode", "priority": 1},
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                ],
            }
        ],
    },
}


def gadget(name: str, size: int = 1, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": name}, "spec": {"size": size, **spec}
    }  # fmt: skip
