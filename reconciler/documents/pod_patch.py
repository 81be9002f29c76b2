"""What `serving.podTemplate` may change: the rules of the patch, each refusal at its place.

Not the merge (render does that). Rules: what is not listed here is refused, so that a field which Kubernetes adds later
is looked at before anybody may set it; what another field of the release decides is written there, where policies see
it; a pod stays a restricted one (Kubernetes' restricted Pod Security Standard); every image is by digest and from a
registry that the environment allows, in sidecars too.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from reconciler.documents.words import FieldPath, listed, show, suggestion
from reconciler.model.environment import Environment
from reconciler.model.objects import (
    CHECK_CONTAINER,
    GPU_PRODUCT,
    LABEL_MANAGED,
    LABEL_NAME,
    MODEL_CONTAINER,
    MODEL_VOLUME,
    MODELS,
    OWN_DOMAIN,
)
from reconciler.model.release import ReleaseSpec
from reconciler.model.runtime import Port, ResolvedRuntime

Found = Iterator[tuple[FieldPath, str]]
Rule = Callable[[Any], str]
"""The sentence that says what is wrong with a field's value; empty when nothing is."""

PATH: FieldPath = ("spec", "serving", "podTemplate")
PINNED = re.compile(r"[a-z0-9][a-z0-9._/:-]*@sha256:[0-9a-f]{64}")
_MAPPING = "this must be a mapping (indented 'name: value' lines)"
_LIST = "this must be a list of mappings"
_RESTRICTED = "pods of releases are restricted"


def _any(_value: Any) -> str:
    return ""


def _no(sentence: str) -> Rule:
    return lambda _value: sentence


def _only(*allowed: Any) -> Rule:
    words = " or ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in allowed)
    return lambda value: "" if value in allowed and type(value) is type(allowed[0]) else f"{_RESTRICTED}: {words} only"


def _not_root(value: Any) -> str:
    return "" if isinstance(value, int) and value > 0 else f"{_RESTRICTED}: they do not run as root"


def _capabilities(value: Any) -> str:
    if not isinstance(value, dict) or set(value) - {"add", "drop"}:
        return "write add and drop here, as lists"
    added, dropped = value.get("add", []), value.get("drop", ["ALL"])
    if added not in ([], ["NET_BIND_SERVICE"]) or dropped != ["ALL"]:
        return f"{_RESTRICTED}: they drop ALL capabilities, and may add NET_BIND_SERVICE only"
    return ""


def _seccomp(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return "" if kind in ("RuntimeDefault", "Localhost") else f"{_RESTRICTED}: type RuntimeDefault or Localhost only"


def _keyed(key: str, *, removable: bool = False) -> Rule:
    """A list that merges by a key: every item has it. `removable`: null may stand in its place."""

    def rule(value: Any) -> str:
        items = value if isinstance(value, list) else [None]
        fits = all(isinstance(item, dict) and isinstance(item.get(key), str) for item in items)
        return "" if fits or (removable and value is None) else f"{_LIST} with {key} each"

    return rule


def _elsewhere(field: str) -> Rule:
    return _no(f"write {field} instead, where policies see it")


_SECURITY: Mapping[str, Rule] = {
    "runAsNonRoot": _only(True),
    "runAsUser": _not_root,
    "runAsGroup": _any,
    "seccompProfile": _seccomp,
}
_POD_SECURITY: Mapping[str, Rule] = {
    **_SECURITY, "fsGroup": _any, "fsGroupChangePolicy": _any, "supplementalGroups": _any,
    "supplementalGroupsPolicy": _any,
}  # fmt: skip
_SIDECAR_SECURITY: Mapping[str, Rule] = {
    **_SECURITY, "allowPrivilegeEscalation": _only(False), "privileged": _only(False), "capabilities": _capabilities,
    "readOnlyRootFilesystem": _any,
}  # fmt: skip
_READ_ONLY = _only(True)
_MODEL_SECURITY: Mapping[str, Rule] = {
    **_SIDECAR_SECURITY,
    "readOnlyRootFilesystem": lambda value: _READ_ONLY(value) and f"{_READ_ONLY(value)}; mount an emptyDir to write to",
}

_POD: Mapping[str, Rule] = {
    **dict.fromkeys(
        ("affinity", "dnsConfig", "dnsPolicy", "enableServiceLinks", "hostname", "preemptionPolicy", "readinessGates",
         "runtimeClassName", "schedulerName", "subdomain", "terminationGracePeriodSeconds", "tolerations"), _any,
    ),
    **dict.fromkeys(("imagePullSecrets", "resourceClaims", "schedulingGates"), _keyed("name")),
    "hostAliases": _keyed("ip"),
    "topologySpreadConstraints": _keyed("topologyKey", removable=True),
    "priorityClassName": lambda value: (
        "classes that begin with 'system-' are the cluster's own" if str(value).startswith("system-") else ""
    ),
    "hostUsers": _only(False),
    **dict.fromkeys(("hostNetwork", "hostPID", "hostIPC"), _only(False)),
    "serviceAccountName": _elsewhere("spec.serving.access.serviceAccount"),
    "serviceAccount": _elsewhere("spec.serving.access.serviceAccount"),
    "automountServiceAccountToken": _only(False),
    "nodeName": _no("the scheduler places pods: write spec.serving.placement instead"),
    "restartPolicy": _no("a model server is always restarted"),
    "activeDeadlineSeconds": _no("a model server has no end"),
    "ephemeralContainers": _no("ephemeral containers belong to a running pod only"),
    "shareProcessNamespace": _only(False),
}  # fmt: skip

_BOTH: Mapping[str, Rule] = {
    **dict.fromkeys(
        ("envFrom", "imagePullPolicy", "lifecycle", "name", "terminationMessagePath", "terminationMessagePolicy",
         "workingDir"), _any,
    ),
    "env": _keyed("name"),
    "volumeMounts": _keyed("mountPath"),
}  # fmt: skip
_MODEL: Mapping[str, Rule] = {
    **_BOTH,
    "image": _elsewhere("spec.serving.image"),
    "command": _no("the runtime says what is started: write a ServingRuntime of your own"),
    "args": _elsewhere("spec.serving.args"),
    "resources": _elsewhere("spec.serving.resources"),
    "ports": _elsewhere("spec.serving.port, or ports in the runtime,"),
    **{f"{kind}Probe": _elsewhere("spec.serving.probes") for kind in ("readiness", "liveness", "startup")},
}
_SIDECAR: Mapping[str, Rule] = {
    **_BOTH,
    **dict.fromkeys(
        ("args", "command", "image", "livenessProbe", "ports", "readinessProbe", "resources", "startupProbe"), _any
    ),
}
_INIT: Mapping[str, Rule] = {**_SIDECAR, "restartPolicy": _only("Always")}

_SOURCES = frozenset({
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
})  # fmt: skip
_MODEL_VARIABLES = frozenset({"MODEL_NAME", "MODEL_PATH", "MODEL_URI", "MODEL_VERSION"})
_OWN_LABELS = frozenset({LABEL_MANAGED, LABEL_NAME})


def pod_patch(spec: ReleaseSpec, runtime: ResolvedRuntime | None, environment: Environment | None) -> Found:
    """What of the release's `podTemplate` is refused, and where."""
    patch = spec.serving.pod_template
    yield from _directives(patch, PATH)
    yield from _known(patch, PATH, {"metadata": _any, "spec": _any})
    if "metadata" in patch:
        yield from _metadata(patch["metadata"], (*PATH, "metadata"))
    if "spec" not in patch:
        return
    if not isinstance(patch["spec"], dict):
        yield (*PATH, "spec"), _MAPPING
        return
    yield from _pod(patch["spec"], (*PATH, "spec"), runtime.spec.ports if runtime else ())
    if environment is not None:
        for path, image in _images(patch["spec"], (*PATH, "spec")):
            yield from unlike(path, image, environment)


def own_names(names: Iterable[str], path: FieldPath) -> Found:
    """Labels or annotations that are ours alone."""
    for name in names:
        domain = name.rpartition("/")[0]
        if name in _OWN_LABELS or domain == OWN_DOMAIN or domain.endswith(f".{OWN_DOMAIN}"):
            yield (*path, name), f"{show(name)} is written by us: choose another name"


def _directives(value: Any, path: FieldPath) -> Found:
    """`$patch` and its like anywhere in the patch."""
    for key, inner in _entries(value):
        if isinstance(key, str) and key.startswith("$"):
            yield (*path, key), "directives are not read here: null removes a field, and all else is merged"
        yield from _directives(inner, (*path, key))


def _entries(value: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _known(body: Mapping[str, Any], path: FieldPath, rules: Mapping[str, Rule]) -> Found:
    """Fields without a rule, and what the rules say of the others. `null` removes what may be set."""
    for name, value in body.items():
        rule = rules.get(name)
        if rule is None and not name.startswith("$"):
            close = suggestion(name, rules) or f"the fields here are {listed(rules)}"
            yield (*path, name), f"{show(name)} cannot be patched: {close}"
        elif rule is not None and (sentence := rule(value)):
            yield (*path, name), sentence


def _metadata(meta: Any, path: FieldPath) -> Found:
    if not isinstance(meta, dict):
        yield path, _MAPPING
        return
    yield from _known(meta, path, {"labels": _any, "annotations": _any})
    for field in {"labels", "annotations"} & set(meta):
        names = meta[field]
        if not isinstance(names, dict):
            yield (*path, field), _MAPPING
            continue
        yield from own_names(names, (*path, field))
        for name, value in names.items():
            if value is not None and not isinstance(value, str):
                yield (*path, field, name), "this must be text: put it in quotes"
            elif "apparmor" in name and value == "unconfined":
                yield (*path, field, name), f"{_RESTRICTED}: not unconfined"


def _pod(pod: Mapping[str, Any], path: FieldPath, ports: tuple[Port, ...]) -> Found:
    structured = dict.fromkeys(("containers", "initContainers", "volumes", "nodeSelector", "securityContext"), _any)
    yield from _known(pod, path, {**_POD, **structured})
    if "securityContext" in pod:
        yield from _security(pod["securityContext"], (*path, "securityContext"), _POD_SECURITY)
    selector = pod.get("nodeSelector", {})
    if not isinstance(selector, dict):
        yield (*path, "nodeSelector"), _MAPPING
    elif GPU_PRODUCT in selector:
        yield (*path, "nodeSelector", GPU_PRODUCT), _elsewhere("spec.serving.resources.gpu.product")(None)
    for index, volume in _mappings(pod, "volumes"):
        yield from _volume(volume, (*path, "volumes", index))
    for index, container in _mappings(pod, "containers"):
        where = (*path, "containers", index)
        is_model = isinstance(container, dict) and container.get("name") == MODEL_CONTAINER
        yield from _model(container, where) if is_model else _sidecar(container, where, _SIDECAR, ports)
    for index, container in _mappings(pod, "initContainers"):
        yield from _sidecar(container, (*path, "initContainers", index), _INIT, ports)
    for field in {"containers", "initContainers", "volumes"} & set(pod):
        if not isinstance(pod[field], list):
            yield (*path, field), _LIST


def _mappings(body: Mapping[str, Any], field: str) -> Iterable[tuple[int, Any]]:
    value = body.get(field)
    return enumerate(value) if isinstance(value, list) else ()


def _security(context: Any, path: FieldPath, rules: Mapping[str, Rule]) -> Found:
    if not isinstance(context, dict):
        yield path, _MAPPING
        return
    yield from _known(context, path, rules)
    for name in (name for name, value in context.items() if value is None and rules.get(name) is _any):
        yield (*path, name), f"{_RESTRICTED}: this cannot be removed"


def _container(container: Any, path: FieldPath, rules: Mapping[str, Rule], security: Mapping[str, Rule]) -> Found:
    """What holds for every container; a place that is no mapping is told by the caller."""
    yield from _known(container, path, {**rules, "securityContext": _any})
    if "securityContext" in container:
        yield from _security(container["securityContext"], (*path, "securityContext"), security)


def _model(container: Mapping[str, Any], path: FieldPath) -> Found:
    yield from _container(container, path, _MODEL, _MODEL_SECURITY)
    for index, mount in _mappings(container, "volumeMounts"):
        at = mount.get("mountPath") if isinstance(mount, dict) else None
        if (isinstance(at, str) and f"{MODELS}/".startswith(at.rstrip("/") + "/")) or str(at).startswith(f"{MODELS}/"):
            yield (*path, "volumeMounts", index, "mountPath"), f"{show(str(at))} would hide the model: choose another"
    for index, variable in _mappings(container, "env"):
        if isinstance(variable, dict) and variable.get("name") in _MODEL_VARIABLES:
            yield (*path, "env", index, "name"), f"'{variable['name']}' is decided by spec.model"


def _sidecar(container: Any, path: FieldPath, rules: Mapping[str, Rule], ports: tuple[Port, ...]) -> Found:
    name = container.get("name") if isinstance(container, dict) else None
    if not isinstance(name, str):
        yield path, "this must be a mapping with the name of a container"
        return
    if name == MODEL_CONTAINER:
        yield (*path, "name"), f"'{name}' is the container that serves the model: choose another name"
    if name == CHECK_CONTAINER:
        yield (*path, "name"), f"'{name}' is the container that spec.serving.check asks for: choose another name"
    yield from _container(container, path, rules, _SIDECAR_SECURITY)
    if not isinstance(container.get("image"), str):
        yield (*path, "image"), "a container that is added needs its image, by digest"
    yield from _sidecar_ports(container, path, ports)
    resources = container.get("resources", {})
    for field, amounts in resources.items() if isinstance(resources, dict) else ():
        for resource in amounts if isinstance(amounts, dict) else ():
            if "/" in resource:
                sentence = "devices are asked for in spec.serving.resources, where policies see them"
                yield (*path, "resources", field, resource), sentence


def _sidecar_ports(container: Mapping[str, Any], path: FieldPath, ports: tuple[Port, ...]) -> Found:
    taken: dict[Any, str] = {port.name: port.name for port in ports} | {port.port: port.name for port in ports}
    for index, port in _mappings(container, "ports"):
        where = (*path, "ports", index)
        if not isinstance(port, dict) or not isinstance(port.get("containerPort"), int):
            yield where, "this must be a mapping with a containerPort"
            continue
        if "hostPort" in port or "hostIP" in port:
            yield (*where, "hostPort"), f"{_RESTRICTED}: they take no port of a node"
        for field in ("name", "containerPort"):
            if port.get(field) in taken:
                sentence = f"{show(str(port[field]))} is the port '{taken[port[field]]}' of the model server"
                yield (*where, field), f"{sentence}: choose another one"


def _volume(volume: Any, path: FieldPath) -> Found:
    name = volume.get("name") if isinstance(volume, dict) else None
    if not isinstance(name, str):
        yield path, "this must be a mapping with the name of a volume"
        return
    if name == MODEL_VOLUME:
        yield (*path, "name"), f"'{name}' is the volume that the model lies in: choose another name"
    for source in set(volume) - {"name"} - _SOURCES:
        if not source.startswith("$"):
            yield (*path, source), f"{_RESTRICTED}: the volumes that they may have are {listed(_SOURCES)}"
    projected = volume.get("projected")
    for index, source in _mappings(projected if isinstance(projected, dict) else {}, "sources"):
        token = source.get("serviceAccountToken") if isinstance(source, dict) else None
        if isinstance(token, dict) and not token.get("audience"):
            where = (*path, "projected", "sources", index, "serviceAccountToken")
            yield where, "a token without an audience is one for the Kubernetes API: name whom it is for"


def _images(pod: Mapping[str, Any], path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    for kind in ("containers", "initContainers"):
        for index, container in _mappings(pod, kind):
            image = container.get("image") if isinstance(container, dict) else None
            if isinstance(image, str) and container.get("name") != MODEL_CONTAINER:
                yield (*path, kind, index, "image"), image
    for index, volume in _mappings(pod, "volumes"):
        source = volume.get("image") if isinstance(volume, dict) else None
        if isinstance(source, dict):
            yield (*path, "volumes", index, "image", "reference"), str(source.get("reference", ""))


def unlike(path: FieldPath, image: str, environment: Environment) -> Found:
    """Why an image beside the server's is not allowed: it is not by digest, or from another registry."""
    host = image.partition("/")[0]
    if not PINNED.fullmatch(image):
        yield path, f"{show(image)} is not an image by digest: write name@sha256: and 64 lower-case hex digits"
    elif "/" not in image or host not in environment.spec.registries:
        allowed = listed(environment.spec.registries)
        yield path, f"{show(host)} is not allowed: the environment '{environment.name}' allows images from {allowed}"
