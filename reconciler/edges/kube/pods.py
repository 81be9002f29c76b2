"""Why the pods of a version are not ready, down to the last event and log line.

Not health (plan/health decides that) and never asked while all is well: it costs two requests per pod. Rules: at most
five pods, the worst first; texts come from containers and are cleaned and capped; a log or an event that cannot be had
leaves an empty string, because it must not hide what the pod itself says.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from reconciler.edges.kube.answers import clean
from reconciler.edges.kube.connect import Connection, segment
from reconciler.errors import ReconcilerError
from reconciler.model.facts import PodFact

_MOST_PODS = 5
_LISTED = "200"
_LOG_LINES = "3"
_LOG_BYTES = 1024
_SECONDS = 5.0
_PLAIN = frozenset({"Error", "Completed", ""})  # termination reasons that say no more than the exit code


def explain(connection: Connection, namespace: str, selector: Mapping[str, str]) -> tuple[PodFact, ...]:
    """The pods with these labels that are not ready, worst first; raises what `Connection.request` raises."""
    pods = [pod for pod in _list(connection, namespace, selector) if not _ready(pod)]
    pods.sort(key=lambda pod: (-_restarts(pod), _reason(pod)[0] == "", pod["metadata"]["name"]))
    return tuple(_fact(connection, namespace, pod) for pod in pods[:_MOST_PODS])


def ready_pods(connection: Connection, namespace: str, selector: Mapping[str, str]) -> list[str]:
    """The names of the pods with these labels that are ready; raises what `Connection.request` raises."""
    return [pod["metadata"]["name"] for pod in _list(connection, namespace, selector) if _ready(pod)]


def _list(connection: Connection, namespace: str, selector: Mapping[str, str]) -> list[dict[str, Any]]:
    wanted = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    _, body = connection.request("GET", _pods(namespace), query={"labelSelector": wanted, "limit": _LISTED})
    items: list[dict[str, Any]] = orjson.loads(body).get("items") or []
    return items


def _pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{segment(namespace)}/pods"


def _fact(connection: Connection, namespace: str, pod: Mapping[str, Any]) -> PodFact:
    reason, message, container = _reason(pod)
    return PodFact(
        name=pod["metadata"]["name"],
        phase=(pod.get("status") or {}).get("phase", "Unknown"),
        ready=False,
        reason=reason,
        message=clean(message),
        restarts=_restarts(pod),
        last_event=_last_event(connection, namespace, pod),
        log_tail=_log_tail(connection, namespace, pod, container) if container else "",
    )


def _containers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _restarts(pod: Mapping[str, Any]) -> int:
    return sum(row.get("restartCount", 0) for row in _containers(pod))


def _condition(pod: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    rows = (pod.get("status") or {}).get("conditions") or []
    return next((row for row in rows if row.get("type") == kind), {})


def _ready(pod: Mapping[str, Any]) -> bool:
    return _condition(pod, "Ready").get("status") == "True" and "deletionTimestamp" not in pod["metadata"]


def _reason(pod: Mapping[str, Any]) -> tuple[str, str, str]:
    """(reason, message, container or empty): the pod's own first, then the first container in trouble."""
    status = pod.get("status") or {}
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating", "", ""
    if status.get("reason"):
        return status["reason"], status.get("message", ""), ""
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return scheduled.get("reason", "Unschedulable"), scheduled.get("message", ""), ""
    found = next((trouble for row in _containers(pod) for trouble in _troubles(row)), None)
    if found is not None:
        return found
    ready = _condition(pod, "Ready")
    return ready.get("reason", ""), ready.get("message", ""), next(_not_ready(pod), "")


def _troubles(row: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    state, last = row.get("state") or {}, (row.get("lastState") or {}).get("terminated") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    name = row.get("name", "")
    if waiting.get("reason") == "CrashLoopBackOff" and last:
        reason = last.get("reason", "")
        yield (waiting["reason"] if reason in _PLAIN else reason), _exit(last), name
    elif waiting.get("reason") not in {None, "PodInitializing", "ContainerCreating"}:
        yield waiting["reason"], waiting.get("message", ""), name
    elif ended.get("exitCode"):
        yield ended.get("reason") or "Error", _exit(ended), name


def _exit(ended: Mapping[str, Any]) -> str:
    code = f"exit code {ended.get('exitCode')}"
    return f"{code}: {ended['message']}" if ended.get("message") else code


def _not_ready(pod: Mapping[str, Any]) -> Iterator[str]:
    return (row["name"] for row in _containers(pod) if not row.get("ready") and "running" in (row.get("state") or {}))


def _last_event(connection: Connection, namespace: str, pod: Mapping[str, Any]) -> str:
    about = {"involvedObject.uid": pod["metadata"]["uid"], "type": "Warning"}
    selector = ",".join(f"{key}={value}" for key, value in about.items())
    path = f"/api/v1/namespaces/{segment(namespace)}/events"
    try:
        _, body = connection.request("GET", path, query={"fieldSelector": selector, "limit": _LISTED}, timeout=_SECONDS)
    except ReconcilerError:
        return ""
    events = orjson.loads(body).get("items") or []
    if not events:
        return ""
    last = max(events, key=_when)
    return clean(f"{last.get('reason', '')}: {last.get('message', '')}")


def _when(event: Mapping[str, Any]) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((time for time in times if time), event["metadata"].get("creationTimestamp") or "")


def _log_tail(connection: Connection, namespace: str, pod: Mapping[str, Any], container: str) -> str:
    """Of the run that ended when the container was restarted, of the present one otherwise."""
    row = next(row for row in _containers(pod) if row.get("name") == container)
    previous = bool((row.get("lastState") or {}).get("terminated")) and "running" not in (row.get("state") or {})
    if not previous and "waiting" in (row.get("state") or {}):
        return ""  # it never ran
    query = {"container": container, "tailLines": _LOG_LINES, "limitBytes": str(_LOG_BYTES)}
    path = f"{_pods(namespace)}/{segment(pod['metadata']['name'])}/log?{urlencode({'previous': str(previous).lower()})}"
    try:
        _, body = connection.request("GET", f"{path}&{urlencode(query)}", timeout=_SECONDS)
    except ReconcilerError:
        return ""
    lines = body[-_LOG_BYTES:].decode(errors="replace").splitlines()[-int(_LOG_LINES) :]
    return "\n".join(filter(None, (clean(line, _LOG_BYTES) for line in lines)))
