"""What travels with the program: the shipped policies, the sample repository, the CRDs. Trusted as code.

In a wheel they lie inside the package; in a source checkout at the top level.
"""

from pathlib import Path

import reconciler
from reconciler.documents.schema import parse
from reconciler.errors import Misused
from reconciler.judge.question import LoadedPolicy, shipped_policy

_PACKAGE = Path(reconciler.__file__).parent


def bundled(name: str) -> Path:
    """The folder `policies`, `sample-repo` or `crds`; raises Misused when it did not travel."""
    inside = _PACKAGE / "_bundled" / name
    outside = _PACKAGE.parent / ("deploy/crds" if name == "crds" else name)
    for folder in (inside, outside):
        if folder.is_dir():
            return folder
    raise Misused(f"this installation has no {name} folder; install reconciler again")


def rbac() -> Path:
    """The file with the namespace, the identity and the least rights of the daemon; raises Misused without it."""
    for file in (_PACKAGE / "_bundled" / "rbac.yaml", _PACKAGE.parent / "deploy" / "rbac.yaml"):
        if file.is_file():
            return file
    raise Misused("this installation has no rbac.yaml; install reconciler again")


def shipped_policies() -> tuple[LoadedPolicy, ...]:
    """The bundle, by name."""
    folder = bundled("policies")
    loaded = [parse(f"policies/{path.name}", path.read_bytes()) for path in sorted(folder.glob("*.yaml"))]
    return tuple(shipped_policy(document) for document in loaded if document.kind == "Policy")
