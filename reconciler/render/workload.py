"""A version's Deployment.

Rules: `replicas` is never in it (sizes are set through the scale subresource, see `Size`), and everything in it is
made of the version's own fields, so a change in place or another role leaves its bytes as they are.
"""

from reconciler.model.ids import ReleaseKey
from reconciler.model.release import Effective
from reconciler.render.identity import (
    Body,
    metadata,
    model_annotations,
    version_labels,
    version_name,
    version_selector,
)
from reconciler.render.pod import deadline_seconds, pod_template


def deployment(effective: Effective, key: ReleaseKey) -> Body:
    """The Deployment by renderer 1.

    A version never changes, so the Deployment's own rolling update runs only after somebody edited it by hand: then
    no ready pod is taken away before its replacement is ready. There is no revision to undo to.
    """
    labels = version_labels(key, effective)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(
            version_name(effective), effective.spec.targets.namespace, labels, model_annotations(effective)
        ),
        "spec": {
            "selector": {"matchLabels": version_selector(effective)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "progressDeadlineSeconds": deadline_seconds(effective),
            "revisionHistoryLimit": 0,
            "template": pod_template(effective, labels),
        },
    }
