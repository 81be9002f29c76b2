"""A version's PodMonitor: where Prometheus finds its pods, on clusters that have that kind.

Rules: a cluster without the kind gets nothing, and pods never change for it: the port and path come from the runtime.
Every version has its own, because versions may run on different servers; `jobLabel` keeps one job name for them all,
and the pods' release and version labels are copied onto every series, or two versions could not be told apart.
"""

from reconciler.model.ids import ReleaseKey
from reconciler.model.objects import LABEL_NAME, LABEL_RELEASE, LABEL_VERSION, Kinds
from reconciler.model.release import Effective
from reconciler.model.state import VersionDirective
from reconciler.render.identity import Body, metadata, version_labels, version_name, version_selector
from reconciler.render.runtimes import metrics_endpoint

POD_MONITOR = ("monitoring.coreos.com/v1", "PodMonitor")
OPTIONAL: Kinds = frozenset({POD_MONITOR})
"""Kinds that are rendered only where a cluster has them."""


def pod_monitor(entry: VersionDirective, effective: Effective, key: ReleaseKey, kinds: Kinds) -> list[Body]:
    """The version's PodMonitor, if it has pods, a server that tells its numbers, and a cluster that knows the kind."""
    endpoint = metrics_endpoint(effective)
    if POD_MONITOR not in kinds or entry.high == 0 or endpoint is None:
        return []
    port, path = endpoint
    api_version, kind = POD_MONITOR
    body: Body = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": metadata(version_name(effective), effective.spec.targets.namespace, version_labels(key, effective)),
        "spec": {
            "jobLabel": LABEL_NAME,
            "podTargetLabels": [LABEL_RELEASE, LABEL_VERSION],
            "selector": {"matchLabels": version_selector(effective)},
            "podMetricsEndpoints": [{"port": port, "path": path}],
        },
    }
    return [body]
