"""The three ways in which a pull request becomes part of its base: made of objects, without a work tree.

Each gives the new tip, or nothing when both sides changed the same lines. Files are taken over byte for byte, so a
signature beside a document is worth as much afterwards as before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from reconciler.demo.forge.repository import Repository
from reconciler.demo.forge.state import Pull
from reconciler.edges.git import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be merged, by whom, and what its commit shall say; empty texts leave that to the forge."""

    pull: Pull
    base: str
    """The commit that the base branch is at."""
    by: Actor
    owner: str
    title: str = ""
    message: str = ""


def _merge(repository: Repository, wish: Wish) -> str:
    """A commit with two parents."""
    pull = wish.pull
    tree = repository.merged_tree(wish.base, pull.head_sha)
    title = wish.title or f"Merge pull request #{pull.number} from {wish.owner}/{pull.head}"
    message = _message(title, wish.message or pull.title)
    parents = [wish.base, pull.head_sha]
    return repository.write(tree, parents, message, author=wish.by, committer=wish.by) if tree else ""


def _squash(repository: Repository, wish: Wish) -> str:
    """One commit in the name of whoever wrote the first of them."""
    pull = wish.pull
    tree = repository.merged_tree(wish.base, pull.head_sha)
    if not tree:
        return ""
    commits = repository.commits(wish.base, pull.head_sha)
    title = wish.title or f"{pull.title} (#{pull.number})"
    message = _message(title, wish.message or "\n".join(f"* {commit.subject}" for commit in commits))
    return repository.write(tree, [wish.base], message, author=commits[0].author, committer=wish.by)


def _rebase(repository: Repository, wish: Wish) -> str:
    """Its commits one by one on top of the base, each with its author, time and message."""
    tip = wish.base
    for commit in repository.commits(wish.base, wish.pull.head_sha, merges=False):
        tree = repository.replayed_tree(commit, tip)
        if not tree:
            return ""
        if tree == repository.commit(tip).tree:
            continue  # the base has this already
        tip = repository.write(
            tree, [tip], commit.message, author=commit.author, committer=wish.by, written=commit.author_time
        )
    return tip if tip != wish.base else ""


def _message(title: str, rest: str) -> str:
    return f"{title}\n\n{rest}\n" if rest else f"{title}\n"


WAYS: Mapping[str, Callable[[Repository, Wish], str]] = MappingProxyType(
    {"merge": _merge, "squash": _squash, "rebase": _rebase}
)
