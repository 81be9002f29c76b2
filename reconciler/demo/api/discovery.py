"""What clients ask before they know anything: version, groups, resources, and just enough OpenAPI for kubectl."""

from typing import Any

from reconciler.demo.api.resources import Resource, Resources
from reconciler.demo.api.shapes import Body

VERSION = {
    "major": "1", "minor": "37", "gitVersion": "v1.37.2+embedded", "gitCommit": "", "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "", "platform": "embedded",
}  # fmt: skip
_SCALE = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
_VERBS = ["get", "patch", "update"]


def core_versions() -> Body:
    """`/api`."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def _grouped(resources: Resources) -> dict[str, dict[str, list[Resource]]]:
    groups: dict[str, dict[str, list[Resource]]] = {}
    for resource in resources.all:
        groups.setdefault(resource.group, {}).setdefault(resource.version, []).append(resource)
    return groups


def group(resources: Resources, name: str) -> Body | None:
    """`/apis/GROUP`, or None."""
    versions = _grouped(resources).get(name)
    if not name or versions is None:
        return None
    told = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": told, "preferredVersion": told[0]}


def groups(resources: Resources) -> Body:
    """`/apis`."""
    found = [group(resources, name) for name in _grouped(resources) if name]
    told = [{k: v for k, v in each.items() if k not in {"kind", "apiVersion"}} for each in found if each is not None]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": told}


def resource_list(resources: Resources, name: str, version: str) -> Body | None:
    """`/apis/GROUP/VERSION` and `/api/v1`, or None."""
    found = _grouped(resources).get(name, {}).get(version)
    if found is None:
        return None
    rows = [row for resource in found for row in (_row(resource), *_subresource_rows(resource))]
    spelled = f"{name}/{version}" if name else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": spelled, "resources": rows}


def _row(resource: Resource) -> Body:
    row: Body = {
        "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": list(resource.verbs),
    }  # fmt: skip
    if resource.short_names:
        row["shortNames"] = list(resource.short_names)
    if resource.categories:
        row["categories"] = list(resource.categories)
    return row


def _subresource_rows(resource: Resource) -> list[Body]:
    rows = []
    for name in resource.subresources():
        row: Body = {
            "name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced,
            "kind": "Scale" if name == "scale" else resource.kind, "verbs": ["get"] if name == "log" else _VERBS,
        }  # fmt: skip
        if name == "scale":
            row |= {"group": _SCALE["group"], "version": _SCALE["version"]}
        rows.append(row)
    return rows


def aggregated(resources: Resources, *, core: bool, version: str) -> Body:
    """`/api` or `/apis` as one APIGroupDiscoveryList."""
    items = []
    for name, versions in _grouped(resources).items():
        if bool(name) != core:
            told = [
                {"version": each, "freshness": "Current", "resources": [_discovered(resource) for resource in found]}
                for each, found in versions.items()
            ]
            items.append({"metadata": {"name": name, "creationTimestamp": None}, "versions": told})
    return {
        "kind": "APIGroupDiscoveryList", "apiVersion": f"apidiscovery.k8s.io/{version}", "metadata": {}, "items": items,
    }  # fmt: skip


def _discovered(resource: Resource) -> Body:
    row: Body = {
        "resource": resource.plural, "singularResource": resource.singular,
        "responseKind": _type(resource),
        "scope": "Namespaced" if resource.namespaced else "Cluster", "verbs": list(resource.verbs),
    }  # fmt: skip
    if resource.short_names:
        row["shortNames"] = list(resource.short_names)
    if resource.categories:
        row["categories"] = list(resource.categories)
    subresources = [
        {
            "subresource": name, "responseKind": _SCALE if name == "scale" else row["responseKind"],
            "verbs": ["get"] if name == "log" else _VERBS,
        }
        for name in resource.subresources()
    ]  # fmt: skip
    return row | ({"subresources": subresources} if subresources else {})


def openapi_index(resources: Resources) -> Body:
    """`/openapi/v3`."""
    paths = {}
    for name, versions in _grouped(resources).items():
        for version in versions:
            path = f"apis/{name}/{version}" if name else f"api/{version}"
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}"}
    return {"paths": paths}


def openapi(resources: Resources, name: str, version: str) -> Body | None:
    """`/openapi/v3/apis/GROUP/VERSION`: that every kind takes `fieldValidation`; the fields of custom kinds only."""
    found = _grouped(resources).get(name, {}).get(version)
    if found is None:
        return None
    paths = {_path(resource): {"patch": _patch(resource)} for resource in found}
    schemas = {f"{each.group}.{each.version}.{each.kind}": _schema(each) for each in found if each.custom}
    return {"openapi": "3.0.0", "info": _INFO, "paths": paths, "components": {"schemas": schemas}}


_INFO = {"title": "Kubernetes", "version": VERSION["gitVersion"]}


def _path(resource: Resource) -> str:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    within = "/namespaces/{namespace}" if resource.namespaced else ""
    return f"{root}{within}/{resource.plural}/{{name}}"


def _type(resource: Resource) -> Body:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _schema(resource: Resource) -> Body:
    return {**(resource.schema or {}), "x-kubernetes-group-version-kind": [_type(resource)]}


def _patch(resource: Resource) -> Body:
    string: dict[str, Any] = {"type": "string", "uniqueItems": True}
    names = ("dryRun", "fieldManager", "fieldValidation", "force")
    return {
        "parameters": [{"name": each, "in": "query", "schema": string} for each in names],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": _type(resource),
    }


def openapi_v2() -> Body:
    """`/openapi/v2`: for clients that insist; it describes nothing."""
    return {"swagger": "2.0", "info": _INFO, "paths": {}, "definitions": {}}
