"""Addresses: a Service per version, and the release's stable one.

A Service's port numbers are the runtime's; its target is the port's name, so that while two versions with different
numbers run, each pod gets its requests on the number that it listens on.
"""

from collections.abc import Mapping

from reconciler.model.ids import ReleaseKey
from reconciler.model.release import Effective
from reconciler.render.identity import (
    ANNOTATION_MANIFEST,
    Body,
    metadata,
    model_annotations,
    release_labels,
    release_selector,
    version_labels,
    version_name,
    version_selector,
)
from reconciler.render.pod import serving_ports


def version_service(effective: Effective, key: ReleaseKey) -> Body:
    """The address of one version."""
    meta = metadata(version_name(effective), effective.spec.targets.namespace, version_labels(key, effective))
    return _service(meta, version_selector(effective), effective)


def release_service(lead: Effective, key: ReleaseKey) -> Body:
    """The address that stays: every ready pod of the release answers. Its annotations speak of the lead version."""
    annotations = {**model_annotations(lead), ANNOTATION_MANIFEST: lead.manifest}
    meta = metadata(key.name, lead.spec.targets.namespace, release_labels(key), annotations)
    return _service(meta, release_selector(key), lead)


def _service(meta: Body, selector: Mapping[str, str], effective: Effective) -> Body:
    ports = [
        {"name": port.name, "port": port.port, "protocol": "TCP", "targetPort": port.name}
        for port in serving_ports(effective)
    ]
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": selector, "ports": ports}}
