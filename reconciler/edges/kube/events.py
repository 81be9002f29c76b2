"""Kubernetes Events: what happened, where `kubectl describe` shows it. Best effort; nothing depends on one."""

from datetime import datetime
from typing import Literal

import orjson

from reconciler.edges.kube.answers import clean
from reconciler.edges.kube.connect import Connection
from reconciler.edges.kube.resources import Kind, known_collection
from reconciler.errors import ReconcilerError
from reconciler.model.objects import FIELD_MANAGER, ObjectRef
from reconciler.model.wire import format_time

_EVENT = Kind(group="", version="v1", kind="Event")
_LONGEST_NAME = 200
_SECONDS = 5.0


def emit(
    connection: Connection, about: ObjectRef, uid: str, *, kind: Literal["Normal", "Warning"], reason: str,
    message: str, now: datetime,
) -> bool:  # fmt: skip
    """Create one Event in the object's namespace; False when the cluster did not take it."""
    time = format_time(now)
    involved = {
        "apiVersion": about.api_version, "kind": about.kind, "namespace": about.namespace, "name": about.name,
        "uid": uid,
    }  # fmt: skip
    event = {
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"generateName": f"{about.name[:_LONGEST_NAME]}.", "namespace": about.namespace},
        "involvedObject": involved, "type": kind, "reason": reason, "message": clean(message),
        "firstTimestamp": time, "lastTimestamp": time, "count": 1,
        "source": {"component": FIELD_MANAGER}, "reportingComponent": FIELD_MANAGER, "reportingInstance": "",
    }  # fmt: skip
    path = known_collection(_EVENT, about.namespace)
    try:
        connection.request("POST", path, body=orjson.dumps(event), timeout=_SECONDS)
    except ReconcilerError:
        return False
    return True
