"""The version: all that changes pods. It names objects, starts rollouts and is quarantined.

Not in it: what applies in place (replicas, disruption, allowFrom, objects that no pod reads its configuration from,
fields that are ignored outside of the pod template), what only chooses where (targets), what is looked at
and not run (evidence, labels). Note [defaults]: fields that have their default are left out, so that a default written
down is the default left away, and a field that a later release of this program adds changes no version that runs. A
default that changes what pods look like is a new renderer, and `render` is in the version.
"""

from typing import Any

from reconciler.digest.sha256 import sha256_of
from reconciler.model.ids import Version
from reconciler.model.release import ReleaseSpec, Serving, object_name
from reconciler.model.runtime import ResolvedRuntime
from reconciler.model.state import canonical

_TEMPLATE = "/spec/template/"


def version_of(spec: ReleaseSpec, runtime: ResolvedRuntime, image: str, renderer: int) -> Version:
    """The version of a release whose runtime and image are resolved; `renderer` is the number of the renderer."""
    return Version(sha256_of(canonical(_pod_deciding(spec, runtime, image, renderer))))


def _pod_deciding(spec: ReleaseSpec, runtime: ResolvedRuntime, image: str, renderer: int) -> dict[str, Any]:
    serving = spec.serving
    startup = serving.startup.to_data()
    left_out = _in_template(serving)
    return {
        "render": renderer,
        "model": {
            "name": spec.model.name,
            "version": spec.model.version,
            "uri": spec.model.uri,
            "digest": spec.model.digest,
            "format": spec.model.format,
        },
        "runtime": {"id": runtime.id, "content": runtime.spec.to_data()},
        "image": image,
        "args": list(serving.args),
        "env": [variable.to_data() for variable in serving.env],
        "resources": serving.resources.to_data(),
        "placement": serving.placement.to_data(),
        "serviceAccount": serving.access.service_account,
        **({"startup": startup} if startup else {}),
        **({"check": serving.check.to_data()} if serving.check else {}),
        **({"podTemplate": serving.pod_template} if serving.pod_template else {}),
        **({"config": sorted(serving.own_config, key=object_name)} if serving.own_config else {}),
        **({"ignore": left_out} if left_out else {}),
    }


def _in_template(serving: Serving) -> list[str]:
    """What is left out of the pod template itself: pods that were made with it are made anew without it."""
    return sorted({row.path for row in serving.ignore if row.kind == "Deployment" and row.path.startswith(_TEMPLATE)})
