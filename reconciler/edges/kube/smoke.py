"""One smoke request: to a ready pod, through the API server's pod proxy.

Not a judgement (plan/smoke makes it). Rules: the first ready pod by name; ten seconds; the first 64 KiB of the answer;
what the API server itself refuses (no right to it, no way to the pod) is told apart from what the pod says. The API
server takes our own credentials off the request before it goes on to the pod.
"""

from collections.abc import Mapping

import orjson

from reconciler.edges.kube.answers import clean, status_of
from reconciler.edges.kube.connect import Connection, segment
from reconciler.edges.kube.pods import ready_pods
from reconciler.model.facts import SmokeAnswer
from reconciler.model.release import Smoke

_SECONDS = 10.0
_MOST = 64 * 1024  # bytes of an answer
_LONGEST = 300  # characters of the API server's own words
_REFUSED = 400


def ask(
    connection: Connection, namespace: str, selector: Mapping[str, str], port: int, smoke: Smoke
) -> SmokeAnswer | None:
    """What a ready pod with these labels answers; None while there is none. Raises what `Connection.request` raises."""
    pod = min(ready_pods(connection, namespace, selector), default=None)
    if pod is None:
        return None
    path = f"/api/v1/namespaces/{segment(namespace)}/pods/{segment(pod)}:{port}/proxy{smoke.path}"
    body = smoke.body.encode() if smoke.body is not None else None
    code, data = connection.proxied(
        smoke.verb, path, body=body, content_type=_content_type(body), timeout=_SECONDS, most=_MOST
    )
    status = status_of(data) if code >= _REFUSED else {}
    if status:
        return SmokeAnswer(pod=pod, problem=clean(str(status.get("message") or f"HTTP {code}"), _LONGEST))
    return SmokeAnswer(pod=pod, status=code, body=data.decode(errors="replace"))


def _content_type(body: bytes | None) -> str:
    try:
        orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        return "text/plain; charset=utf-8"
    return "application/json"
