"""Kinds and fields: bytes of a file become one checked document, or every problem it has.

Not here: whether what a document names exists (`resolve`), and whether two of them are the same one (`index`). Rules:
files whose `apiVersion` is not of our group are somebody else's and are left alone; one that is ours and cannot be read
is an error, never an absence; fields have one spelling, the published one; all problems of a file are told at once.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar

import orjson
from pydantic import ValidationError

from reconciler.documents.explain import problem_at, problems_in
from reconciler.documents.load import MAX_BYTES, Positions, Tree, read
from reconciler.documents.secrets import secrets_in
from reconciler.documents.words import FieldPath, field_name, listed, show, suggestion
from reconciler.errors import Invalid, Misused, Problem, Refused
from reconciler.model.cluster import Cluster
from reconciler.model.document import API_VERSION, Document
from reconciler.model.environment import Environment
from reconciler.model.hold import Hold, Waiver
from reconciler.model.policy import Policy, PolicyTest
from reconciler.model.release import ModelRelease
from reconciler.model.runtime import ServingRuntime
from reconciler.model.trustfile import TrustFile
from reconciler.model.wire import Wire

Kinds = Mapping[str, type[Wire]]
D = TypeVar("D", bound=Wire)

KINDS: Kinds = {
    "Cluster": Cluster,
    "Environment": Environment,
    "Hold": Hold,
    "ModelRelease": ModelRelease,
    "Policy": Policy,
    "PolicyTest": PolicyTest,
    "ServingRuntime": ServingRuntime,
    "Trust": TrustFile,
    "Waiver": Waiver,
}
"""What a watched repository may hold, by kind."""

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_HOME = "https://reconciler.dev/schemas/"

_GROUP = API_VERSION.partition("/")[0]
_NEARLY = 0.8  # how alike another group must be to be taken for a misspelling of ours
_OURS = re.compile(rb"apiVersion[\"']?\s*:\s*[\"']?" + re.escape(_GROUP.encode()) + rb"(?![A-Za-z0-9.-])")


class NotOurs(Refused):
    """A file that is no document of ours: other YAML in the repository, to be left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One valid document and where everything in it stands. `name` is empty for a kind that has no metadata (Trust)."""

    path: str
    kind: str
    name: str
    document: Wire = field(repr=False)
    positions: Positions = field(repr=False)

    def as_(self, model: type[D]) -> D:
        """The document as the model it is; raises Misused when it is another one."""
        if not isinstance(self.document, model):
            raise Misused(f"{self.path} is a {self.kind}, not a {model.__name__}.")
        return self.document

    def problem(self, path: FieldPath, message: str, *, key: bool = False) -> Problem:
        """A problem at the value of a field, or at its key."""
        line, column = self.positions.key(path) if key else self.positions.value(path)
        return Problem(path=self.path, line=line, column=column, field=field_name(path), message=message)


def is_document_path(path: str) -> bool:
    """True for the files that documents are looked for in: `*.yaml` and `*.yml`."""
    return path.endswith((".yaml", ".yml"))


def parse(path: str, data: bytes, *, kinds: Kinds = KINDS, max_bytes: int = MAX_BYTES) -> Loaded:
    """The document in a file.

    Raises NotOurs for other people's YAML (also where it is broken), Invalid with every problem of a file of ours.
    """
    tree = read(path, data, max_bytes=max_bytes)
    if not _is_ours(tree, data):
        misspelt = _misspelt_group(tree, kinds)
        if misspelt:
            raise Invalid(misspelt)
        raise NotOurs(f"{path} is no document of {_GROUP}")
    if not tree.complete or len(tree.roots) != 1:
        raise Invalid(tree.problems)
    kind, problems = _kind(tree, kinds)
    if kind is None:
        raise Invalid([*tree.problems, *problems])
    document = _checked(kinds[kind], tree)
    name = document.name if isinstance(document, Document) else ""
    return Loaded(path=path, kind=kind, name=name, document=document, positions=tree.positions)


def parse_as(model: type[D], path: str, data: bytes, *, max_bytes: int = MAX_BYTES) -> tuple[D, Positions]:
    """A file that must hold this model, whatever its kind; raises Invalid with every problem."""
    tree = read(path, data, max_bytes=max_bytes)
    if not tree.complete or len(tree.roots) != 1:
        nothing = Problem(path=path, line=1, column=1, field="", message="the file holds no document")
        raise Invalid(tree.problems or [nothing])
    return _checked(model, tree), tree.positions


def _is_ours(tree: Tree, data: bytes) -> bool:
    for root in tree.roots:
        version = root.get("apiVersion") if isinstance(root, dict) else None
        if isinstance(version, str) and version.partition("/")[0] == _GROUP:
            return True
    return not tree.complete and _OURS.search(data) is not None


def _misspelt_group(tree: Tree, kinds: Kinds) -> list[Problem]:
    """One problem for a document of one of our kinds whose `apiVersion` is nearly ours: it must not be overlooked."""
    root = tree.roots[0] if len(tree.roots) == 1 else None
    kind, given = (root.get("kind"), root.get("apiVersion")) if isinstance(root, dict) else (None, None)
    if not isinstance(kind, str) or kind not in kinds:
        return []
    if not isinstance(given, str) or not get_close_matches(given.partition("/")[0], [_GROUP], cutoff=_NEARLY):
        return []
    return [problem_at(tree, ("apiVersion",), f"unknown apiVersion {show(given)}: did you mean '{API_VERSION}'?")]


def _kind(tree: Tree, kinds: Kinds) -> tuple[str | None, list[Problem]]:
    given = tree.data.get("kind")
    if isinstance(given, str) and given in kinds:
        return given, []
    if "kind" not in tree.data:
        return None, [problem_at(tree, ("kind",), f"this field is missing: add one of {listed(kinds)}")]
    if not isinstance(given, str):
        return None, [problem_at(tree, ("kind",), f"this must be one of {listed(kinds)}")]
    close = suggestion(given, kinds) or f"the kinds are {listed(kinds)}"
    return None, [problem_at(tree, ("kind",), f"unknown kind {show(given)}: {close}")]


def _checked(model: type[D], tree: Tree) -> D:
    problems = list(tree.problems)
    problems.extend(problem_at(tree, path, sentence) for path, sentence in secrets_in(tree.data))
    try:
        document = model.model_validate_json(orjson.dumps(tree.data), by_alias=True, by_name=False)
    except ValidationError as error:
        raise Invalid([*problems, *problems_in(error, tree, model)]) from None
    if problems:
        raise Invalid(problems)
    return document


def json_schema(kind: str, kinds: Kinds = KINDS) -> dict[str, Any]:
    """The published JSON Schema (draft 2020-12) of a kind; raises Misused for an unknown one."""
    if kind not in kinds:
        close = suggestion(kind, kinds) or f"the kinds are {listed(kinds)}"
        raise Misused(f"There is no kind {show(kind)}: {close}")
    body = kinds[kind].model_json_schema(by_alias=True, mode="validation")
    _close(body)
    return {"$schema": SCHEMA_DIALECT, "$id": f"{SCHEMA_HOME}{kind}.json"} | body


def _close(node: Any) -> None:
    """Names that fit no pattern are errors to the models; JSON Schema has to be told so."""
    if isinstance(node, dict) and "patternProperties" in node:
        node["additionalProperties"] = False
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _close(inner)


def schema_files(kinds: Kinds = KINDS) -> dict[str, bytes]:
    """What the folder `schemas/` holds: by file name, the bytes."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return {f"{kind}.json": orjson.dumps(json_schema(kind, kinds), option=options) for kind in sorted(kinds)}
