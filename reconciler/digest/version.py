"""The version: all that changes pods. It names objects, starts rollouts and is quarantined.

Not in it: what applies in place (replicas, disruption, allowFrom), what only chooses where (targets), what is looked at
and not run (evidence, labels). Note [defaults]: fields that have their default are left out, so that a default written
down is the default left away, and a field that a later release of this program adds changes no version that runs. A
default that changes what pods look like is a new renderer, and `render` is in the version.
"""

from typing import Any

from reconciler.digest.sha256 import sha256_of
from reconciler.model.ids import Version
from reconciler.model.release import ReleaseSpec
from reconciler.model.runtime import ResolvedRuntime
from reconciler.model.state import canonical


def version_of(spec: ReleaseSpec, runtime: ResolvedRuntime, image: str, renderer: int) -> Version:
    """The version of a release whose runtime and image are resolved; `renderer` is the number of the renderer."""
    return Version(sha256_of(canonical(_pod_deciding(spec, runtime, image, renderer))))


def _pod_deciding(spec: ReleaseSpec, runtime: ResolvedRuntime, image: str, renderer: int) -> dict[str, Any]:
    serving = spec.serving
    startup = serving.startup.to_data()
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
    }
