"""The forms an answer can take: whole objects, tables for `kubectl get`, or metadata only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from reconciler.demo.api.columns import AGE, COLUMNS, NAME, Shown, age
from reconciler.demo.api.jsonpath import find
from reconciler.demo.api.resources import Column, Resource
from reconciler.demo.api.shapes import Body
from reconciler.demo.api.status import ApiError
from reconciler.demo.api.store import Item

_META = "meta.k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What the client takes. `kind` is empty, `Table`, `PartialObjectMetadata` or its list; `include` is a table's."""

    kind: str = ""
    version: str = "v1"
    include: str = "Metadata"

    @property
    def api_version(self) -> str:
        """Of tables and metadata."""
        return f"{_META}/{self.version}"


WHOLE = Form()
_FORMS = frozenset({"Table", "PartialObjectMetadata", "PartialObjectMetadataList"})


def negotiated(accept: str, include: str) -> Form:
    """The first form in an Accept header that is served here; raises ApiError 406 when none is."""
    for part in accept.split(",") if accept else ():
        media, *pairs = (piece.strip() for piece in part.split(";"))
        wanted = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        if media not in {"application/json", "application/*", "*/*"}:
            continue
        if "as" not in wanted:
            return WHOLE
        if wanted["as"] in _FORMS and wanted.get("g") == _META and wanted.get("v") in {"v1", "v1beta1"}:
            return Form(kind=wanted["as"], version=wanted["v"], include=include or "Metadata")
    if not accept:
        return WHOLE
    raise ApiError(406, "NotAcceptable", "only the following media types are accepted: application/json")


def whole(resource: Resource, item: Item) -> bytes:
    """The object with its type."""
    return b'{"kind":"' + resource.kind.encode() + b'","apiVersion":"' + resource.api_version.encode() + b'",' + (
        item.raw[1:]
    )  # fmt: skip


def one(form: Form, resource: Resource, item: Item) -> bytes:
    """One object in this form."""
    if not form.kind:
        return whole(resource, item)
    if form.kind == "Table":
        version = item.body["metadata"].get("resourceVersion", "")
        return orjson.dumps(_table(form, resource, [item], {"resourceVersion": version}))
    return orjson.dumps(_metadata(form, item))


def many(form: Form, resource: Resource, items: Sequence[Item], meta: Body) -> bytes:
    """A list in this form. Items of built-in kinds come without their type, as the real server sends them."""
    if form.kind == "Table":
        return orjson.dumps(_table(form, resource, items, meta))
    if form.kind:
        head = {"kind": "PartialObjectMetadataList", "apiVersion": form.api_version, "metadata": meta}
        return orjson.dumps(head | {"items": [_metadata(form, item) for item in items]})
    raws = (whole(resource, item) for item in items) if resource.custom else (item.raw for item in items)
    start = orjson.dumps({"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": meta})
    return start[:-1] + b',"items":[' + b",".join(raws) + b"]}"


def _metadata(form: Form, item: Item) -> Body:
    return {"kind": "PartialObjectMetadata", "apiVersion": form.api_version, "metadata": item.body["metadata"]}


def _table(form: Form, resource: Resource, items: Sequence[Item], meta: Body) -> Body:
    shown = _shown(resource)
    definitions = [
        {
            "name": column.name, "type": column.type, "format": "name" if column.name == "Name" else "",
            "description": column.description or column.name, "priority": int(column.wide),
        }
        for column in shown
    ]  # fmt: skip
    rows = []
    for item in items:
        row: Body = {"cells": [column.cell(item.body) for column in shown]}
        if form.include == "Object":
            row["object"] = {"kind": resource.kind, "apiVersion": resource.api_version, **item.body}
        elif form.include == "Metadata":
            row["object"] = _metadata(form, item)
        rows.append(row)
    head = {"kind": "Table", "apiVersion": form.api_version, "metadata": meta}
    return head | {"columnDefinitions": definitions, "rows": rows}


def _shown(resource: Resource) -> tuple[Shown, ...]:
    if resource.columns:
        return (NAME, *map(_custom, resource.columns))
    if resource.custom:
        return (NAME, AGE)
    return COLUMNS.get(resource.kind, (NAME, AGE))


def _custom(column: Column) -> Shown:
    def cell(body: Body) -> Any:
        found = find(column.path, body)
        if not found or found[0] is None:
            return None
        return _spelled(column.type, found)

    return Shown(column.name, cell, column.type, column.priority > 0, column.description)


def _spelled(kind: str, found: list[Any]) -> Any:
    value = found[0]
    if kind == "date":
        try:
            return age(str(value))
        except ValueError:
            return "<invalid>"
    if kind in {"integer", "number", "boolean"}:
        fits = isinstance(value, bool) == (kind == "boolean") and isinstance(value, int | float)
        return value if fits else None
    if len(found) > 1:
        return ",".join(str(each) for each in found)
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
