"""Where a command that ends something reads and writes: the work tree as it lies there, or origin's branch.

Not what it ends (`removing`). Rule: both know the same words, so that a removal is the same one in both; what is put
and taken on a branch is only remembered, until it is proposed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from reconciler.cli.signing import existing, read_document, replace_file
from reconciler.errors import Refused

if TYPE_CHECKING:
    from reconciler.cli.proposing import Base
    from reconciler.edges.git.checkout import Checkout


class Place(Protocol):
    """Files of the watched folder, by path."""

    @property
    def shown(self) -> str:
        """What it is called in a sentence."""
        ...

    @property
    def tip(self) -> str:
        """The commit that it is, or that it is a change of."""
        ...

    def contents(self) -> Mapping[str, bytes]:
        """Documents and signatures."""
        ...

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        ...

    def read(self, path: str) -> bytes:
        """A document; raises Refused for what the daemon would not read."""
        ...

    def committed(self, path: str) -> bytes:
        """A document, which must be the one that was committed last: the daemon knows no other. Raises Refused."""
        ...

    def signature(self, path: str) -> bytes:
        """A signature file; empty when there is none."""
        ...

    def put(self, path: str, data: bytes) -> None:
        """Write a file."""
        ...

    def take(self, path: str) -> None:
        """Take a file away."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTree:
    """The watched folder of a clone, as it lies there now."""

    checkout: "Checkout"
    root: Path
    tip: str = "HEAD"

    @property
    def shown(self) -> str:
        """The folder."""
        return str(self.root)

    def contents(self) -> Mapping[str, bytes]:
        """Documents and signatures."""
        from reconciler.cli.tree import work_tree

        return work_tree(self.root, self.checkout).contents

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        return (self.root / path).exists()

    def read(self, path: str) -> bytes:
        """A document; raises Refused for what the daemon would not read."""
        return read_document(self.root, path)

    def committed(self, path: str) -> bytes:
        """A document that is not changed since it was committed; raises Refused."""
        from reconciler.cli.tree import at_revision, watched_path

        data = self.read(path)
        before = at_revision(self.checkout, self.tip, watched_path(self.checkout)).contents.get(path)
        if before != data:
            what = "was never committed" if before is None else "was changed and not committed"
            raise Refused(
                f"{path} {what}, and a removal is of the text that the daemon knows",
                hint=f"undo the change with: git restore {path}" if before is not None else f"delete it: rm {path}",
            )
        return data

    def signature(self, path: str) -> bytes:
        """A signature file; empty when there is none."""
        return existing(self.root / path)

    def put(self, path: str, data: bytes) -> None:
        """Write a file."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, data)

    def take(self, path: str) -> None:
        """Take a file away."""
        (self.root / path).unlink()


@dataclass(frozen=True, slots=True, kw_only=True)
class OnBranch:
    """Origin's branch, and what is to change on it (None: goes away)."""

    base: "Base"
    changes: dict[str, bytes | None] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """The branch."""
        return f"{self.base.branch} of origin"

    @property
    def tip(self) -> str:
        """Its commit."""
        return self.base.revision

    def contents(self) -> Mapping[str, bytes]:
        """Documents and signatures, as they are there."""
        return self.base.contents

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        return path in self.base.contents

    def read(self, path: str) -> bytes:
        """A document."""
        return self.base.contents[path]

    def committed(self, path: str) -> bytes:
        """A document: everything here is committed."""
        return self.base.contents[path]

    def signature(self, path: str) -> bytes:
        """A signature file; empty when there is none."""
        return self.base.contents.get(path, b"")

    def put(self, path: str, data: bytes) -> None:
        """Write a file."""
        self.changes[path] = data

    def take(self, path: str) -> None:
        """Take a file away."""
        self.changes[path] = None
