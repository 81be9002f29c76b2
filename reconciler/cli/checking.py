"""Everything that can be wrong with the documents of a tree, without a daemon, a cluster and a trust file.

Not the judgement of signatures and not of policies: it checks that documents parse, stand in their place, stand once,
refer to what is there, and that policies compile. Rule: a mistake is told once, at its place; what only follows from
another mistake is not.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.digest import sha256_of
from reconciler.documents.complete import Completed, complete
from reconciler.documents.depend import Name, depends_on, unmet
from reconciler.documents.index import Index, index_of, problems_at, release_place
from reconciler.documents.load import read
from reconciler.documents.resolve import resolve, runtimes_of, unchained
from reconciler.documents.schema import KINDS, Loaded, NotOurs, is_document_path, parse
from reconciler.errors import Invalid, Problem
from reconciler.model.cluster import Cluster
from reconciler.model.environment import Environment
from reconciler.model.policy import Policy
from reconciler.model.release import ModelRelease
from reconciler.model.trustfile import TrustFile
from reconciler.render import BUILTIN, RENDERER
from reconciler.trust.people import unusable_keys

_NAMED = ("Environment", "Cluster", "ServingRuntime")
"""Kinds that releases refer to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The paths of the documents that were found and every problem, in order; `note` says what was not looked at.

    `concerned` are the releases that a problem in their environment's baseline is about; `completed` the whole ones.
    """

    documents: tuple[str, ...]
    problems: tuple[Problem, ...]
    note: str = ""
    concerned: Mapping[Problem, frozenset[str]] = field(default_factory=dict)
    completed: Mapping[str, Completed] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Everything was looked at, and nothing is wrong."""
        return not self.problems and not self.note


def check_tree(contents: Mapping[str, bytes]) -> Checked:
    """Check all documents among these files (path → bytes) with one another."""
    loaded, broken = _load(contents)
    index = index_of(loaded)
    found = [problem for problems in broken.values() for problem in problems]
    found += [problem for one in loaded for problem in problems_at(index, one.path)]
    note = ""
    completed: dict[str, Completed] = {}
    concerned: dict[Problem, frozenset[str]] = {}
    if any(_may_be_named(path, contents[path]) for path in broken):
        note = "what releases refer to was not checked: first repair the documents that cannot be read"
    else:
        for path, problem in _references(index, contents, completed):
            found.append(problem)
            concerned[problem] = concerned.get(problem, frozenset()) | {path}
        found += _dependencies(index, broken)
    found += _trust_files([one for one in loaded if one.kind == "Trust"])
    found += _policies([one for one in loaded if one.kind == "Policy"])
    paths = sorted([*(one.path for one in loaded), *broken])
    return Checked(
        documents=tuple(paths), problems=tuple(sorted(set(found))), note=note, concerned=concerned, completed=completed
    )


def _load(contents: Mapping[str, bytes]) -> tuple[list[Loaded], dict[str, tuple[Problem, ...]]]:
    """The documents that parse, and by path the problems of those that do not."""
    loaded: list[Loaded] = []
    broken: dict[str, tuple[Problem, ...]] = {}
    for path, data in contents.items():
        if not is_document_path(path):
            continue
        try:
            loaded.append(parse(path, data))
        except NotOurs:
            continue
        except Invalid as error:
            broken[path] = error.problems
    return loaded, broken


def _may_be_named(path: str, data: bytes) -> bool:
    """Whether a document that is not valid may be one that releases refer to."""
    roots = read(path, data).roots
    kind = roots[0].get("kind") if roots and isinstance(roots[0], dict) else None
    return not isinstance(kind, str) or kind not in KINDS or kind in _NAMED


def _references(
    index: Index, contents: Mapping[str, bytes], completed: dict[str, Completed]
) -> Iterator[tuple[str, Problem]]:
    """Every problem with the path of the document that it is about; what is complete is put into `completed`."""
    named: dict[str, dict[str, Loaded]] = {kind: {} for kind in _NAMED}
    for one in index.documents.values():
        if one.kind in named:
            named[one.kind][one.name] = one
    yield from ((problem.path, problem) for problem in unchained(named["Environment"].values()))
    environments = {name: _unchained(one) for name, one in named["Environment"].items()}
    clusters = {name: one.as_(Cluster) for name, one in named["Cluster"].items()}
    runtimes = runtimes_of(BUILTIN.values(), named["ServingRuntime"].values())

    def completing(release: Loaded, environment: Loaded | None) -> Completed:
        completed[release.path] = complete(release, environment)
        return completed[release.path]

    for one in index.documents.values():
        if one.kind != "ModelRelease":
            continue
        try:
            resolve(
                one, environments, runtimes, clusters,
                manifest_sha256=sha256_of(contents[one.path]), repository="", renderer=RENDERER, completing=completing,
            )  # fmt: skip
        except Invalid as error:
            yield from ((one.path, problem) for problem in error.problems)


def _dependencies(index: Index, broken: Iterable[str]) -> Iterator[Problem]:
    """Dependencies that lead nowhere or in a circle. A release that cannot be read is there, by its path."""
    releases: dict[Name, ModelRelease] = {}
    for one in index.documents.values():
        if isinstance(one.document, ModelRelease):
            releases[one.document.environment, one.name] = one.document
    names = {*releases, *(place for path in broken if (place := release_place(path)))}
    for one in index.documents.values():
        if one.kind == "ModelRelease":
            yield from unmet(one, names, lambda name: depends_on(releases[name]) if name in releases else ())


def _unchained(one: Loaded) -> Loaded:
    """Without its place in the chain: that was told at the environment, and not at every release once more."""
    environment = one.as_(Environment)
    spec = environment.spec.model_copy(update={"after": None})
    return replace(one, document=environment.model_copy(update={"spec": spec}))


def _trust_files(files: Iterable[Loaded]) -> Iterator[Problem]:
    """Keys that no signature can be checked with; who signed a trust file is asked by `verify`."""
    for one in files:
        for path, message in unusable_keys(one.as_(TrustFile)):
            yield one.problem(path, message)


def _policies(policies: Iterable[Loaded]) -> Iterator[Problem]:
    """Expressions that do not compile, at their place."""
    policies = list(policies)
    if not policies:
        return
    from reconciler.edges.cel.engine import CelEngine

    with CelEngine() as engine:
        for one in policies:
            for problem in engine.check(one.as_(Policy)):
                yield one.problem(problem.path, problem.message)
