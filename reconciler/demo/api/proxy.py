"""The pod proxy: what a simulated model server answers through the API server.

Nothing listens anywhere; this is what a pod that is ready would say. A pod whose annotation `fault.test/mode` is
`badanswer` is ready and answers 500 to everything.
"""

from reconciler.demo.api.controllers.faults import BAD_ANSWER, MODE
from reconciler.demo.api.controllers.objects import condition_of
from reconciler.demo.api.messages import Answer, Request, json
from reconciler.demo.api.status import ApiError
from reconciler.demo.api.store import Item


def split(name: str) -> tuple[str, str]:
    """Pod and port of `POD:PORT`; an empty port where none is named."""
    pod, _, port = name.partition(":")
    return pod, port


def proxied(item: Item, port: str, path: tuple[str, ...], request: Request) -> Answer:
    """What the pod answers on this port; raises ApiError 503 when nothing listens there."""
    containers = item.body["spec"]["containers"]
    declared = [str(each["containerPort"]) for container in containers for each in container.get("ports") or ()]
    ready = condition_of(item.body.get("status") or {}, "Ready")
    port = port or next(iter(declared), "80")
    if ready is None or ready["status"] != "True" or port not in declared:
        refused = f"dial tcp 10.0.0.1:{port}: connect: connection refused"
        raise ApiError(503, "ServiceUnavailable", f"error trying to reach service: {refused}")
    variables = {each["name"]: each.get("value", "") for each in containers[0].get("env") or ()}
    model = {"name": variables.get("MODEL_NAME", ""), "version": variables.get("MODEL_VERSION", "")}
    if (item.body["metadata"].get("annotations") or {}).get(MODE) == BAD_ANSWER:
        return json({"error": "cannot compute: the weights do not fit the graph", "model": model}, 500)
    return json({"model": model, "path": "/" + "/".join(path), "bytes": len(request.body)})
