"""Every request to a resource: verb, parameters and body in, answer out. The work is `objects`'s."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from reconciler.demo.api import bodies, scale
from reconciler.demo.api.controllers.pods import log_lines
from reconciler.demo.api.messages import Answer, Request, json, text
from reconciler.demo.api.objects import Call, Deletion, Objects
from reconciler.demo.api.patch import json_patch, merge_patch
from reconciler.demo.api.resources import Resource
from reconciler.demo.api.selectors import Matches, matcher, parse_fields, parse_labels
from reconciler.demo.api.shapes import Body
from reconciler.demo.api.status import (
    ApiError,
    bad_request,
    cause,
    expired,
    invalid,
    no_such_path,
    not_allowed,
    unsupported_type,
)
from reconciler.demo.api.store import Item
from reconciler.demo.api.strategic import strategic
from reconciler.demo.api.tables import Form, many, negotiated, one
from reconciler.demo.api.watch import Watch, stream

APPLY = "application/apply-patch+yaml"
_MERGE, _JSON, _STRATEGIC = (f"application/{kind}-patch+json" for kind in ("merge", "json", "strategic-merge"))
_MAX_MANAGER = 128
_VALIDATIONS = ("", "Ignore", "Warn", "Strict")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a path names; `name` is empty for a collection."""

    resource: Resource
    namespace: str
    name: str
    subresource: str


class Handlers:
    """The verbs. `epoch()` changes when all watches are to end."""

    def __init__(self, objects: Objects, epoch: Callable[[], int]) -> None:
        self._objects = objects
        self._store = objects.store
        self._epoch = epoch

    def verb(self, place: Place, request: Request) -> str:
        """The API's word for it, as the request log counts it; raises ApiError 405."""
        method, name = request.method, place.name
        if method == "GET":
            return "get" if name else "watch" if request.flag("watch") else "list"
        if method == "DELETE":
            return "delete" if name else "deletecollection"
        if method == "PATCH" and name:
            return "apply" if request.content_type == APPLY else "patch"
        if (method == "PUT" and name) or (method == "POST" and not name):
            return "update" if name else "create"
        raise not_allowed()

    def handle(self, verb: str, place: Place, request: Request) -> Answer:
        """Do it; raises ApiError."""
        self._allowed(verb, place)
        return getattr(self, f"_{verb}")(place, request)  # type: ignore[no-any-return]

    def _allowed(self, verb: str, place: Place) -> None:
        resource, sub = place.resource, place.subresource
        if sub and sub not in resource.subresources():
            raise no_such_path()
        if sub and (verb == "delete" or (sub == "log" and verb != "get")):
            raise not_allowed()
        if resource.namespaced and not place.namespace and verb not in {"list", "watch"}:
            raise not_allowed()
        if verb == "deletecollection" and verb not in resource.verbs:
            raise not_allowed()

    # --- reading

    def _form(self, request: Request) -> Form:
        return negotiated(request.headers.get("accept", ""), request.query.get("includeObject", ""))

    def _get(self, place: Place, request: Request) -> Answer:
        item = self._objects.get(Call(resource=place.resource, namespace=place.namespace, name=place.name))
        if place.subresource == "log":
            return _log(item, request)
        if place.subresource == "scale":
            return json(scale.seen(place.resource, item.body))
        return Answer(body=one(self._form(request), place.resource, item))

    def _selection(self, place: Place, request: Request) -> Matches | None:
        labels = parse_labels(request.query.get("labelSelector", ""))
        fields = parse_fields(request.query.get("fieldSelector", ""), place.resource.kind)
        return matcher(labels, fields)

    def _list(self, place: Place, request: Request) -> Answer:
        form, matches = self._form(request), self._selection(place, request)
        limit, token = request.number("limit") or 0, request.query.get("continue", "")
        _version(request)
        with self._store.lock:
            version, after = self._resume(place, token)
            items = self._store.items_at(place.resource.key, place.namespace, version)
        items = [item for item in items if (item.namespace, item.name) > after]
        if matches is not None:
            items = [item for item in items if matches(item.body)]
        meta: Body = {"resourceVersion": str(version)}
        if limit > 0 and len(items) > limit:
            rest, items = len(items) - limit, items[:limit]
            meta["continue"] = _token(version, items[-1])
            if matches is None:
                meta["remainingItemCount"] = rest
        return Answer(body=many(form, place.resource, items, meta))

    def _resume(self, place: Place, token: str) -> tuple[int, tuple[str, str]]:
        """The resourceVersion and the last object of the page before."""
        if not token:
            return self._store.version, ("", "")
        try:
            version, namespace, name = orjson.loads(base64.urlsafe_b64decode(token))
        except (ValueError, binascii.Error) as error:
            raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error
        if not isinstance(version, int) or version < self._store.log(place.resource.key).oldest:
            raise expired(
                "The provided continue parameter is too old to display a consistent list result. You must start a new "
                "list without the continue parameter."
            )
        return version, (str(namespace), str(name))

    def _watch(self, place: Place, request: Request) -> Answer:
        version, initial = _version(request), request.flag("sendInitialEvents")
        if "sendInitialEvents" in request.query and request.query.get("resourceVersionMatch") != "NotOlderThan":
            why = "Forbidden: resourceVersionMatch is required when sendInitialEvents is given"
            causes = [cause("FieldValueForbidden", why, "resourceVersionMatch")]
            raise invalid("ListOptions", "", "meta.k8s.io", causes)
        if not initial and not version and "sendInitialEvents" in request.query:
            version = self._store.version
        watch = Watch(
            resource=place.resource, namespace=place.namespace, matches=self._selection(place, request),
            since=None if initial else version or None, bookmarks=request.flag("allowWatchBookmarks"),
            announced=initial,
            seconds=request.number("timeoutSeconds"), encode=partial(one, self._form(request), place.resource),
        )  # fmt: skip
        return Answer(stream=stream(self._store, watch, self._epoch))

    # --- writing

    def _call(self, place: Place, request: Request, *, options: str) -> Call:
        query = request.query
        problems = list(_option_problems(request))
        if problems:
            raise invalid(options, "", "meta.k8s.io", problems)
        return Call(
            resource=place.resource, namespace=place.namespace, name=place.name, subresource=place.subresource,
            manager=query.get("fieldManager") or _agent(request), dry_run=bool(query.get("dryRun")),
            strict=query.get("fieldValidation") == "Strict", force=request.flag("force"),
        )  # fmt: skip

    def _written(self, place: Place, request: Request, item: Item, code: int = 200) -> Answer:
        if place.subresource == "scale":
            return json(scale.seen(place.resource, item.body), code)
        return Answer(code=code, body=one(self._form(request), place.resource, item))

    def _create(self, place: Place, request: Request) -> Answer:
        call = self._call(place, request, options="CreateOptions")
        return self._written(place, request, self._objects.create(call, bodies.read(request)), 201)

    def _update(self, place: Place, request: Request) -> Answer:
        call = self._call(place, request, options="UpdateOptions")
        return self._written(place, request, self._objects.update(call, bodies.read(request)))

    def _patch(self, place: Place, request: Request) -> Answer:
        call = self._call(place, request, options="PatchOptions")
        if request.flag("force"):
            why = "Forbidden: may not be specified for non-apply patch"
            raise invalid("PatchOptions", "", "meta.k8s.io", [cause("FieldValueForbidden", why, "force")])
        change = _change(place, request)
        return self._written(place, request, self._objects.patch(call, change))

    def _apply(self, place: Place, request: Request) -> Answer:
        call = self._call(place, request, options="PatchOptions")
        if not request.query.get("fieldManager"):
            why = "Required value: is required for apply patch"
            raise invalid("PatchOptions", "", "meta.k8s.io", [cause("FieldValueRequired", why, "fieldManager")])
        item, new = self._objects.apply(call, bodies.yaml_data(request.body))
        return self._written(place, request, item, 201 if new else 200)

    def _delete(self, place: Place, request: Request) -> Answer:
        call = self._call(place, request, options="DeleteOptions")
        item, gone = self._objects.delete(call, _deletion(request))
        if not gone or place.resource.returned:
            return self._written(place, request, item)
        details = {"name": place.name} | ({"group": place.resource.group} if place.resource.group else {})
        details |= {"kind": place.resource.plural, "uid": item.uid}
        return json({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})

    def _deletecollection(self, place: Place, request: Request) -> Answer:
        call, matches = self._call(place, request, options="DeleteOptions"), self._selection(place, request)
        deletion = _deletion(request)
        with self._store:
            items = self._store.items(place.resource.key, place.namespace)
            chosen = [item for item in items if matches is None or matches(item.body)]
            for item in chosen:
                each = Call(
                    resource=call.resource, namespace=item.namespace, name=item.name, dry_run=call.dry_run,
                    manager=call.manager,
                )  # fmt: skip
                self._objects.delete(each, Deletion(grace=deletion.grace, policy=deletion.policy))
            version = self._store.version
        return Answer(body=many(self._form(request), place.resource, chosen, {"resourceVersion": str(version)}))


def _version(request: Request) -> int:
    text_version = request.query.get("resourceVersion") or "0"
    if not text_version.isdecimal():
        why = f'strconv.ParseUint: parsing "{text_version}": invalid syntax'
        raise bad_request(f'invalid resource version: resourceVersion: Invalid value: "{text_version}": {why}')
    return int(text_version)


def _token(version: int, last: Item) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([version, last.namespace, last.name])).decode()


def _agent(request: Request) -> str:
    """The field manager of who does not name one: the program's name."""
    return (request.headers.get("user-agent", "").partition("/")[0] or "unknown")[:_MAX_MANAGER]


def _option_problems(request: Request) -> Any:
    query = request.query
    dry, manager, validation = query.get("dryRun", ""), query.get("fieldManager", ""), query.get("fieldValidation", "")
    if dry not in {"", "All"}:
        yield cause("FieldValueNotSupported", f'Unsupported value: ["{dry}"]: supported values: "All"', "dryRun")
    if len(manager) > _MAX_MANAGER:
        yield cause("FieldValueTooLong", f"Too long: may not be more than {_MAX_MANAGER} bytes", "fieldManager")
    if validation not in _VALIDATIONS:
        told = ", ".join(f'"{each}"' for each in _VALIDATIONS)
        why = f'Unsupported value: "{validation}": supported values: {told}'
        yield cause("FieldValueNotSupported", why, "fieldValidation")


def _change(place: Place, request: Request) -> Callable[[Body], Any]:
    kind = request.content_type
    if kind == _JSON:
        return lambda body: json_patch(body, bodies.json_data(request.body))
    if kind == _MERGE or (kind == _STRATEGIC and place.subresource == "scale"):
        return partial(_merged, _object(request))
    if kind == _STRATEGIC and not place.resource.custom:
        patch = _object(request)
        return lambda body: strategic(place.resource.shape, body, patch)
    if kind == _STRATEGIC:
        accepted = f"{_JSON}, {_MERGE}, {APPLY}"
        raise unsupported_type(
            f"the body of the request was in an unknown format - accepted media types include: {accepted}",
            details=False,
        )
    raise unsupported_type("415: Unsupported Media Type")


def _merged(patch: Body, body: Body) -> Any:
    return merge_patch(body, patch)


def _object(request: Request) -> Body:
    data = bodies.json_data(request.body)
    if not isinstance(data, dict):
        raise bad_request("error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}")
    return data


def _deletion(request: Request) -> Deletion:
    options = bodies.read(request) if request.body else {}
    if not isinstance(options, dict):
        raise bad_request("the body of the request is not DeleteOptions")
    before = options.get("preconditions") or {}
    policy = options.get("propagationPolicy") or request.query.get("propagationPolicy", "")
    if options.get("orphanDependents") is not None:
        policy = "Orphan" if options["orphanDependents"] else "Background"
    grace = options.get("gracePeriodSeconds", request.number("gracePeriodSeconds"))
    if not isinstance(grace, int | None):
        raise bad_request("DeleteOptions cannot be read: gracePeriodSeconds is not an integer")
    uid, version = before.get("uid") or "", before.get("resourceVersion") or ""
    return Deletion(uid=uid, version=version, grace=grace, policy=policy)


def _log(item: Item, request: Request) -> Answer:
    lines, spec = log_lines(item.body), item.body["spec"]
    container = request.query.get("container") or spec["containers"][0]["name"]
    if container not in {each["name"] for each in spec["containers"]}:
        raise bad_request(f"container {container} is not valid for pod {item.name}")
    states = item.body.get("status", {}).get("containerStatuses") or [{}]
    reason = states[0].get("state", {}).get("waiting", {}).get("reason", "")
    if reason not in {"", "CrashLoopBackOff"}:
        raise bad_request(f'container "{container}" in pod "{item.name}" is waiting to start: {reason}')
    if request.flag("previous") and not states[0].get("lastState"):
        raise bad_request(f'previous terminated container "{container}" in pod "{item.name}" not found')
    tail = request.number("tailLines")
    lines = lines if tail is None else lines[len(lines) - min(tail, len(lines)) :]
    return text("".join(f"{line}\n" for line in lines))


def failed(error: Exception) -> ApiError:
    """500 for a mistake of ours: the client learns that, and no more."""
    return ApiError(500, "InternalError", f"Internal error occurred: {type(error).__name__}")
