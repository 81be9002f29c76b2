"""Who is who among the documents of one repository: identities, the rule of the folder, names that stand twice.

Not references between documents (`resolve`). Rules: identity is kind and name, for a release environment and name, and
never the path; two files with one identity hold both, for nobody can say which one is meant; a release in
`releases/<environment>/` says that environment. An index is a value.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType

from reconciler.documents.schema import Loaded
from reconciler.documents.words import listed
from reconciler.errors import Problem
from reconciler.model.release import ModelRelease
from reconciler.model.trustfile import TrustFile

RELEASES = "releases"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Identity:
    """What a document is, wherever it lies. `environment` is empty for all but releases."""

    kind: str
    environment: str
    name: str

    def __str__(self) -> str:
        scope = f"{self.environment}/" if self.environment else ""
        return f"{self.kind} {scope}{self.name}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The documents by path, and the paths of every identity in order (one, unless something is wrong)."""

    documents: Mapping[str, Loaded] = field(default_factory=lambda: MappingProxyType({}))
    paths: Mapping[Identity, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))


def identity_of(loaded: Loaded) -> Identity:
    """Kind and name; for a release its environment too, and a trust file has its version for a name."""
    document = loaded.document
    environment = document.environment if isinstance(document, ModelRelease) else ""
    name = f"version {document.spec.version}" if isinstance(document, TrustFile) else loaded.name
    return Identity(kind=loaded.kind, environment=environment, name=name)


def index_of(documents: Iterable[Loaded]) -> Index:
    """The index of these documents; of two with one path the later."""
    by_path = {loaded.path: loaded for loaded in documents}
    paths: dict[Identity, tuple[str, ...]] = {}
    for path in sorted(by_path):
        identity = identity_of(by_path[path])
        paths[identity] = (*paths.get(identity, ()), path)
    return Index(documents=MappingProxyType(by_path), paths=MappingProxyType(paths))


def misplaced(loaded: Loaded) -> tuple[Problem, ...]:
    """The problem of a release that lies in another environment's folder; empty when it is in its place."""
    if not isinstance(loaded.document, ModelRelease):
        return ()
    folder = _environment_folder(loaded.path)
    said = loaded.document.environment
    if folder in ("", said):
        return ()
    sentence = (
        f"the file lies in {RELEASES}/{folder}/ but says '{said}': move it to {RELEASES}/{said}/, or write '{folder}'"
    )
    return (loaded.problem(("spec", "environment"), sentence),)


def release_place(path: str) -> tuple[str, str] | None:
    """Environment and name of the release whose file lies at `releases/<environment>/<name>.yaml`; None elsewhere."""
    parts = PurePosixPath(path).parts
    if len(parts) < 3 or parts[-3] != RELEASES:  # noqa: PLR2004  # releases, environment, file
        return None
    return parts[-2], PurePosixPath(path).stem


def twins(index: Index, identity: Identity) -> tuple[Problem, ...]:
    """One problem at every file of an identity that has several; empty otherwise."""
    paths = index.paths.get(identity, ())
    if len(paths) < 2:  # noqa: PLR2004  # alone, or not there
        return ()
    return tuple(
        index.documents[path].problem(
            ("spec", "version") if index.documents[path].kind == "Trust" else ("metadata", "name"),
            f"{identity} stands in {listed(other for other in paths if other != path)} too: keep one of them",
        )
        for path in paths
    )


def problems_at(index: Index, path: str) -> tuple[Problem, ...]:
    """All that is wrong with the document at this path as one among others; empty when nothing is."""
    loaded = index.documents.get(path)
    if loaded is None:
        return ()
    own = tuple(problem for problem in twins(index, identity_of(loaded)) if problem.path == path)
    return (*misplaced(loaded), *own)


def _environment_folder(path: str) -> str:
    """`prod` of `…/releases/prod/…/name.yaml`, empty for a file that is in no environment's folder."""
    parts = PurePosixPath(path).parts
    inner = [at for at, part in enumerate(parts[:-2]) if part == RELEASES]
    return parts[inner[-1] + 1] if inner else ""
