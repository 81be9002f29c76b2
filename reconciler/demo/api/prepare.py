"""From what a client sent to what is stored, without storing it: decoding, defaults, what is kept, what is refused."""

from collections.abc import Callable
from typing import Any

from reconciler.demo.api import admission, custom
from reconciler.demo.api.decode import Misfit, misfits, read
from reconciler.demo.api.defaults import DEFAULTS
from reconciler.demo.api.resources import Resource
from reconciler.demo.api.shapes import Body, Shape
from reconciler.demo.api.status import ApiError, bad_request, cause, conflict, invalid
from reconciler.demo.api.validate import built_in_problems, meta_problems, name_problems

_TYPE = ("apiVersion", "kind")
_APPLIED_META = ("name", "namespace", "labels", "annotations", "finalizers", "ownerReferences")


def of_type(resource: Resource, data: Any) -> Body:
    """The data without its type, which must be this resource's; raises ApiError 400. `metadata` is a fresh dict."""
    if not isinstance(data, dict):
        raise bad_request(f"couldn't get version/kind; json parse error: the body is not an object of {resource.kind}")
    version, kind = data.get("apiVersion") or resource.api_version, data.get("kind") or resource.kind
    if (version, kind) != (resource.api_version, resource.kind):
        raise bad_request(
            f'{kind} in version "{version}" cannot be handled as a {resource.kind}: it is not {resource.api_version}'
        )
    meta = data.get("metadata")
    if meta is not None and not isinstance(meta, dict):
        raise bad_request(_unreadable(resource, "json: cannot unmarshal into Go struct field .metadata of type object"))
    body = {name: value for name, value in data.items() if name not in _TYPE}
    body["metadata"] = dict(meta or {})
    return body


def placed(resource: Resource, meta: Body, namespace: str, name: str = "") -> None:
    """Name and namespace of the body agree with the path's, or are taken from it; raises ApiError 400."""
    if resource.namespaced:
        if meta.get("namespace") and meta["namespace"] != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        meta["namespace"] = namespace
    else:
        meta.pop("namespace", None)
    if name and not meta.get("name"):
        raise bad_request(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
    if name and meta["name"] != name:
        raise bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")


def _unreadable(resource: Resource, why: str) -> str:
    return f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {why}'


def _meta_shape(resource: Resource) -> Shape:
    return resource.shape.fields["metadata"]


def decoded(resource: Resource, body: Body, *, strict: bool) -> Body:
    """A fresh body in the server's spelling with defaults; raises ApiError 400 for what cannot be read.

    With `strict`, unknown fields are refused too; otherwise they are dropped.
    """
    if resource.custom:
        return _decoded_custom(resource, body, strict=strict)
    found = list(misfits(resource.shape, body))
    _refuse(resource, found, strict=strict)
    return completed(resource, body)


def completed(resource: Resource, body: Body) -> Body:
    """A fresh body, which has no misfit of kind `type`, with defaults."""
    if resource.custom:
        fresh: Body = custom.read(resource.schema or {}, body)
        fresh["metadata"] = read(_meta_shape(resource), body["metadata"])
        return fresh
    fresh = read(resource.shape, body)
    fill = DEFAULTS.get(resource.kind)
    if fill is not None:
        fill(fresh)
    return fresh


def _decoded_custom(resource: Resource, body: Body, *, strict: bool) -> Body:
    found = list(misfits(_meta_shape(resource), body["metadata"], "metadata"))
    rest = {name: value for name, value in body.items() if name != "metadata"}
    found += [Misfit("unknown", path, "") for path in custom.unknown(resource.schema or {}, rest)]
    _refuse(resource, found, strict=strict)
    return completed(resource, body)


def _refuse(resource: Resource, found: list[Misfit], *, strict: bool) -> None:
    for each in found:
        if each.kind == "type":
            why = f"json: cannot unmarshal into Go struct field {resource.kind}.{each.path}: {each.message}"
            raise bad_request(_unreadable(resource, why))
    unknown = [f'unknown field "{each.path}"' for each in found if each.kind == "unknown"]
    if strict and unknown:
        raise bad_request(_unreadable(resource, f"strict decoding error: {', '.join(unknown)}"))


def configuration(resource: Resource, body: Body) -> Body:
    """What a server-side apply may say; raises ApiError 500, as the real server does, for what is not in the schema."""
    meta = {name: value for name, value in body["metadata"].items() if name in _APPLIED_META}
    config = {**body, "metadata": meta}
    found = next((each for each in misfits(resource.shape, config) if each.kind != "enum"), None)
    if found is not None:
        name = f"{meta.get('namespace', '')}/{meta.get('name', '')}"
        what = f"{name}; {resource.api_version}, Kind={resource.kind}"
        raise ApiError(500, "", f"failed to create typed patch object ({what}): .{found.path}: {found.message}")
    return config


def fresh(resource: Resource, body: Body, addresses: Callable[[], str]) -> None:
    """Make the decoded body a new object: identity, status and what admission adds; raises ApiError 422."""
    meta = body["metadata"]
    generated = meta.get("generateName")
    if not meta.get("name") and generated:
        meta["name"] = f"{generated}{admission.suffix()}"
    admission.born(resource, meta)
    admission.admitted(resource, body, addresses)
    _check(resource, body, None)


def replaced(resource: Resource, body: Body, old: Body) -> None:
    """Make the decoded body the next form of `old`; raises ApiError 422."""
    admission.carried(resource, body, old)
    admission.generation(resource, body, old)
    _check(resource, body, old)


def with_status(resource: Resource, body: Body, old: Body) -> Body:
    """The next form of `old` after a write to its status: nothing else moves, but annotations of built-in kinds."""
    result = {name: value for name, value in old.items() if name != "status"}
    if "status" in body:
        result["status"] = body["status"]
    meta = dict(old["metadata"])
    if not resource.custom:
        meta.pop("annotations", None)
        if "annotations" in body["metadata"]:
            meta["annotations"] = body["metadata"]["annotations"]
    result["metadata"] = meta
    _check(resource, result, old)
    return result


def _check(resource: Resource, body: Body, old: Body | None) -> None:
    meta = body["metadata"]
    causes = list(name_problems(resource, meta.get("name", ""))) if old is None else []
    causes += meta_problems(meta, old["metadata"] if old is not None else {})
    if resource.custom:
        causes += custom.problems(resource.schema or {}, body)
    else:
        causes += [
            cause("FieldValueNotSupported", each.message, each.path)
            for each in misfits(resource.shape, body)
            if each.kind == "enum"
        ]
        causes += built_in_problems(resource, body, old)
    if causes:
        raise invalid(resource.kind, meta.get("name", ""), resource.group, causes)


def preconditions(resource: Resource, meta: Body, old: Body, *, patched: bool) -> None:
    """The body was decided on this very object and this form of it; raises ApiError 409, or 422 when it must say so."""
    version, uid, name = meta.get("resourceVersion"), meta.get("uid"), old["name"]
    if not version and not resource.unconditional and not patched:
        why = "Invalid value: 0: must be specified for an update"
        raise invalid(resource.plural, name, resource.group, [
            cause("FieldValueInvalid", why, "metadata.resourceVersion")])  # fmt: skip
    if uid and uid != old["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['uid']}"
        raise conflict(resource.plural, name, resource.group, why)
    if version and version not in {"0", old["resourceVersion"]}:
        raise modified(resource, name)


def modified(resource: Resource, name: str) -> ApiError:
    """409: somebody else was first."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(resource.plural, name, resource.group, why)
