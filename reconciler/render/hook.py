"""A hook's Job: one container that runs to its end, hardened like the server's.

Not when it runs (the rollout says that, and a directive names it) and never written a second time: a Job's pod template
cannot change, so what it was made of when it was made stays. Its pods carry no label that a selector of the release
has, because a pod that no probe watches is ready at once and would get the model's requests.
"""

from collections.abc import Iterable, Mapping

from reconciler.model.hooks import Hook
from reconciler.model.ids import ReleaseKey, short
from reconciler.model.objects import LABEL_HOOK, LABEL_RELEASE, LABEL_VERSION
from reconciler.model.release import Effective
from reconciler.render.identity import Body, metadata, model_annotations, version_labels, version_name
from reconciler.render.pod import (
    TMP,
    container_security,
    pod_security,
    present,
    service_account,
    serving_ports,
    variable_body,
)
from reconciler.render.quantity import canonical_quantity

CONTAINER = "hook"


def hook_jobs(names: Iterable[str], effective: Effective, key: ReleaseKey, cluster: str) -> Mapping[str, Body]:
    """The Jobs of the hooks that a directive names, by hook; a name that the release no longer has is none."""
    wanted = frozenset(names)
    return {hook.name: _job(hook, effective, key, cluster) for hook in effective.spec.hooks.all if hook.name in wanted}


def _job(hook: Hook, effective: Effective, key: ReleaseKey, cluster: str) -> Body:
    labels = {**version_labels(key, effective), LABEL_HOOK: hook.name}
    unselected = {name: value for name, value in labels.items() if name not in (LABEL_RELEASE, LABEL_VERSION)}
    annotations = model_annotations(effective)
    name = f"{version_name(effective)}-{hook.name}"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(name, effective.spec.targets.namespace, labels, annotations),
        "spec": {
            "activeDeadlineSeconds": int(hook.job.budget.total_seconds()),
            "backoffLimit": hook.job.retries,
            "template": {
                "metadata": {"labels": unselected, "annotations": annotations},
                "spec": _pod(hook, effective, key, cluster),
            },
        },
    }


def _pod(hook: Hook, effective: Effective, key: ReleaseKey, cluster: str) -> Body:
    """The pod; images are pulled with what the release's own pods are pulled with."""
    own = effective.spec.serving.pod_template.get("spec") or {}
    return present(
        {
            "restartPolicy": "Never",
            "serviceAccountName": service_account(effective),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": pod_security(),
            "imagePullSecrets": own.get("imagePullSecrets") or [],
            "containers": [_container(hook, effective, key, cluster)],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        }
    )


def _container(hook: Hook, effective: Effective, key: ReleaseKey, cluster: str) -> Body:
    job = hook.job
    memory = canonical_quantity(job.resources.memory)
    return present(
        {
            "name": CONTAINER,
            "image": job.image,
            "imagePullPolicy": "IfNotPresent",
            "command": list(job.command),
            "args": list(job.args),
            "env": _environment(hook, effective, key, cluster),
            "resources": {
                "requests": {"cpu": canonical_quantity(job.resources.cpu), "memory": memory},
                "limits": {"memory": memory},
            },
            "volumeMounts": [{"name": "tmp", "mountPath": TMP}],
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "securityContext": container_security(),
        }
    )


def _environment(hook: Hook, effective: Effective, key: ReleaseKey, cluster: str) -> list[Body]:
    """What a script needs to know, then the hook's own variables, which stand in the place of ours."""
    model, namespace = effective.spec.model, effective.spec.targets.namespace
    port = serving_ports(effective)[0].port
    ours = {
        "HOME": TMP,
        "HOOK": hook.name,
        "RELEASE": key.name,
        "ENVIRONMENT": key.environment,
        "CLUSTER": cluster,
        "NAMESPACE": namespace,
        "VERSION": short(effective.version),
        "MODEL_NAME": model.name,
        "MODEL_VERSION": model.version,
        "MODEL_DIGEST": model.digest,
        "MODEL_URI": model.uri.replace("$", "$$"),
        "MODEL_ADDRESS": f"http://{version_name(effective)}.{namespace}:{port}",
    }
    theirs = {variable.name for variable in hook.job.env}
    first = [{"name": name, "value": value} if value else {"name": name} for name, value in ours.items()
             if name not in theirs]  # fmt: skip
    return [*first, *(variable_body(variable) for variable in hook.job.env)]
