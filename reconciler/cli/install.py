"""`install`: what a cluster needs before the daemon can run: its definitions (CRDs), namespace and least RBAC.

Not the daemon's deployment. Rules: without `--apply` nothing is sent; applying is server-side, repeatable, and says of
every object whether it was created, changed or was there already; it ends when the API server serves the definitions.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.errors import EXIT_DONE, Misused, NotFound, Unreachable

if TYPE_CHECKING:
    from reconciler.edges.kube.connect import Connection

_MANAGER = "reconciler-install"
_APPLY = "application/apply-patch+yaml"
_DEFINITION = "CustomResourceDefinition"
_LOOK_AGAIN = 0.2  # seconds
_OWN = frozenset({"fileReferences", "plainLoopback"})  # a person's own kubeconfig names files of that same person


def install(
    kubeconfig: Annotated[
        Path | None, typer.Option("--kubeconfig", metavar="FILE", envvar="KUBECONFIG", help="Else ~/.kube/config.")
    ] = None,
    context: Annotated[str, typer.Option("--context", help="Which cluster of it; else the current one.")] = "",
    apply: Annotated[bool, typer.Option("--apply", help="Apply instead of printing.")] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="NAME", help="What else the kubeconfig may do: exec:COMMAND, insecureTls."),
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", min=1.0, help="Seconds to wait for the definitions.")] = 60.0,
) -> int:
    """Print what a cluster needs (namespace, definitions, least RBAC), or apply it.

    Example: reconciler install --context home --apply
    """
    from reconciler.cli.output import write

    texts = _texts()
    if not apply:
        write("---\n".join(texts).encode())
        return EXIT_DONE
    from reconciler.edges.kube.connect import open_kubeconfig

    path = kubeconfig or Path.home() / ".kube" / "config"
    connection = open_kubeconfig(path, context or None, name=context or "current", allow=_OWN | frozenset(allow or []))
    try:
        apply_all(connection, timeout=timeout)
    finally:
        connection.close()
    return EXIT_DONE


def apply_all(connection: "Connection", *, timeout: float) -> None:
    """Apply everything to one cluster, say what happened to each object, and wait until definitions are served.

    `timeout` in seconds. Raises Unreachable when they are not served in time, and what the connection raises.
    """
    import yaml

    bodies = [body for text in _texts() for body in yaml.safe_load_all(text) if body]
    for body in bodies:
        print(f"{body['kind']} {body['metadata']['name']}: {_apply(connection, body)}")
    deadline = time.monotonic() + timeout
    for body in bodies:
        if body["kind"] == _DEFINITION:
            _wait_established(connection, body, deadline, timeout)
    print("the cluster serves the definitions")


def _texts() -> list[str]:
    """The YAML files in the order in which they are applied: namespace and access first, then the definitions."""
    from reconciler.loop.bundle import bundled, rbac

    files = [rbac(), *sorted(bundled("crds").glob("*.yaml"))]
    return [file.read_text(encoding="utf-8") for file in files]


def _apply(connection: "Connection", body: dict[str, Any]) -> str:
    """Apply one object; returns what that did."""
    import orjson

    path = _path(connection, body)
    before = _version(connection, path)
    query = {"fieldManager": _MANAGER, "fieldValidation": "Strict", "force": "true"}
    _, answer = connection.request("PATCH", path, query=query, body=orjson.dumps(body), content_type=_APPLY)
    after = orjson.loads(answer)["metadata"].get("resourceVersion", "")
    if not before:
        return "created"
    return "unchanged" if before == after else "changed"


def _path(connection: "Connection", body: dict[str, Any]) -> str:
    from reconciler.edges.kube.resources import Resources
    from reconciler.model.objects import ObjectRef

    return Resources(connection).path(ObjectRef.of(body))


def _version(connection: "Connection", path: str) -> str:
    """The object's resourceVersion; empty when there is no such object."""
    import orjson

    try:
        _, answer = connection.request("GET", path)
    except NotFound:
        return ""
    version: str = orjson.loads(answer)["metadata"]["resourceVersion"]
    return version


def _wait_established(connection: "Connection", body: dict[str, Any], deadline: float, timeout: float) -> None:
    import orjson

    path = _path(connection, body)
    while True:
        _, answer = connection.request("GET", path)
        conditions = (orjson.loads(answer).get("status") or {}).get("conditions") or []
        states = {row["type"]: row for row in conditions}
        if states.get("NamesAccepted", {}).get("status") == "False":
            raise Misused(f"{body['metadata']['name']} is not accepted: {states['NamesAccepted'].get('message', '')}")
        if states.get("Established", {}).get("status") == "True":
            return
        if time.monotonic() >= deadline:
            raise Unreachable(f"the cluster does not serve {body['metadata']['name']} after {timeout:g} seconds")
        time.sleep(_LOOK_AGAIN)
