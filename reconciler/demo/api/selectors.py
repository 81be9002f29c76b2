"""Label and field selectors of lists and watches, and label selectors inside objects."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.demo.api.shapes import Body
from reconciler.demo.api.status import bad_request

_KEY = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
_SET = re.compile(rf"^\s*({_KEY})\s+(in|notin)\s*\(([^()]*)\)\s*$")
_EQUAL = re.compile(rf"^\s*({_KEY})\s*(==|=|!=|>|<)\s*([-A-Za-z0-9_.]*)\s*$")
_HAS = re.compile(rf"^\s*(!?)\s*({_KEY})\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: str  # in, notin, exists, absent, >, <
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Absent labels satisfy `notin` and `absent` only."""
        value = labels.get(self.key)
        if self.operator == "in":
            return value in self.values
        if self.operator == "notin":
            return value not in self.values
        if self.operator in {">", "<"}:
            return _numeric(value, self.operator, self.values[0])
        return (value is not None) == (self.operator == "exists")


def _numeric(value: str | None, operator: str, bound: str) -> bool:
    try:
        left, right = int(value or ""), int(bound)
    except ValueError:
        return False
    return left > right if operator == ">" else left < right


Labels = tuple[Requirement, ...]


def parse_labels(text: str) -> Labels:
    """`a=b,c!=d,e in (f,g),!h` as requirements; raises ApiError 400."""
    return tuple(_requirement(part) for part in _split(text)) if text.strip() else ()


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for place, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def _requirement(text: str) -> Requirement:
    if match := _SET.match(text):
        key, operator, values = match.groups()
        return Requirement(key=key, operator=operator, values=tuple(value.strip() for value in values.split(",")))
    if match := _EQUAL.match(text):
        key, sign, value = match.groups()
        operator = {"=": "in", "==": "in", "!=": "notin"}.get(sign, sign)
        return Requirement(key=key, operator=operator, values=(value,))
    if match := _HAS.match(text):
        return Requirement(key=match[2], operator="absent" if match[1] else "exists")
    raise bad_request(f"unable to parse requirement: {text.strip()!r} is not a label selector requirement")


def labels_match(requirements: Labels, labels: Mapping[str, str]) -> bool:
    """All requirements hold."""
    return all(requirement.matches(labels) for requirement in requirements)


_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}


def of_object(selector: Body | None) -> Labels:
    """A LabelSelector inside an object; the empty one selects everything, None is the caller's to decide."""
    selector = selector or {}
    equal = [Requirement(key=key, operator="in", values=(value,))
             for key, value in selector.get("matchLabels", {}).items()]  # fmt: skip
    more = [
        Requirement(
            key=each["key"], operator=_OPERATORS.get(each["operator"], "in"), values=tuple(each.get("values", ()))
        )
        for each in selector.get("matchExpressions", ())
    ]
    return (*equal, *more)


def spelled(requirements: Labels) -> str:
    """The selector as text, as `status.selector` of Scale has it."""
    return ",".join(_spell(each) for each in requirements)


def _spell(each: Requirement) -> str:
    if each.operator == "in" and len(each.values) == 1:
        return f"{each.key}={each.values[0]}"
    if each.operator in {"in", "notin"}:
        return f"{each.key} {each.operator} ({','.join(sorted(each.values))})"
    return f"!{each.key}" if each.operator == "absent" else each.key


Fields = tuple[tuple[str, bool, str], ...]
"""(path, equal, value)"""

_COMMON = ("metadata.name", "metadata.namespace")
_BY_KIND: dict[str, tuple[str, ...]] = {
    "Pod": (
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName",
    ),
    "Event": (
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
        "reportingComponent", "source", "type",
    ),
    "Namespace": ("status.phase", "name"),
    "Node": ("spec.unschedulable",),
    "Secret": ("type",),
    "ReplicaSet": ("status.replicas",),
    "Job": ("status.successful",),
    "Service": ("spec.clusterIP", "spec.type"),
}  # fmt: skip


def parse_fields(text: str, kind: str) -> Fields:
    """`metadata.name=x,status.phase!=Running`; raises ApiError 400 for paths that this kind does not offer."""
    known = (*_COMMON, *_BY_KIND.get(kind, ()))
    parsed = []
    for part in filter(None, text.split(",")):
        path, sign, value = _field(part)
        if path not in known:
            offered = ", ".join(f'"{each}"' for each in known)
            raise bad_request(f'"{path}" is not a known field selector: only {offered}')
        parsed.append((path, sign != "!=", value))
    return tuple(parsed)


def _field(part: str) -> tuple[str, str, str]:
    for sign in ("!=", "==", "="):
        path, found, value = part.partition(sign)
        if found:
            return path.strip(), sign, value.strip()
    raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")


def fields_match(fields: Fields, body: Body) -> bool:
    """All conditions hold; what is absent is the empty string."""
    return all((_at(body, path) == value) == equal for path, equal, value in fields)


def _at(body: Body, path: str) -> str:
    value: Any = body
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    if value is None:
        return ""
    if isinstance(value, dict):
        return str(value.get("component", ""))
    return str(value).lower() if isinstance(value, bool) else str(value)


Matches = Callable[[Body], bool]


def matcher(labels: Labels, fields: Fields) -> Matches | None:
    """A function of an object, or None when everything matches."""
    if not labels and not fields:
        return None

    def matches(body: Body) -> bool:
        return labels_match(labels, body["metadata"].get("labels") or {}) and fields_match(fields, body)

    return matches
