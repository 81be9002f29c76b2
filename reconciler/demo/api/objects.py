"""Reading and writing objects: every verb of the API as a method, each one transaction under the store's lock.

What a write makes of the body is `prepare`, who owns what is `managed`. Whether the answer is JSON or a table, and what
HTTP says about it, is `handlers`. Controllers use the same methods, so what they do is recorded the same way.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reconciler.demo.api import admission, managed, prepare, scale
from reconciler.demo.api.fields import of_value, same
from reconciler.demo.api.managed import Owners, Writer
from reconciler.demo.api.resources import Resource, Resources
from reconciler.demo.api.shapes import Body, zero
from reconciler.demo.api.status import ApiError, already_exists, bad_request, cause, conflict, forbidden, not_found
from reconciler.demo.api.store import Item, Store

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
_NAMESPACES = ("", "namespaces")
_PODS = ("", "pods")
_ATTEMPTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Which object, and how to write it: by which field manager; `subresource` is empty, `status` or `scale`."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    manager: str = "unknown"
    subresource: str = ""
    dry_run: bool = False
    strict: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """The form of the object it was decided on, `grace` in seconds (None: the pod's own), the dependents' fate."""

    uid: str = ""
    version: str = ""
    grace: int | None = None
    policy: str = ""  # Background, Foreground, Orphan


class Objects:
    """The objects of one cluster. Thread-safe."""

    def __init__(self, store: Store, resources: Resources) -> None:
        self.store = store
        self.resources = resources
        self._address = 10 << 24 | 96 << 16 | 1

    def get(self, call: Call) -> Item:
        """The object; raises ApiError 404."""
        item = self.store.get(call.resource.key, call.namespace, call.name)
        if item is None:
            raise not_found(call.resource.plural, call.name, call.resource.group)
        return item

    def create(self, call: Call, data: Any) -> Item:
        """Store a new object; raises ApiError 400, 403, 404 (namespace), 409 (name taken), 422."""
        resource = call.resource
        body = prepare.of_type(resource, data)
        prepare.placed(resource, body["metadata"], call.namespace)
        if body["metadata"].get("resourceVersion"):
            raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
        body["metadata"].pop("managedFields", None)
        body = prepare.decoded(resource, body, strict=call.strict)
        if resource.status and resource.kind != "Node":
            body.pop("status", None)
        with self.store:
            return self._create(call, body, None)

    def _create(self, call: Call, body: Body, owners: Owners | None) -> Item:
        resource, meta = call.resource, body["metadata"]
        self._admit_namespace(resource, meta)
        if owners is None:
            start = zero(resource.shape) if not resource.custom else {"metadata": {}}
            owners = managed.updated(resource.shape, start, body, Owners(), _writer(call, "Update"), admission.stamp())
        for _ in range(_ATTEMPTS if not meta.get("name") else 1):
            candidate = {**body, "metadata": dict(meta)}
            prepare.fresh(resource, candidate, self._next_address)
            name = candidate["metadata"]["name"]
            if self.store.get(resource.key, meta.get("namespace", ""), name) is None:
                _own(candidate, owners)
                return self._put(call, candidate)
        raise already_exists(resource.plural, name, resource.group)

    def _admit_namespace(self, resource: Resource, meta: Body) -> None:
        if not resource.namespaced:
            return
        namespace = self.store.get(_NAMESPACES, "", meta["namespace"])
        if namespace is None:
            raise not_found("namespaces", meta["namespace"])
        if "deletionTimestamp" in namespace.body["metadata"]:
            why = f"unable to create new content in namespace {meta['namespace']} because it is being terminated"
            error = forbidden(resource.plural, meta.get("name", ""), resource.group, why)
            told = f"namespace {meta['namespace']} is being terminated"
            error.details = {**(error.details or {}), "causes": [
                cause("NamespaceTerminating", told, "metadata.namespace")]}  # fmt: skip
            raise error

    def _next_address(self) -> str:
        self._address += 1
        return ".".join(str(self._address >> shift & 255) for shift in (24, 16, 8, 0))

    def update(self, call: Call, data: Any, *, patched: bool = False) -> Item:
        """Replace an object, or its status or size; raises ApiError 400, 404, 409 (older form), 422."""
        with self.store:
            old = self.get(call)
            if call.subresource == "scale":
                return self._rescale(call, old, data)
            body = prepare.of_type(call.resource, data)
            meta = body["metadata"]
            prepare.placed(call.resource, meta, call.namespace, call.name)
            prepare.preconditions(call.resource, meta, old.body["metadata"], patched=patched)
            given = meta.pop("managedFields", None)
            owners = managed.read(given or old.body["metadata"].get("managedFields"))
            if given == [{}]:
                owners = Owners()
            body = prepare.decoded(call.resource, body, strict=call.strict)
            return self._replace(call, old, body, owners)

    def _replace(self, call: Call, old: Item, body: Body, owners: Owners) -> Item:
        before = _unowned(old.body)
        if call.subresource == "status":
            body = prepare.with_status(call.resource, body, before)
        else:
            prepare.replaced(call.resource, body, before)
        body["metadata"].pop("resourceVersion", None)
        return self._commit(call, old, body, _tracked(call, before, body, owners))

    def _rescale(self, call: Call, old: Item, data: Any) -> Item:
        replicas = scale.wanted(call.name, data)
        version = (data.get("metadata") or {}).get("resourceVersion")
        if version and version != old.body["metadata"]["resourceVersion"]:
            raise prepare.modified(call.resource, call.name)
        before = _unowned(old.body)
        body = scale.resized(call.resource, before, replicas)
        body["metadata"] = dict(before["metadata"])
        admission.generation(call.resource, body, before)
        owners = managed.read(old.body["metadata"].get("managedFields"))
        if managed.owned(owners, of_value(call.resource.shape, scale.configuration(call.resource, replicas))):
            owners = _tracked(call, before, body, owners)
        return self._commit(call, old, body, owners)

    def patch(self, call: Call, change: Callable[[Body], Any]) -> Item:
        """Replace an object by what `change` makes of it; raises as `update`."""
        with self.store:
            old = self.get(call)
            resource = call.resource
            if call.subresource == "scale":
                return self._rescale(call, old, change(scale.seen(resource, old.body)))
            data = change({"kind": resource.kind, "apiVersion": resource.api_version, **old.body})
            return self.update(call, data, patched=True)

    def apply(self, call: Call, data: Any) -> tuple[Item, bool]:
        """Server-side apply; (object, whether it is new). Raises ApiError 400, 404, 409 naming conflicts, 422."""
        if call.subresource == "scale":
            with self.store:
                old = self.get(call)
                config = scale.configuration(call.resource, scale.wanted(call.name, data))
                return self._apply(call, old, config), False
        body = _applied_body(call, data)
        version = body["metadata"].get("resourceVersion")
        config = prepare.configuration(call.resource, body)
        with self.store:
            found = self.store.get(call.resource.key, call.namespace, call.name)
            if found is None:
                return self._apply_new(call, config), True
            if version and version != found.body["metadata"]["resourceVersion"]:
                raise prepare.modified(call.resource, call.name)
            return self._apply(call, found, _own_part(call, config)), False

    def _apply_new(self, call: Call, config: Body) -> Item:
        if call.subresource:
            raise not_found(call.resource.plural, call.name, call.resource.group)
        config = _own_part(call, config)
        start: Body = {"metadata": {}}
        writer = _writer(call, "Apply")
        shape = call.resource.shape
        _, owners = managed.applied(shape, start, config, Owners(), writer, now=admission.stamp(), force=True)
        return self._create(call, prepare.completed(call.resource, config), owners)

    def _apply(self, call: Call, old: Item, config: Body) -> Item:
        before = _unowned(old.body)
        known = managed.read(old.body["metadata"].get("managedFields"))
        if not known.entries:
            known = _before_first_apply(call.resource, before)
        merged, owners = managed.applied(
            call.resource.shape, before, config, known, _writer(call, "Apply"), now=admission.stamp(), force=call.force
        )
        if merged is before and owners is known:
            return old
        body = prepare.completed(call.resource, merged)
        if call.subresource == "status":
            body = prepare.with_status(call.resource, body, before)
        else:
            prepare.replaced(call.resource, body, before)
        return self._commit(call, old, body, owners)

    def _commit(self, call: Call, old: Item, body: Body, owners: Owners) -> Item:
        meta = body["metadata"]
        meta.pop("resourceVersion", None)
        if "deletionTimestamp" in meta and not meta.get("finalizers") and old.body["metadata"].get("finalizers"):
            _own(body, owners)
            return old if call.dry_run else self.store.remove(call.resource.key, old)
        _own(body, owners)
        plain = {name: value for name, value in old.body["metadata"].items() if name != "resourceVersion"}
        if same({**old.body, "metadata": plain}, body):
            return old
        return self._put(call, body)

    def _put(self, call: Call, body: Body) -> Item:
        if call.dry_run:
            return Item(body, self.store.version)
        return self.store.put(call.resource.key, body)

    def delete(self, call: Call, options: Deletion) -> tuple[Item, bool]:
        """Delete, or begin to; (its last form, whether it is gone). Raises ApiError 404, 409."""
        with self.store:
            old = self.get(call)
            meta = old.body["metadata"]
            _check_deletion(call.resource, options, meta)
            body = {**old.body, "metadata": {**meta, "finalizers": _finalizers(call.resource, options, meta)}}
            if not body["metadata"]["finalizers"]:
                del body["metadata"]["finalizers"]
            grace = _grace(call.resource, options, old.body)
            waits = bool(grace) or "finalizers" in body["metadata"] or call.resource.key == _NAMESPACES
            if not waits:
                return (old if call.dry_run else self.store.remove(call.resource.key, old)), True
            if "deletionTimestamp" not in meta:
                _mark(call.resource, body, grace)
            if same(body, old.body) or call.dry_run:
                return old, False
            return self.store.put(call.resource.key, body), False

    def finish(self, resource: Resource, item: Item) -> None:
        """Remove it for good, whatever its finalizers say; for controllers."""
        with self.store:
            if self.store.get(resource.key, item.namespace, item.name) is not None:
                self.store.remove(resource.key, item)


def _writer(call: Call, operation: str) -> Writer:
    return Writer(
        manager=call.manager, operation=operation, api_version=call.resource.api_version, subresource=call.subresource
    )


def _tracked(call: Call, before: Body, body: Body, owners: Owners) -> Owners:
    """Owners after an update; an object that nobody owned a field of is not tracked, as on the real server."""
    if not owners.entries:
        return owners
    return managed.updated(call.resource.shape, before, body, owners, _writer(call, "Update"), admission.stamp())


def _before_first_apply(resource: Resource, body: Body) -> Owners:
    """Owners of an object that was not tracked so far: what is there belongs to whoever came before."""
    start = zero(resource.shape) if not resource.custom else {"metadata": {}}
    writer = Writer(manager="before-first-apply", operation="Update", api_version=resource.api_version)
    return managed.updated(resource.shape, start, body, Owners(), writer, admission.stamp())


def _applied_body(call: Call, data: Any) -> Body:
    if not isinstance(data, dict) or not data.get("kind") or not data.get("apiVersion"):
        raise bad_request("invalid object type: /, Kind=")
    body = prepare.of_type(call.resource, data)
    prepare.placed(call.resource, body["metadata"], call.namespace, call.name)
    if body["metadata"].get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    return body


def _own_part(call: Call, config: Body) -> Body:
    """The part of an applied configuration that this endpoint takes."""
    if call.subresource == "status":
        return {name: value for name, value in config.items() if name == "status"}
    if call.resource.status:
        return {name: value for name, value in config.items() if name != "status"}
    return config


def _unowned(body: Body) -> Body:
    meta = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
    return {**body, "metadata": meta}


def _own(body: Body, owners: Owners) -> None:
    wire = managed.wire(owners)
    if wire:
        body["metadata"]["managedFields"] = wire
    else:
        body["metadata"].pop("managedFields", None)


def _check_deletion(resource: Resource, options: Deletion, meta: Body) -> None:
    name = meta["name"]
    if options.uid and options.uid != meta["uid"]:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({meta['uid']}). "
            "The object might have been deleted and then recreated"
        )
        raise conflict(resource.kind, name, resource.group, why)
    if options.version and options.version != meta["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({options.version}) does not match the ResourceVersion in "
            f"record ({meta['resourceVersion']}). The object might have been modified"
        )
        raise conflict(resource.kind, name, resource.group, why)


def _finalizers(resource: Resource, options: Deletion, meta: Body) -> list[str]:
    policy = options.policy or ("Orphan" if resource.orphans else "")
    kept = [each for each in meta.get("finalizers", ()) if not policy or each not in {FOREGROUND, ORPHAN}]
    return kept + {"Foreground": [FOREGROUND], "Orphan": [ORPHAN]}.get(policy, [])


def _grace(resource: Resource, options: Deletion, body: Body) -> int:
    """How long a pod has to end; a kubelet deletes it again, without grace, when it has."""
    if resource.key != _PODS or not body["spec"].get("nodeName"):
        return 0
    if body.get("status", {}).get("phase") in {"Succeeded", "Failed"}:
        return 0
    own = int(body["spec"].get("terminationGracePeriodSeconds", 30))
    return own if options.grace is None else options.grace


def _mark(resource: Resource, body: Body, grace: int) -> None:
    meta = body["metadata"]
    meta["deletionTimestamp"] = admission.stamp(grace)
    if meta.get("generation"):
        meta["generation"] += 1
    if resource.kind != "Namespace":
        meta["deletionGracePeriodSeconds"] = grace
    else:
        body["status"] = {**body.get("status", {}), "phase": "Terminating"}
