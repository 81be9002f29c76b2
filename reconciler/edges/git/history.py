"""What is committed in a repository on this disk, a clone or a bare one: read, and never changed.

Rules: the same clean environment as everywhere; nothing that the repository brings is run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.edges.git.commit import Commit
from reconciler.edges.git.objects import Objects
from reconciler.edges.git.remote import check_revision
from reconciler.edges.git.run import Git, Output
from reconciler.edges.git.tree import Rejected
from reconciler.edges.git.walk import Trees
from reconciler.errors import Misused, NotFound, Refused, Retry
from reconciler.model.ids import BlobId, Revision

_PATH_MISSING = "PathMissing"
_MAX_SPEC = 255  # characters of what a person calls a revision


class History:
    """What is committed in a repository on this disk, bare or with a work tree. Close it after use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._git = Git(git_folder(folder))
        self._objects = Objects(self._git)
        self._trees = Trees(self._objects)

    def close(self) -> None:
        """End the reading process."""
        self._objects.close()

    def resolve(self, name: str) -> Revision:
        """The commit that a person means by a branch, tag or abbreviated id; raises NotFound."""
        if not name or len(name) > _MAX_SPEC or not name.isprintable():
            raise Misused(f"{name[:_MAX_SPEC]!r} cannot be the name of a revision")
        output = self._git.run(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"])
        if not output.ok:
            raise NotFound(f"there is no commit '{name}' in {self.folder}")
        return Revision(output.stdout.decode("ascii").strip())

    def commit(self, revision: Revision) -> Commit:
        """What a commit says about itself; raises NotFound."""
        return self._trees.commit(revision)

    def contains(self, revision: Revision, ancestor: Revision) -> bool:
        """Whether a commit is, or continues, another one; False when that one is not here."""
        return self._git.run(["merge-base", "--is-ancestor", check_revision(ancestor), check_revision(revision)]).ok

    def only_in(self, revision: Revision, other: Revision, limit: int) -> tuple[int, tuple[Commit, ...]]:
        """How many commits lie behind one revision and not behind the other, and the newest of them.

        Raises NotFound when one of the two is not here.
        """
        for one in (revision, other):
            self.commit(check_revision(one))
        output = self._git.run(["rev-list", revision, f"^{other}"])
        expect(output, f"the commits between {other} and {revision} could not be listed")
        found = [Revision(line) for line in output.stdout.decode("ascii").split()]
        return len(found), tuple(self.commit(one) for one in found[:limit])

    def blob(self, blob: BlobId) -> bytes:
        """The bytes of a file by its id; raises NotFound."""
        return self._trees.read(blob)

    def read(
        self, revision: Revision, path: str = ".", *, suffixes: tuple[str, ...] = ("",)
    ) -> tuple[dict[str, bytes], tuple[Rejected, ...]]:
        """The files under `path` whose name ends so (names relative to it → bytes), and what is not read and why.

        Raises NotFound when there is no such folder, or nothing in it.
        """
        try:
            snapshot = self._trees.walk(revision, path)
        except Retry as error:
            if error.reason != _PATH_MISSING:
                raise
            raise NotFound(error.message) from None
        names = [name for name in snapshot.files if name.endswith(suffixes)]
        contents = self._trees.read_many([snapshot.files[name] for name in names])
        return dict(zip(names, contents, strict=True)), snapshot.rejected


@contextmanager
def history(folder: Path) -> Iterator[History]:
    """The history of a repository on this disk, closed at the end; raises Misused when there is none."""
    opened = History(folder)
    try:
        yield opened
    finally:
        opened.close()


def git_folder(folder: Path) -> Path:
    """Where the repository of a work tree, or the bare one that a folder is, keeps its objects."""
    if (folder / ".git").exists():
        return folder.absolute() / ".git"  # a folder, or the file that stands for one in a linked work tree
    if (folder / "HEAD").is_file() and (folder / "objects").is_dir():
        return folder.absolute()
    raise Misused(f"{folder} is not a Git repository")


def expect(output: Output, otherwise: str) -> None:
    """Raise Refused, with git's words, for a command that failed."""
    if not output.ok:
        raise Refused(f"{otherwise}: {output.detail or output.ending.value}")
