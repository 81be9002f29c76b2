"""How rendered objects are named, labelled and sealed into bytes.

Rules: an object of a version is named `<release>-<first 10 hex of the version>`, a release's own object `<release>`.
Selectors use only labels that never change for what they select; a version's role (stable, candidate) is in none.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from reconciler.model.ids import ReleaseKey, short
from reconciler.model.objects import (
    LABEL_MANAGED,
    LABEL_NAME,
    LABEL_RELEASE,
    LABEL_STATE,
    LABEL_VERSION,
    MANAGED_BY,
    ObjectRef,
    RenderedObject,
)
from reconciler.model.release import Effective, object_name
from reconciler.model.state import canonical

ANNOTATION_MODEL = "reconciler.dev/model"
ANNOTATION_MODEL_VERSION = "reconciler.dev/model-version"
ANNOTATION_MODEL_DIGEST = "reconciler.dev/model-digest"
ANNOTATION_MANIFEST = "reconciler.dev/manifest"

Body = dict[str, Any]


def version_name(effective: Effective) -> str:
    """The name of every object of this version; at most 51 characters."""
    return f"{effective.name}-{short(effective.version)}"


def own_config_names(effective: Effective) -> dict[str, str]:
    """How the version's own ConfigMaps are called on a cluster, by the names that the release gives them."""
    names = map(object_name, effective.spec.serving.own_config)
    return {name: f"{name}-{short(effective.version)}" for name in names}


def release_labels(key: ReleaseKey) -> dict[str, str]:
    """Labels of an object that belongs to the release as a whole."""
    return {
        LABEL_NAME: key.name,
        LABEL_MANAGED: MANAGED_BY,
        LABEL_RELEASE: key.name,
        LABEL_STATE: key.state_name,
    }


def version_labels(key: ReleaseKey, effective: Effective) -> dict[str, str]:
    """Labels of an object of one version, and of its pods."""
    return {**release_labels(key), LABEL_VERSION: short(effective.version)}


def release_selector(key: ReleaseKey) -> dict[str, str]:
    """Selects the pods of every version of the release."""
    return {LABEL_RELEASE: key.name}


def version_selector(effective: Effective) -> dict[str, str]:
    """Selects the pods of one version, from its first day to its last."""
    return {LABEL_RELEASE: effective.name, LABEL_VERSION: short(effective.version)}


def model_annotations(effective: Effective) -> dict[str, str]:
    """What people look for on an object; made only of fields that are part of the version."""
    model = effective.spec.model
    return {
        ANNOTATION_MODEL: model.name,
        ANNOTATION_MODEL_VERSION: model.version,
        ANNOTATION_MODEL_DIGEST: model.digest,
    }


def metadata(
    name: str, namespace: str, labels: Mapping[str, str], annotations: Mapping[str, str] | None = None
) -> Body:
    """An object's metadata."""
    meta: Body = {"name": name, "namespace": namespace, "labels": dict(labels)}
    return {**meta, "annotations": dict(annotations)} if annotations else meta


def seal(body: Body, tier: int) -> RenderedObject:
    """The object as the bytes that will be applied, and their digest."""
    payload = canonical(body)
    digest = "sha256:" + hashlib.sha256(payload).hexdigest()
    return RenderedObject(ref=ObjectRef.of(body), tier=tier, payload=payload, digest=digest)
