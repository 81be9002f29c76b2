"""A release becomes whole: it is laid over its environment's baseline, and every field keeps the file that it is from.

Not its references (`resolve`). Rules: maps merge deep; what the release writes otherwise (a list, a value) replaces the
baseline's; what only one of the two says holds. What is wrong with the merged value is told in the file where that
value stands, and what neither says with both places where it could. Pure, and cheap to ask twice (`Completion`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from reconciler.documents.explain import problems_of
from reconciler.documents.schema import Loaded
from reconciler.documents.words import FieldPath, field_name
from reconciler.errors import Invalid, Problem
from reconciler.model.environment import Environment
from reconciler.model.part import overlay
from reconciler.model.release import ModelRelease, ReleaseSpec, runtime_in

_SPEC: FieldPath = ("spec",)
_DEFAULTS: FieldPath = ("spec", "defaults")


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A release's whole spec, and the files it is from. `environment` is None where there is none to have a baseline.

    Paths are of the release: `("spec", "serving", "runtime")`, also for what stands in the environment's file.
    """

    spec: ReleaseSpec = field(repr=False)
    release: Loaded = field(repr=False)
    environment: Loaded | None = field(repr=False)

    def origin(self, path: FieldPath) -> tuple[Loaded, FieldPath] | None:
        """The file that a field is from, and its path there; None for one that nobody wrote."""
        return _origin(path, self.release, self.environment)

    def place(self, path: FieldPath) -> str:
        """`file:line:column` of a field, or of what is written around it in the release."""
        loaded, inner = self.origin(path) or (self.release, path)
        return "{}:{}:{}".format(loaded.path, *loaded.positions.value(inner))

    def problem(self, path: FieldPath, message: str) -> Problem:
        """A problem at a field's value; one that nobody wrote is spoken of at the one around it, in the release."""
        found = self.origin(path)
        return found[0].problem(found[1], message) if found else self.release.problem(path, message, key=True)


def complete(release: Loaded, environment: Loaded | None) -> Completed:
    """The release over the environment's baseline; raises Invalid with what lacks, and what does not go together."""
    part = release.as_(ModelRelease).spec
    baseline: Mapping[str, Any] = environment.as_(Environment).spec.defaults.data if environment else {}
    if not baseline and part.whole is not None:
        return Completed(spec=part.whole, release=release, environment=environment)
    try:
        spec = ReleaseSpec.from_data(overlay(baseline, part.data))
    except ValidationError as error:
        raise Invalid(_problems(error, release, environment)) from None
    return Completed(spec=spec, release=release, environment=environment)


def runtime_of(release: ModelRelease, environment: Environment | None) -> str:
    """The runtime that a release or its baseline names; empty when neither does."""
    return release.runtime or (runtime_in(environment.spec.defaults) if environment else "")


class Completion:
    """What one release's file was completed to last, so that a pass which finds nothing new completes nothing.

    Shared by passes: the last outcome is replaced by one assignment, and two that do the same work do no harm.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: tuple[str, Completed | tuple[Problem, ...]] | None = None

    def complete(self, release: Loaded, environment: Loaded | None, blob: str) -> Completed:
        """As `complete` of the file that this belongs to; `blob` is the environment's, empty without one."""
        last = self._last
        if last is None or last[0] != blob:
            last = self._last = (blob, _outcome(release, environment))
        if isinstance(last[1], Completed):
            return last[1]
        raise Invalid(last[1])


def _outcome(release: Loaded, environment: Loaded | None) -> Completed | tuple[Problem, ...]:
    try:
        return complete(release, environment)
    except Invalid as error:
        return error.problems


def _origin(path: FieldPath, release: Loaded, environment: Loaded | None) -> tuple[Loaded, FieldPath] | None:
    """A list is of one file, with all that is in it."""
    entry = next((at for at, step in enumerate(path) if isinstance(step, int)), len(path))
    inherited = (*_DEFAULTS, *path[1:])
    if path[:entry] in release.positions.values:
        return (release, path) if path in release.positions.values else None
    if environment is not None and inherited in environment.positions.values:
        return environment, inherited
    return None


def _problems(error: ValidationError, release: Loaded, environment: Loaded | None) -> list[Problem]:
    problems: list[Problem] = []
    for row in error.errors(include_url=False):
        path = (*_SPEC, *row["loc"])
        if row["type"] == "missing":
            problems.append(_missing(path, release, environment))
            continue
        loaded, inner = _origin(path, release, environment) or (release, path)
        told = problems_of([_at(row, inner)], loaded, type(loaded.document))
        mixed = environment if isinstance(row["input"], Mapping) and loaded is release else None
        problems += [_together(problem, path, mixed) for problem in told]
    return problems


def _at(row: ErrorDetails, path: FieldPath) -> ErrorDetails:
    found = row.copy()
    found["loc"] = path
    return found


def _missing(path: FieldPath, release: Loaded, environment: Loaded | None) -> Problem:
    """A field that neither file gives, told at the release, with both places."""
    here = f"this field is missing: add it under '{field_name(path[:-1])}'"
    if environment is None:
        return release.problem(path, here, key=True)
    there = field_name((*_DEFAULTS, *path[1:-1]))
    return release.problem(path, f"{here}, or under '{there}' in {environment.path}", key=True)


def _together(problem: Problem, path: FieldPath, environment: Loaded | None) -> Problem:
    """Names the environment's file, too, where what does not go together is a mapping of both."""
    inherited = (*_DEFAULTS, *path[1:])
    if environment is None or inherited not in environment.positions.values:
        return problem
    place = "{}:{}:{}".format(environment.path, *environment.positions.value(inherited))
    return replace(problem, message=f"{problem.message} (with what {place} gives)")
