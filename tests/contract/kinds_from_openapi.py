"""The facts of Kubernetes' own types that the embedded API works from, read from a real server's OpenAPI documents.

`python tests/contract/kinds_from_openapi.py KUBECONFIG` rewrites reconciler/demo/api/kinds.json; a contract test says
when the file and the real server differ. Per type: fields, list and map semantics of server-side apply, merge keys of
strategic merge patch, defaults and enumerations. No descriptions.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

TARGET = Path(__file__).parents[2] / "reconciler" / "demo" / "api" / "kinds.json"
ROOTS = {
    "api/v1": [
        "ConfigMap", "Event", "LimitRange", "Namespace", "Node", "PersistentVolumeClaim", "Pod", "ResourceQuota",
        "Secret", "Service", "ServiceAccount",
    ],
    "apis/apps/v1": ["Deployment", "ReplicaSet", "StatefulSet", "Scale"],  # Scale is of autoscaling/v1
    "apis/autoscaling/v2": ["HorizontalPodAutoscaler"],
    "apis/batch/v1": ["Job"],
    "apis/coordination.k8s.io/v1": ["Lease"],
    "apis/apiextensions.k8s.io/v1": ["CustomResourceDefinition"],
    "apis/networking.k8s.io/v1": ["NetworkPolicy"],
    "apis/policy/v1": ["PodDisruptionBudget"],
    "apis/rbac.authorization.k8s.io/v1": ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
}  # fmt: skip
_PREFIX = "#/components/schemas/"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_SCALARS = {"integer": "integer", "number": "number", "boolean": "boolean"}


def read(document: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """{"roots": {"apps/v1 Deployment": TYPE}, "types": {TYPE: {...}}} from `document("apis/apps/v1")` and others."""
    roots: dict[str, str] = {}
    types: dict[str, Any] = {}
    for path, kinds in ROOTS.items():
        schemas = document(path)["components"]["schemas"]
        version = path.removeprefix("apis/").removeprefix("api/")
        for kind in kinds:
            served = "autoscaling/v1" if kind == "Scale" else version
            name = next(name for name, schema in schemas.items() if _is(schema, served, kind))
            roots[f"{served} {kind}"] = _short(name)
            _collect(name, schemas, types)
    return {"roots": roots, "types": dict(sorted(types.items()))}


def _is(schema: dict[str, Any], version: str, kind: str) -> bool:
    group, _, number = version.rpartition("/")
    wanted = {"group": group, "kind": kind, "version": number}
    return wanted in schema.get("x-kubernetes-group-version-kind", []) and "properties" in schema


def _short(name: str) -> str:
    parts = name.split(".")
    return ".".join(parts[-3:]) if parts[-3] not in {"api", "pkg"} else ".".join(parts[-2:])


def _collect(name: str, schemas: dict[str, Any], types: dict[str, Any]) -> None:
    short = _short(name)
    if short in types:
        return
    schema = schemas[name]
    entry: dict[str, Any] = {"fields": {}}
    types[short] = entry
    if schema.get("x-kubernetes-map-type") == "atomic":
        entry["atomic"] = True
    defaults = {field: part["default"] for field, part in schema.get("properties", {}).items() if "default" in part}
    if defaults:
        entry["defaults"] = defaults
    for field, part in schema.get("properties", {}).items():
        entry["fields"][field] = _code(part, schemas, types)


def _reference(part: dict[str, Any]) -> str:
    for candidate in (part, *part.get("allOf", []), *part.get("oneOf", [])):
        if "$ref" in candidate:
            return str(candidate["$ref"]).removeprefix(_PREFIX)
    return ""


def _code(part: dict[str, Any], schemas: dict[str, Any], types: dict[str, Any]) -> Any:
    name = _reference(part)
    if name:
        return _named(name, schemas, types)
    if part.get("type") == "array":
        return _list(part, schemas, types)
    if "additionalProperties" in part:
        code: dict[str, Any] = {"map": _code(part["additionalProperties"], schemas, types)}
        return code | ({"atomic": True} if part.get("x-kubernetes-map-type") == "atomic" else {})
    if part.get("enum"):
        return {"enum": part["enum"]}
    if part.get("type") == "string":
        return "time" if part.get("format") == "date-time" else "bytes" if part.get("format") == "byte" else "string"
    return _SCALARS.get(part.get("type", ""), "any")


def _named(name: str, schemas: dict[str, Any], types: dict[str, Any]) -> Any:
    if name == _QUANTITY:
        return "quantity"
    schema = schemas[name]
    if "properties" in schema:
        _collect(name, schemas, types)
        return "#" + _short(name)
    if name.endswith(".IntOrString"):
        return "intOrString"
    if schema.get("type") == "string":
        return "time" if schema.get("format") == "date-time" else "string"
    return (
        "any"
        if "additionalProperties" not in schema
        else {"map": _code(schema["additionalProperties"], schemas, types)}
    )


def _list(part: dict[str, Any], schemas: dict[str, Any], types: dict[str, Any]) -> dict[str, Any]:
    code: dict[str, Any] = {"list": _code(part["items"], schemas, types)}
    kind = part.get("x-kubernetes-list-type", "atomic")
    if kind == "map":
        code["keys"] = part["x-kubernetes-list-map-keys"]
    elif kind == "set":
        code["set"] = True
    if "merge" in part.get("x-kubernetes-patch-strategy", ""):
        code["merge"] = part.get("x-kubernetes-patch-merge-key", "")
    return code


def write(kubeconfig: str) -> None:
    """Ask the real server and rewrite the file."""

    def document(path: str) -> dict[str, Any]:
        command = ["kubectl", "--kubeconfig", kubeconfig, "get", "--raw", f"/openapi/v3/{path}"]
        answer: dict[str, Any] = orjson.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return answer

    TARGET.write_bytes(dump(read(document)))


def dump(kinds: dict[str, Any]) -> bytes:
    """JSON with one line per type, so that a change of Kubernetes reads well in a diff."""
    types = b",\n".join(
        orjson.dumps(name) + b":" + orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)
        for name, entry in kinds["types"].items()
    )
    roots = orjson.dumps(kinds["roots"], option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
    return b'{"roots":' + roots + b',\n"types":{\n' + types + b"\n}}\n"


if __name__ == "__main__":
    write(sys.argv[1])
