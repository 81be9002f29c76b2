"""How the model gets to its server: one function per URI scheme.

What each does today, and what it does not:

- `oci://` is an image volume: the kubelet pulls the artifact by `model.digest` and mounts it read-only, so what is
  served is what was signed. `MODEL_PATH` is where it is mounted, `/models/<model name>`. Needs a server with image
  volumes (on by default since Kubernetes 1.35).
- `pvc://claim/folder` is that folder of the claim, mounted read-only at the same place. With `serving.check` an init
  container compares it with `model.digest` first (`checking`), otherwise nobody does.
- `hf://organisation/repository@revision` is fetched by the server itself; `MODEL_PATH` is the repository's id, and
  what a runtime needs to pin the revision is that runtime's own (see `runtimes.vllm`).
- `https://` with `serving.check` is fetched into the pod by that init container and compared; `MODEL_PATH` is the file.
- `s3://`, `gs://`, and `https://` without it, are fetched by the server itself from `MODEL_PATH`, which is the URI.
  Nobody checks the content against `model.digest`.

`MODEL_URI` is always the URI as it was signed. An environment allows only `oci` unless it names more, so an unchecked
way is somebody's explicit choice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from reconciler.model.objects import MODEL_VOLUME, MODELS
from reconciler.model.release import Model
from reconciler.render.identity import Body


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Where the server finds the model, and what the pod needs for it."""

    path: str
    volumes: tuple[Body, ...] = ()
    mounts: tuple[Body, ...] = ()


def deliver(model: Model, *, checked: bool = False) -> Delivery:
    """The delivery of a model by its URI's scheme; `checked`: an init container looks at it first."""
    scheme, _, rest = model.uri.partition("://")
    return _fetched(model, rest) if checked and scheme == "https" else DELIVERIES[scheme](model, rest)


def _oci(model: Model, rest: str) -> Delivery:
    image = {"reference": f"{rest.partition('@')[0]}@{model.digest}", "pullPolicy": "IfNotPresent"}
    return _mounted(model, {"image": image})


def _pvc(model: Model, rest: str) -> Delivery:
    claim, _, folder = rest.partition("/")
    return _mounted(model, {"persistentVolumeClaim": {"claimName": claim, "readOnly": True}}, folder.strip("/"))


def _fetched(model: Model, rest: str) -> Delivery:
    """One file in a volume of the pod, under the last name of its address."""
    folder = _mounted(model, {"emptyDir": {}})
    name = rest.partition("?")[0].rpartition("/")[2]
    return replace(folder, path=f"{folder.path}/{name if name.strip('.') else 'model'}")


def _mounted(model: Model, source: Body, folder: str = "") -> Delivery:
    path = _mount_path(model.name)
    mount: Body = {"name": MODEL_VOLUME, "mountPath": path, "readOnly": True}
    if folder:
        mount["subPath"] = folder
    return Delivery(path=path, volumes=({"name": MODEL_VOLUME, **source},), mounts=(mount,))


def _mount_path(name: str) -> str:
    """`/models/<name>`, with nothing in the name that would lead out of it."""
    return "/".join([MODELS, *(part for part in name.split("/") if part.strip("."))])


def _hf(_model: Model, rest: str) -> Delivery:
    return Delivery(path=rest.partition("@")[0])


def _by_server(model: Model, _rest: str) -> Delivery:
    return Delivery(path=model.uri)


DELIVERIES: Mapping[str, Callable[[Model, str], Delivery]] = {
    "oci": _oci,
    "pvc": _pvc,
    "hf": _hf,
    "s3": _by_server,
    "gs": _by_server,
    "https": _by_server,
}
