"""The three CustomResourceDefinitions, made from the models of `model.state` and `model.repository`.

Not the writing of state objects (edges/kube does that). The form on the wire: everything but `status` under `spec`,
and `status` beside it, **without** a status subresource: one write carries both, with the resourceVersion that it was
decided on, so a state object is never half of one decision and half of another.

Rules: structural schemas (no `$ref`, `null` is `nullable`, no closed objects); no defaults, because a server that fills
them in would change what we wrote; unknown fields are pruned, so definitions are installed before a daemon that needs
them and writes ask for strict validation, which makes a field that the definition lacks an error and not a loss.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from reconciler.model.repository import RepositoryState
from reconciler.model.state import STATE_API, ReleaseState, TargetState
from reconciler.model.wire import Wire

Schema = dict[str, Any]

_FREE: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_COPIED = ("type", "enum", "pattern", "description", "minimum", "maximum", "minLength", "maxLength", "required")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of `kubectl get`; `wide` ones are shown with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of state object and how it is listed."""

    model: type[Wire]
    plural: str
    short: str
    description: str
    columns: tuple[Column, ...]


def _condition(type_: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{type_}")].{field}'


_READY = Column(name="Ready", path=_condition("Ready", "status"))
_REASON = Column(name="Reason", path=_condition("Ready", "reason"), wide=True)
_MESSAGE = Column(name="Message", path=_condition("Ready", "message"), wide=True)
_AGE = Column(name="Age", path=".metadata.creationTimestamp", type="date")

_ONE_WRITE = (
    "There is no status subresource: one write carries spec and status, with the resourceVersion it was decided on. "
    "Written by the daemon only; a change by hand is not a way to steer it (a commit is)."
)

KINDS: tuple[Kind, ...] = (
    Kind(
        model=RepositoryState,
        plural="repositorystates",
        short="repostate",
        description=f"What was accepted from one repository, on the home cluster. {_ONE_WRITE}",
        columns=(
            Column(name="Repository", path=".spec.repository"),
            Column(name="Branch", path=".spec.branch"),
            Column(name="Revision", path=".status.revision"),
            Column(name="Synced", path=_condition("Synced", "status")),
            Column(name="Reason", path=_condition("Synced", "reason")),
            Column(name="Records", path=".status.sequence", type="integer"),
            _AGE,
            Column(name="Message", path=_condition("Synced", "message"), wide=True),
        ),
    ),
    Kind(
        model=ReleaseState,
        plural="releasestates",
        short="relstate",
        description=f"Progress of one release over all its clusters, on the home cluster. {_ONE_WRITE}",
        columns=(
            Column(name="Environment", path=".spec.release.environment"),
            Column(name="Release", path=".spec.release.name"),
            Column(name="Runs", path=".status.stable.modelVersion"),
            Column(name="Wanted", path=".status.modelVersion"),
            Column(name="Phase", path=".status.phase"),
            _READY,
            Column(name="Held", path=".status.gates[*].reason"),
            Column(name="Since", path=".status.since", type="date"),
            Column(name="Candidate", path=".status.candidate.modelVersion", wide=True),
            _MESSAGE,
        ),
    ),
    Kind(
        model=TargetState,
        plural="targetstates",
        short="tgtstate",
        description=f"What one release runs on this cluster, and the objects made for it. {_ONE_WRITE}",
        columns=(
            Column(name="Environment", path=".spec.release.environment"),
            Column(name="Release", path=".spec.release.name"),
            Column(name="Cluster", path=".spec.cluster"),
            Column(name="Serving", path=".status.serving"),
            _READY,
            Column(name="Reason", path=_condition("Ready", "reason")),
            _AGE,
            Column(name="Directive", path=".status.sequence", type="integer", wide=True),
            _MESSAGE,
        ),
    ),
)


def definition(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of one kind, as plain data."""
    group, _, version = STATE_API.partition("/")
    name = kind.model.__name__
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {
                "kind": name,
                "listKind": f"{name}List",
                "plural": kind.plural,
                "singular": name.lower(),
                "shortNames": [kind.short],
                "categories": ["reconciler"],
            },
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _object_schema(kind)},
                    "additionalPrinterColumns": [_printer_column(column) for column in kind.columns],
                }
            ],
        },
    }


def manifests() -> dict[str, str]:
    """The text of each definition's YAML file, by file name."""
    return {
        f"{kind.plural}.yaml": "# Made from the models in reconciler/model/ by deploy/generate.py.\n"
        + yaml.dump(definition(kind), Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)
        for kind in KINDS
    }


class _Plain(yaml.SafeDumper):
    """Writes a value that stands in several places out each time, instead of as an anchor."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # PyYAML's signature
        return True


def _printer_column(column: Column) -> dict[str, Any]:
    priority = {"priority": 1} if column.wide else {}
    return {"name": column.name, "type": column.type, "jsonPath": column.path, **priority}


def _object_schema(kind: Kind) -> Schema:
    raw = kind.model.model_json_schema(by_alias=True, mode="validation")
    whole = structural(raw, raw.get("$defs", {}))
    properties = dict(whole["properties"])
    status = properties.pop("status")
    required = [name for name in whole["required"] if name != "status"]
    spec = {"type": "object", "required": required, "properties": properties}
    return {
        "type": "object",
        "description": kind.description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    }


def structural(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """A JSON Schema of pydantic's as a structural schema; what has no type raises KeyError.

    Constraints that are not copied are left to the model, which checks whatever is read.
    """
    if "$ref" in schema:
        target = definitions[schema["$ref"].removeprefix("#/$defs/")]
        described = {"description": schema["description"]} if "description" in schema else {}
        return {**structural(target, definitions), **described}
    if "anyOf" in schema:
        return _union(schema, definitions)
    if "const" in schema:
        return {"type": "string", "enum": [schema["const"]]}
    out = {name: schema[name] for name in _COPIED if name in schema}
    kind = out["type"]
    if kind == "array":
        out["items"] = structural(schema["items"], definitions)
    elif kind == "object":
        out.update(_fields(schema, definitions))
    return out


def _fields(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    values = schema.get("additionalProperties")
    if "properties" in schema:
        return {"properties": {name: structural(each, definitions) for name, each in schema["properties"].items()}}
    if isinstance(values, Mapping) and values:
        return {"additionalProperties": structural(values, definitions)}
    return _FREE


def _union(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """`X | None` is a nullable X; texts of several forms (`Revision | ""`) are a text."""
    members = [structural(each, definitions) for each in schema["anyOf"] if each.get("type") != "null"]
    nullable = {"nullable": True} if len(members) < len(schema["anyOf"]) else {}
    described = {"description": schema["description"]} if "description" in schema else {}
    if len(members) == 1:
        return {**members[0], **described, **nullable}
    (kind,) = {member["type"] for member in members}
    return {"type": kind, **described, **nullable}
