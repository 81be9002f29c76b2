"""What a release adds of its own: further objects in its namespace (`serving.objects`).

Not their rules (a document that breaks them is refused before). Rules:

- They change in place, and follow the lead version where several name one; an object stays while any version that is
  kept here names it, so that a version which returns finds what it needs. A version at zero makes none
  (`Rendering.kept`) and its text is the last to count, so that nothing of one that is given up holds one that returns.
- A ConfigMap that `podTemplate` names is what pods read: it is part of the version, so each version has a copy of its
  own, called like the version's other objects. A candidate's configuration never reaches a stable pod.
- All carry our labels, so they are owned, repaired and pruned like everything that is rendered.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.model.ids import ReleaseKey
from reconciler.model.release import Effective, object_name
from reconciler.render.identity import Body, metadata, own_config_names, release_labels, version_labels

_Place = tuple[str, str, str]


def further_objects(effectives: Sequence[Effective], key: ReleaseKey) -> list[Body]:
    """The objects that belong to the release as a whole, by kind and name; of two texts the first one counts."""
    found: dict[_Place, Body] = {}
    for effective in effectives:
        serving = effective.spec.serving
        for body in serving.objects:
            if body not in serving.own_config:
                place = (str(body["apiVersion"]).rpartition("/")[0], body["kind"], object_name(body))
                namespace = effective.spec.targets.namespace
                found.setdefault(place, _owned(body, object_name(body), namespace, release_labels(key)))
    return [found[place] for place in sorted(found)]


def own_config(effective: Effective, key: ReleaseKey) -> list[Body]:
    """The version's copies of the ConfigMaps that its pods read."""
    names = own_config_names(effective)
    namespace, labels = effective.spec.targets.namespace, version_labels(key, effective)
    bodies = effective.spec.serving.own_config
    return [_owned(body, names[object_name(body)], namespace, labels) for body in bodies]


def _owned(body: Mapping[str, Any], name: str, namespace: str, labels: Mapping[str, str]) -> Body:
    meta = body["metadata"]
    return {
        **body,
        "metadata": metadata(name, namespace, {**meta.get("labels", {}), **labels}, meta.get("annotations")),
    }
