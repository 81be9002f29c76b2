"""What `serving.ignore` may leave to others: the rules of its pointers, each refusal at its place.

Not the leaving out (render does that), and not the form of a pointer (the model has it). Rules: a pointer names one
field of a kind that this release has; what says which pods run, which image, with which rights, who may call them and
to whom an object belongs is never left to others, nor what such a field lies in.
"""

from collections.abc import Iterator, Mapping

from reconciler.documents.words import FieldPath, listed, show, suggestion
from reconciler.model.objects import LABEL_MANAGED, LABEL_NAME, OWN_DOMAIN
from reconciler.model.release import ReleaseSpec

Found = Iterator[tuple[FieldPath, str]]

PATH: FieldPath = ("spec", "serving", "ignore")
_OURS = (*(name.replace("/", "~1") for name in (LABEL_MANAGED, LABEL_NAME)), f"{OWN_DOMAIN}~1*")
_EVERYWHERE = (
    "/apiVersion", "/kind", "/metadata/name", "/metadata/namespace",
    *(f"/metadata/labels/{name}" for name in _OURS), f"/metadata/annotations/{OWN_DOMAIN}~1*",
)  # fmt: skip
_CONTAINER = ("name", "image", "command", "args", "env", "ports", "securityContext", "volumeMounts", "readinessProbe")
_POD = ("serviceAccountName", "automountServiceAccountToken", "securityContext", "volumes")

PROTECTED: Mapping[str, tuple[str, ...]] = {
    "Deployment": (
        "/spec/selector", "/spec/strategy", "/spec/progressDeadlineSeconds",
        *(f"/spec/template/metadata/labels/{name}" for name in _OURS),
        f"/spec/template/metadata/annotations/{OWN_DOMAIN}~1*",
        *(f"/spec/template/spec/{field}" for field in _POD),
        *(f"/spec/template/spec/{kind}/*/{field}" for kind in ("containers", "initContainers") for field in _CONTAINER),
    ),
    "HorizontalPodAutoscaler": ("/spec/scaleTargetRef", "/spec/minReplicas", "/spec/maxReplicas"),
    "NetworkPolicy": ("/spec",),
    "PodDisruptionBudget": ("/spec/selector", "/spec/maxUnavailable"),
    "PodMonitor": ("/spec/selector", "/spec/podTargetLabels"),
    "Service": ("/spec/selector", "/spec/ports"),
    "ServiceAccount": ("/automountServiceAccountToken",),
}  # fmt: skip
"""Of the kinds that we render, pointers that are never ignored; `*` stands for one step, or the rest of one."""


def ignored(spec: ReleaseSpec) -> Found:
    """What of the release's `ignore` is refused, and where."""
    kinds = {*PROTECTED, *(str(body.get("kind")) for body in spec.serving.objects)}
    for index, row in enumerate(spec.serving.ignore):
        path = (*PATH, index)
        if row.kind not in kinds:
            close = suggestion(row.kind, kinds) or f"there is {listed(kinds)}"
            yield (*path, "kind"), f"this release has no {show(row.kind)}: {close}"
            continue
        steps = row.path.split("/")[1:]
        if steps[-1].isdecimal() or steps[-1] == "-":
            yield (*path, "path"), "an entry of a list cannot be ignored, only a field in one"
            continue
        guarded = next((each for each in (*_EVERYWHERE, *PROTECTED.get(row.kind, ())) if _touches(steps, each)), "")
        if guarded:
            yield (*path, "path"), f"{show(row.path)} would leave {guarded} of {row.kind} to others: name another field"


def _touches(steps: list[str], guarded: str) -> bool:
    """True when one of the two pointers is the other, or lies in it."""
    return all(_fits(step, pattern) for step, pattern in zip(steps, guarded.split("/")[1:], strict=False))


def _fits(step: str, pattern: str) -> bool:
    return step.startswith(pattern[:-1]) if pattern.endswith("*") else step == pattern
