"""The pod template of a version, by renderer 1.

Everything here is part of the version: one changed byte restarts every pod, GPUs included. So the inputs are the
version's own fields, the release's patch over it included, and nothing else (not replicas, allowFrom, disruption,
labels, the manifest's digest, the role), and what this file gives for a renderer's number is held by a golden test.
Change it by adding a renderer.

The pod is a restricted one: non-root, no privileges, no capabilities, a read-only root with `/tmp` to write to (`HOME`
is there too, for the caches of model servers), no API token, and no service links, whose variables (`VLLM_PORT` for a
Service called vllm) model servers take for their own settings.
"""

import re
from typing import Any

from reconciler.model.objects import CHECK_CONTAINER, GPU_PRODUCT, MODEL_CONTAINER, config_renamed
from reconciler.model.release import Effective, Model, ModelCheck, Toleration
from reconciler.model.runtime import Port, Probe, Probes
from reconciler.model.variables import EnvVar
from reconciler.render.checking import CHECK_RESOURCES, PROGRAM, PYTHON
from reconciler.render.delivery import Delivery, deliver
from reconciler.render.identity import Body, model_annotations, own_config_names, version_selector
from reconciler.render.patch import strategic
from reconciler.render.quantity import canonical_quantity
from reconciler.render.runtimes import own_arguments, own_variables

GPU = "nvidia.com/gpu"
TMP = "/tmp"  # noqa: S108  # a mount point in the pod, not a temporary file of ours
_SCHEDULING_SECONDS = 300
"""What scheduling and pulling may take before a container starts."""
_STARTUP_PERIOD = 5
_DRAIN_SECONDS = 5
_FEWEST_RIGHTS: Body = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_GRACE_SECONDS = 60
_TOPOLOGY = {"zone": "topology.kubernetes.io/zone", "node": "kubernetes.io/hostname"}
_NAMES = re.compile(r"\$\$|\$\((MODEL_NAME|MODEL_PATH|MODEL_VERSION)\)")


def startup_seconds(effective: Effective) -> int:
    """From a container's start to its first ready answer, in whole periods of the startup probe."""
    budget = int(effective.spec.serving.startup.budget.total_seconds())
    return -(-budget // _STARTUP_PERIOD) * _STARTUP_PERIOD


def deadline_seconds(effective: Effective) -> int:
    """After how long without progress a version has failed; a check reads the model once more."""
    steps = 2 if effective.spec.serving.check else 1
    return steps * startup_seconds(effective) + _SCHEDULING_SECONDS


def serving_ports(effective: Effective) -> tuple[Port, ...]:
    """The ports that the server listens on, the release's own port included; the first one serves the model."""
    return effective.runtime.spec.ports


def service_account(effective: Effective) -> str:
    """The name of the pods' ServiceAccount."""
    return effective.spec.serving.access.service_account or effective.name


def pod_template(effective: Effective, labels: dict[str, str]) -> Body:
    """The `spec.template` of the version's Deployment, with the release's own patch over it."""
    meta = {"labels": labels, "annotations": model_annotations(effective)}
    template: Body = {"metadata": meta, "spec": _pod(effective)}
    patch = effective.spec.serving.pod_template
    return _patched(template, patch, effective) if patch else template


def _patched(template: Body, patch: Body, effective: Effective) -> Body:
    """The patch laid over the template; containers that it brings get no more rights than ours."""
    whole = strategic(template, config_renamed(patch, own_config_names(effective)))
    for kind in ("containers", "initContainers"):
        if kind in whole["spec"]:
            whole["spec"][kind] = [_hardened(container) for container in whole["spec"][kind]]
    return whole


def _hardened(container: Body) -> Body:
    return {**container, "securityContext": strategic(_FEWEST_RIGHTS, container.get("securityContext", {}))}


def pod_security() -> Body:
    """Non-root, with the runtime's own system call filter."""
    return {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def container_security() -> Body:
    """No privileges, no capabilities, a read-only root."""
    return {**_FEWEST_RIGHTS, "readOnlyRootFilesystem": True}


def _pod(effective: Effective) -> Body:
    check = effective.spec.serving.check
    delivery = deliver(effective.spec.model, checked=check is not None)
    placement = effective.spec.serving.placement
    selector = dict(placement.node_selector)
    gpu = effective.spec.serving.resources.gpu
    if gpu and gpu.product:
        selector[GPU_PRODUCT] = gpu.product
    return present(
        {
            "serviceAccountName": service_account(effective),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": _GRACE_SECONDS,
            "securityContext": pod_security(),
            "initContainers": [_check(check, effective.spec.model, delivery)] if check else [],
            "containers": [_container(effective, delivery)],
            "volumes": [*_scratch_volumes(effective), *delivery.volumes],
            "nodeSelector": selector,
            "tolerations": [_toleration(toleration) for toleration in placement.tolerations],
            "topologySpreadConstraints": _spread(effective),
        }
    )


def _container(effective: Effective, delivery: Delivery) -> Body:
    runtime, serving = effective.runtime.spec, effective.spec.serving
    ports = serving_ports(effective)
    return present(
        {
            "name": MODEL_CONTAINER,
            "image": effective.image,
            "imagePullPolicy": "IfNotPresent",
            "command": [_substitute(part, effective, delivery) for part in runtime.command],
            "args": [
                *(_substitute(part, effective, delivery) for part in runtime.args),
                *(_literal(part) for part in own_arguments(effective)),
                *(_substitute(part, effective, delivery) for part in serving.args),
            ],
            "env": _environment(effective, delivery),
            "ports": [{"name": port.name, "containerPort": port.port, "protocol": "TCP"} for port in ports],
            "resources": _resources(effective),
            "volumeMounts": [*_scratch_mounts(effective), *delivery.mounts],
            **_probes(runtime.probes, ports[0].name, startup_seconds(effective)),
            # Endpoints are withdrawn while a pod is asked to stop; requests that are still sent to it must be answered.
            "lifecycle": {"preStop": {"sleep": {"seconds": _DRAIN_SECONDS}}},
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "securityContext": container_security(),
        }
    )


def _check(check: ModelCheck, model: Model, delivery: Delivery) -> Body:
    """The init container that lets nothing start but what was signed."""
    fetched = model.uri if model.uri.startswith("https://") else ""
    words = [*PYTHON, PROGRAM, delivery.path, model.digest, fetched]
    return {
        "name": CHECK_CONTAINER,
        "image": check.image,
        "imagePullPolicy": "IfNotPresent",
        "command": [_literal(word) for word in words],
        "resources": CHECK_RESOURCES,
        "volumeMounts": [_writable(mount) if fetched else mount for mount in delivery.mounts],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": container_security(),
    }


def _writable(mount: Body) -> Body:
    return {name: value for name, value in mount.items() if name != "readOnly"}


def present(body: Body) -> Body:
    """Without empty lists and maps: the server drops them, and we send only what it keeps."""
    return {name: value for name, value in body.items() if value not in ([], {})}


def _substitute(text: str, effective: Effective, delivery: Delivery) -> str:
    """`$(MODEL_…)` replaced once, `$$` left for the kubelet; a value's own `$` is not expanded again."""
    model = effective.spec.model
    values = {"MODEL_NAME": model.name, "MODEL_PATH": delivery.path, "MODEL_VERSION": model.version}
    return _NAMES.sub(lambda match: _literal(values[match[1]]) if match[1] else match[0], text)


def _literal(text: str) -> str:
    return text.replace("$", "$$")


def _environment(effective: Effective, delivery: Delivery) -> list[Body]:
    model = effective.spec.model
    ours = {
        "HOME": TMP,
        "MODEL_NAME": model.name,
        "MODEL_VERSION": model.version,
        "MODEL_PATH": _literal(delivery.path),
        "MODEL_URI": _literal(model.uri),
        **own_variables(effective),
    }
    theirs = {variable.name for variable in effective.spec.serving.env}
    first = [{"name": name, "value": value} for name, value in ours.items() if name not in theirs]
    return [*first, *(variable_body(variable) for variable in effective.spec.serving.env)]


def variable_body(variable: EnvVar) -> Body:
    """A variable of a document as a container has it."""
    if variable.secret_key_ref is not None:
        reference = variable.secret_key_ref
        return {
            "name": variable.name,
            "valueFrom": {"secretKeyRef": {"name": reference.name, "key": reference.key}},
        }
    return {"name": variable.name, "value": variable.value} if variable.value else {"name": variable.name}


def _resources(effective: Effective) -> Body:
    resources = effective.spec.serving.resources
    memory = canonical_quantity(resources.memory)
    limits = {"memory": memory}
    if resources.gpu:
        limits[GPU] = canonical_quantity(str(resources.gpu.count))
    return {"requests": {"cpu": canonical_quantity(resources.cpu), "memory": memory}, "limits": limits}


def _scratch_volumes(effective: Effective) -> list[Body]:
    volumes: list[Body] = [{"name": "tmp", "emptyDir": {}}]
    if effective.gpus:  # GPU libraries exchange tensors there; a container's own has 64 MiB
        volumes.append({"name": "shm", "emptyDir": {"medium": "Memory"}})
    return volumes


def _scratch_mounts(effective: Effective) -> list[Body]:
    mounts: list[Body] = [{"name": "tmp", "mountPath": TMP}]
    if effective.gpus:
        mounts.append({"name": "shm", "mountPath": "/dev/shm"})  # noqa: S108  # a mount point in the pod
    return mounts


def _probes(probes: Probes, port: str, startup: int) -> Body:
    def ask(probe: Probe, **timing: int) -> Body:
        return {"httpGet": {"path": probe.path, "port": port}, **timing}

    body: Body = {
        "startupProbe": ask(
            probes.startup or probes.ready,
            periodSeconds=_STARTUP_PERIOD,
            failureThreshold=startup // _STARTUP_PERIOD,
            timeoutSeconds=5,
        ),
        "readinessProbe": ask(probes.ready, periodSeconds=5, failureThreshold=3, timeoutSeconds=5),
    }
    if probes.live is not None:  # a minute: a busy model server is slow, not dead
        body["livenessProbe"] = ask(probes.live, periodSeconds=10, failureThreshold=6, timeoutSeconds=5)
    return body


def _toleration(toleration: Toleration) -> Body:
    body: dict[str, Any] = {
        "key": toleration.key,
        "operator": toleration.operator,
        "value": toleration.value,
        "effect": toleration.effect,
    }
    return {name: value for name, value in body.items() if value}


def _spread(effective: Effective) -> list[Body]:
    spread = effective.spec.serving.placement.topology_spread
    if spread is None:
        return []
    constraint = {
        "maxSkew": 1,
        "topologyKey": _TOPOLOGY[spread],
        "whenUnsatisfiable": "ScheduleAnyway",  # a GPU in the wrong zone is better than none
        "labelSelector": {"matchLabels": version_selector(effective)},
    }
    return [constraint]
