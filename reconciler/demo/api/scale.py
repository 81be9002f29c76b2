"""The scale subresource: a workload seen as its size (`autoscaling/v1` Scale)."""

from typing import Any

from reconciler.demo.api.resources import Resource, ScalePaths
from reconciler.demo.api.selectors import of_object, spelled
from reconciler.demo.api.shapes import Body
from reconciler.demo.api.status import bad_request, cause, invalid

_SHOWN = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def _at(body: Body, path: tuple[str, ...]) -> Any:
    value: Any = body
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def seen(resource: Resource, body: Body) -> Body:
    """The Scale of an object, with its type."""
    paths = _paths(resource)
    replicas = _at(body, paths.spec)
    spec = {"replicas": replicas} if replicas else {}
    status: Body = {"replicas": _at(body, paths.status) or 0}
    selector = _at(body, paths.selector) if paths.selector else None
    if isinstance(selector, dict):
        status["selector"] = spelled(of_object(selector))
    elif selector:
        status["selector"] = selector
    meta = {name: body["metadata"][name] for name in _SHOWN if name in body["metadata"]}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta, "spec": spec, "status": status}


def wanted(name: str, data: Any) -> int:
    """The replicas a Scale asks for; raises ApiError 400 or 422."""
    spec = data.get("spec") if isinstance(data, dict) else None
    if not isinstance(spec, dict | None):
        raise bad_request("Scale cannot be read: spec is not an object")
    replicas = (spec or {}).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise bad_request("Scale cannot be read: spec.replicas is not an integer")
    if replicas < 0:
        why = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise invalid("Scale", name, "autoscaling", [cause("FieldValueInvalid", why, "spec.replicas")])
    return replicas


def configuration(resource: Resource, replicas: int) -> Body:
    """The part of the object that says this size."""
    value: Any = replicas
    for step in reversed(_paths(resource).spec):
        value = {step: value}
    result: Body = value
    return result


def resized(resource: Resource, body: Body, replicas: int) -> Body:
    """The object at this size; the original is not changed."""
    return _with(body, _paths(resource).spec, replicas)


def _with(value: Any, path: tuple[str, ...], replicas: int) -> Body:
    below = value if isinstance(value, dict) else {}
    head, *rest = path
    return {**below, head: _with(below.get(head), tuple(rest), replicas) if rest else replicas}


def _paths(resource: Resource) -> ScalePaths:
    if resource.scale is None:
        raise bad_request(f"{resource.plural} have no scale")
    return resource.scale
