"""Kubernetes' strategic merge patch, for pod templates: `podTemplate` over what we rendered.

Not JSON merge patch, and no `$patch` directives (a document with them is refused before). Rules: mappings merge, `null`
removes, everything else replaces, but lists merge by the key that their Kubernetes type names (`MERGE_KEYS`), with what
is new behind what was there. A volume keeps only the fields that its patch names, so that one source stands in place of
another. Values are never changed in place.
"""

from collections.abc import Mapping
from typing import Any

from reconciler.render.identity import Body

MERGE_KEYS: Mapping[str, str] = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "volumes": "name",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "topologySpreadConstraints": "topologyKey",
}
"""Lists of a pod template that merge, and by what. All others are replaced: args, command, envFrom, tolerations …"""

_RETAIN_KEYS = frozenset({"volumes"})
"""Lists whose items keep only the fields that the patch names, as Kubernetes has it."""


def strategic(base: Body, patch: Mapping[str, Any]) -> Body:
    """The base with the patch laid over it."""
    result = dict(base)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(name, result.get(name), value)
    return result


def _merged(name: str, base: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return strategic(base if isinstance(base, dict) else {}, value)
    if isinstance(value, list) and name in MERGE_KEYS:
        return _items(name, base if isinstance(base, list) else [], value)
    if isinstance(value, list):
        return [_merged("", {}, item) for item in value]
    return value


def _items(name: str, base: list[Any], patches: list[Any]) -> list[Any]:
    key = MERGE_KEYS[name]
    result = list(base)
    for patch in patches:
        place = next((at for at, item in enumerate(result) if item.get(key) == patch.get(key)), None)
        if place is None:
            result.append(strategic({}, patch))
            continue
        kept = result[place]
        if name in _RETAIN_KEYS:
            kept = {field: value for field, value in kept.items() if field in patch}
        result[place] = strategic(kept, patch)
    return result
