"""What a look at a remote's branch comes to: values with a name each, so that none is taken for an empty repository."""

from dataclasses import dataclass

from reconciler.model.ids import Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The accepted revision moved forward."""

    old: Revision | None
    new: Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """The remote still has the accepted revision."""

    revision: Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """The remote's branch does not contain the accepted revision any more. The accepted one is kept."""

    accepted: Revision
    advertised: Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFromStart:
    """Nothing was accepted before, and the branch does not contain the pinned start."""

    start: Revision
    advertised: Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """The remote answered and has no such branch. What was accepted is kept."""

    ref: str


Advance = Moved | Unchanged | Rewritten | NotFromStart | Missing
