"""The names of the branches that we make, by which one open promotion per release and environment is known.

A promotion and a rollback both say what is to run, so there is one of the two at a time; a removal is apart.
"""

from typing import Literal

Purpose = Literal["promote", "rollback", "remove"]

_RUNS: tuple[Purpose, ...] = ("promote", "rollback")
_DIGITS = 10  # of a digest; enough to tell two texts of one release apart


def branch_of(purpose: Purpose, environment: str, name: str, digest: str) -> str:
    """The branch that brings a text (`sha256:…`) of a release: `reconciler/promote/prod/fraud-detector/0123456789`."""
    return f"{_before(purpose, environment, name)}{digest.removeprefix('sha256:')[:_DIGITS]}"


def supersedes(branch: str, older: str) -> bool:
    """Whether a branch of ours takes the place of another one: both are about the same release, and not the same."""
    mine, theirs = _about(branch), _about(older)
    return branch != older and mine is not None and mine == theirs


def _before(purpose: str, environment: str, name: str) -> str:
    return f"reconciler/{purpose}/{environment}/{name}/"


def _about(branch: str) -> tuple[str, str, str] | None:
    """Runs or ends, environment and release; None for a branch that is not ours."""
    parts = branch.split("/")
    if len(parts) != 5 or parts[0] != "reconciler" or parts[1] not in (*_RUNS, "remove"):  # noqa: PLR2004  # as made above
        return None
    return ("run" if parts[1] in _RUNS else "end", parts[2], parts[3])
