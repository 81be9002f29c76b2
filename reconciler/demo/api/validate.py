"""What the server refuses with 422: names, labels, immutable fields, and what each built-in kind cannot do without."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from reconciler.demo.api.resources import Resource
from reconciler.demo.api.selectors import labels_match, of_object
from reconciler.demo.api.shapes import Body
from reconciler.demo.api.status import cause

Cause = dict[str, str]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_DNS_LABEL = re.compile(_LABEL)
_DNS_1035 = re.compile("[a-z]([-a-z0-9]*[a-z0-9])?")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_ANNOTATIONS_LIMIT = 256 * 1024
_MAX_NAME, _MAX_LABEL = 253, 63
_PORTS = 65535
_GROUPS = ("initContainers", "containers")
_PATH_NAMES = frozenset({"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"})


def _bad(value: Any, why: str, field: str) -> Cause:
    return cause("FieldValueInvalid", f"Invalid value: {orjson.dumps(value).decode()}: {why}", field)


def _required(field: str, why: str = "") -> Cause:
    return cause("FieldValueRequired", f"Required value: {why}" if why else "Required value", field)


def name_problems(resource: Resource, name: str) -> Iterator[Cause]:
    """Why an object of this kind may not have this name."""
    if not name:
        yield _required("metadata.name", "name or generateName is required")
        return
    if resource.kind in _PATH_NAMES:
        if name in {".", ".."} or "/" in name or "%" in name:
            yield _bad(name, "may not contain '/' or '%' and may not be '.' or '..'", "metadata.name")
        return
    pattern, limit, told = _SUBDOMAIN, _MAX_NAME, _SUBDOMAIN_TOLD
    if resource.kind == "Namespace":
        pattern, limit, told = _DNS_LABEL, _MAX_LABEL, _LABEL_TOLD
    elif resource.kind == "Service":
        pattern, limit, told = _DNS_1035, _MAX_LABEL, _LABEL_1035_TOLD
    if not pattern.fullmatch(name):
        yield _bad(name, told, "metadata.name")
    elif len(name) > limit:
        yield _bad(name, f"must be no more than {limit} bytes", "metadata.name")


_SUBDOMAIN_TOLD = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_TOLD = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_LABEL_1035_TOLD = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)


def meta_problems(meta: Body, old: Body) -> Iterator[Cause]:
    """Labels, annotations, owners and finalizers; `old` is empty for a new object."""
    more = [each for each in meta.get("finalizers") or () if each not in old.get("finalizers", ())]
    if more and "deletionTimestamp" in old:
        why = f"Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers {more}"
        yield cause("FieldValueForbidden", why, "metadata.finalizers")
    yield from _label_problems(meta.get("labels") or {}, "metadata.labels")
    annotations = meta.get("annotations") or {}
    for key in annotations:
        if not _is_qualified(key.lower()):
            yield _bad(key, "name part must consist of alphanumeric characters, '-', '_' or '.'",
                       "metadata.annotations")  # fmt: skip
    if sum(len(key) + len(value) for key, value in annotations.items()) > _ANNOTATIONS_LIMIT:
        yield cause("FieldValueTooLong", f"Too long: may not be more than {_ANNOTATIONS_LIMIT} bytes",
                    "metadata.annotations")  # fmt: skip
    for number, owner in enumerate(meta.get("ownerReferences") or ()):
        for name in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(name):
                yield _required(f"metadata.ownerReferences[{number}].{name}")


def _is_qualified(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if slash and not (_SUBDOMAIN.fullmatch(prefix) and len(prefix) <= _MAX_NAME):
        return False
    return len(name) <= _MAX_LABEL and bool(_QUALIFIED.fullmatch(name))


def _label_problems(labels: Body, field: str) -> Iterator[Cause]:
    for key, value in labels.items():
        if not _is_qualified(key):
            yield _bad(key, "name part must consist of alphanumeric characters, '-', '_' or '.'", field)
        if len(value) > _MAX_LABEL:
            yield _bad(value, f"must be no more than {_MAX_LABEL} bytes", field)
        elif not _VALUE.fullmatch(value):
            told = (
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
                "must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', "
                "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            )
            yield _bad(value, told, field)


def _containers(spec: Body, path: str) -> Iterator[Cause]:
    if not spec.get("containers"):
        yield _required(f"{path}.containers")
    volumes = {volume.get("name") for volume in spec.get("volumes", ())}
    for group in _GROUPS:
        for number, container in enumerate(spec.get(group, ())):
            place = f"{path}.{group}[{number}]"
            for name in ("name", "image"):
                if not container.get(name):
                    yield _required(f"{place}.{name}")
            for port in container.get("ports", ()):
                if not 0 < port.get("containerPort", 0) <= _PORTS:
                    yield _bad(port.get("containerPort", 0), "must be between 1 and 65535, inclusive",
                               f"{place}.ports[0].containerPort")  # fmt: skip
            for index, mount in enumerate(container.get("volumeMounts", ())):
                if mount.get("name") not in volumes:
                    yield cause("FieldValueNotFound", f'Not found: "{mount.get("name")}"',
                                f"{place}.volumeMounts[{index}].name")  # fmt: skip


def _workload(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body["spec"]
    template = spec["template"]
    labels = template["metadata"].get("labels") or {}
    selector = spec.get("selector")
    if spec.get("replicas", 0) < 0:
        yield _bad(spec["replicas"], "must be greater than or equal to 0", "spec.replicas")
    if not selector:
        yield _required("spec.selector")
    elif not labels_match(of_object(selector), labels):
        yield _bad(labels, "`selector` does not match template `labels`", "spec.template.metadata.labels")
    yield from _label_problems(labels, "spec.template.metadata.labels")
    yield from _containers(template["spec"], "spec.template.spec")
    if old is not None and old["spec"].get("selector") != selector:
        yield _bad(selector, "field is immutable", "spec.selector")


def _deployment(body: Body, old: Body | None) -> Iterator[Cause]:
    yield from _workload(body, old)
    spec = body["spec"]
    if spec["progressDeadlineSeconds"] <= spec.get("minReadySeconds", 0):
        yield _bad(spec["progressDeadlineSeconds"], "must be greater than minReadySeconds",
                   "spec.progressDeadlineSeconds")  # fmt: skip
    rolling = spec["strategy"].get("rollingUpdate")
    if rolling is None:
        return
    if spec["strategy"]["type"] == "Recreate":
        yield cause("FieldValueForbidden", "Forbidden: may not be specified when strategy `type` is 'Recreate'",
                    "spec.strategy.rollingUpdate")  # fmt: skip
    elif rolling.get("maxSurge") in {0, "0%"} and rolling.get("maxUnavailable") in {0, "0%"}:
        yield _bad(0, "may not be 0 when `maxSurge` is 0", "spec.strategy.rollingUpdate.maxUnavailable")


def _pod(body: Body, old: Body | None) -> Iterator[Cause]:
    yield from _containers(body["spec"], "spec")
    if old is not None and _fixed(body["spec"]) != _fixed(old["spec"]):
        why = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`, and a few more"
        yield cause("FieldValueForbidden", why, "spec")


def _fixed(spec: Body) -> Body:
    """What may not change in a pod; to be placed on a node is allowed."""
    free = {"nodeName", "tolerations", "activeDeadlineSeconds", "terminationGracePeriodSeconds", *_GROUPS}
    rest = {name: value for name, value in spec.items() if name not in free}
    return rest | {group: [{**each, "image": ""} for each in spec.get(group, ())] for group in _GROUPS}


def _job(body: Body, old: Body | None) -> Iterator[Cause]:
    template = body["spec"]["template"]
    yield from _containers(template["spec"], "spec.template.spec")
    if template["spec"]["restartPolicy"] not in {"Never", "OnFailure"}:
        told = 'Required value: valid values: "OnFailure", "Never"'
        yield cause("FieldValueRequired", told, "spec.template.spec.restartPolicy")
    if old is not None and old["spec"]["template"] != template:
        yield _bad(None, "field is immutable", "spec.template")


def _service(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body["spec"]
    ports = spec.get("ports", ())
    if not ports and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        yield _required("spec.ports")
    for number, port in enumerate(ports):
        if not 0 < port.get("port", 0) <= _PORTS:
            yield _bad(port.get("port", 0), "must be between 1 and 65535, inclusive", f"spec.ports[{number}].port")
        if len(ports) > 1 and not port.get("name"):
            yield _required(f"spec.ports[{number}].name")
    if old is not None and old["spec"].get("clusterIP") != spec.get("clusterIP"):
        yield _bad([spec.get("clusterIP")], "may not change once set", "spec.clusterIPs[0]")


def _autoscaler(body: Body, _old: Body | None) -> Iterator[Cause]:
    spec = body["spec"]
    low, high = spec["minReplicas"], spec.get("maxReplicas", 0)
    if low < 1:
        yield _bad(low, "must be greater than or equal to 1", "spec.minReplicas")
    if high < 1:
        yield _bad(high, "must be greater than 0", "spec.maxReplicas")
    elif high < low:
        yield _bad(high, "must be greater than or equal to `minReplicas`", "spec.maxReplicas")
    for name in ("kind", "name"):
        if not spec.get("scaleTargetRef", {}).get(name):
            yield _required(f"spec.scaleTargetRef.{name}")


def _budget(body: Body, _old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec", {})
    if "minAvailable" in spec and "maxUnavailable" in spec:
        yield _bad(spec, "minAvailable and maxUnavailable cannot be both set", "spec")


def _config_map(body: Body, old: Body | None) -> Iterator[Cause]:
    if old is not None and old.get("immutable") and any(body.get(n) != old.get(n) for n in ("data", "binaryData")):
        yield cause("FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set", "data")


def _secret(body: Body, old: Body | None) -> Iterator[Cause]:
    if old is not None and old.get("type") != body.get("type"):
        yield _bad(body.get("type"), "field is immutable", "type")
    yield from _config_map(body, old)


def _binding(body: Body, old: Body | None) -> Iterator[Cause]:
    if old is not None and old["roleRef"] != body["roleRef"]:
        yield _bad(body["roleRef"], "cannot change roleRef", "roleRef")


def _definition(body: Body, old: Body | None) -> Iterator[Cause]:
    spec, names = body["spec"], body["spec"]["names"]
    expected = f"{names.get('plural')}.{spec.get('group')}"
    if body["metadata"].get("name") != expected:
        yield _bad(body["metadata"].get("name"), 'must be spec.names.plural+"."+spec.group', "metadata.name")
    for name in ("group", "scope"):
        if not spec.get(name):
            yield _required(f"spec.{name}")
    for name in ("plural", "kind"):
        if not names.get(name):
            yield _required(f"spec.names.{name}")
    stored = [version for version in spec.get("versions", ()) if version.get("storage")]
    if len(stored) != 1:
        yield _bad([each.get("name") for each in stored], "must have exactly one version marked as storage version",
                   "spec.versions")  # fmt: skip
    for number, version in enumerate(spec.get("versions", ())):
        if "openAPIV3Schema" not in version.get("schema", {}):
            yield _required(f"spec.versions[{number}].schema.openAPIV3Schema", "schemas are required")
    if old is not None and old["spec"].get("scope") != spec.get("scope"):
        yield _bad(spec.get("scope"), "field is immutable", "spec.scope")


_BY_KIND: dict[str, Callable[[Body, Body | None], Iterator[Cause]]] = {
    "ClusterRoleBinding": _binding,
    "ConfigMap": _config_map,
    "CustomResourceDefinition": _definition,
    "Deployment": _deployment,
    "HorizontalPodAutoscaler": _autoscaler,
    "Job": _job,
    "Pod": _pod,
    "PodDisruptionBudget": _budget,
    "ReplicaSet": _workload,
    "RoleBinding": _binding,
    "Secret": _secret,
    "Service": _service,
    "StatefulSet": _workload,
}


def built_in_problems(resource: Resource, body: Body, old: Body | None) -> Sequence[Cause]:
    """Everything the server would refuse about an object of a built-in kind; `old` is what it would replace."""
    check = _BY_KIND.get(resource.kind)
    return list(check(body, old)) if check is not None else []
