"""What a release says that it depends on: whether that is there, and leads back to nobody.

Not whether the other one is ready (judge/dependencies). Rules: a release is looked for on the trunk, wherever its file
lies; one whose file does not parse is there; a circle is told by everybody in it, and by nobody who only leads to it.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

from reconciler.documents.schema import Loaded
from reconciler.documents.words import FieldPath, suggestion
from reconciler.errors import Problem
from reconciler.model.release import Dependency, ModelRelease

Name = tuple[str, str]
"""Environment and name of a release."""


class Names(Protocol):
    """The releases that are there."""

    def __contains__(self, name: object, /) -> bool: ...

    def __iter__(self) -> Iterator[Name]: ...


Follow = Callable[[Name], tuple[Name, ...]]
"""What a release depends on; empty for one that does not parse or is not there."""


def depends_on(release: ModelRelease) -> tuple[Name, ...]:
    """The releases that it names."""
    return tuple(named(entry, release) for entry in release.depends_on)


def named(entry: Dependency, release: ModelRelease) -> Name:
    """Which release an entry is about; its environment is the release's own where it says none."""
    return (entry.environment or release.environment, entry.name)


def unmet(release: Loaded, names: Names, follow: Follow) -> Iterator[Problem]:
    """Every dependency of this release that leads nowhere, to itself, in a circle or that stands twice."""
    document = release.as_(ModelRelease)
    own = (document.environment, document.name)
    seen: set[Name] = set()
    for index, entry in enumerate(document.depends_on):
        other = named(entry, document)
        where: FieldPath = ("spec", "dependsOn", index)
        if other == own:
            yield release.problem((*where, "name"), "a release cannot depend on itself")
        elif other in seen:
            yield release.problem((*where, "name"), f"{_told(other)} stands here twice: keep one of them")
        elif other not in names:
            yield release.problem((*where, "name"), _nowhere(other, names))
        elif way := _back(own, other, follow):
            chain = " on ".join(_told(one) for one in (own, *way))
            yield release.problem((*where, "name"), f"the dependencies go in a circle: {chain}")
        seen.add(other)


def _nowhere(other: Name, names: Names) -> str:
    near = suggestion(other[1], [name for environment, name in names if environment == other[0]])
    return f"there is no release {_told(other)}" + (f": {near}" if near else "")


def _back(own: Name, start: Name, follow: Follow) -> list[Name] | None:
    """The way from `start` to `own`, `own` included; None when there is none."""
    ways: list[list[Name]] = [[start]]
    seen = {start}
    while ways:
        way = ways.pop()
        for following in sorted(follow(way[-1])):
            if following == own:
                return [*way, own]
            if following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return None


def _told(name: Name) -> str:
    return "/".join(name)
