"""A person's own clone: its work tree, its settings, and commits as that person would make them.

Not the daemon's way into a repository (`mirror` is) and not a judge of what lies there. Rules: the same clean
environment as everywhere (no hooks, no prompts, no credential helpers, no settings of the machine), with two
exceptions: this clone's own settings count, and `config` also reads the person's global ones. A clone may come from
anybody, so no program that its settings name is run: filters and merge drivers are off. Remotes are on this machine
only: to talk to any other one, people use git. `History` reads what is committed, in a clone or a bare repository, and
never runs anything that the repository brings.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from reconciler.edges.git.commit import Actor, Commit, stamp
from reconciler.edges.git.objects import Objects
from reconciler.edges.git.remote import check_ref, check_revision, local_path
from reconciler.edges.git.run import Access, Git, Output
from reconciler.edges.git.tree import Rejected
from reconciler.edges.git.walk import Trees
from reconciler.errors import Misused, NotFound, Refused, Retry
from reconciler.model.ids import Revision

_PATH_MISSING = "PathMissing"
_PROGRAMS = r"^(filter|merge)\..+\.(clean|smudge|process|required|driver)$"
_OFF = {
    "filter": {"clean": "", "smudge": "", "process": "", "required": "false"},
    "merge": {"driver": "false"},  # the program `false`: such a file conflicts
}
_MAX_SPEC = 255  # characters of what a person calls a revision


class History:
    """What is committed in a repository on this disk, bare or with a work tree. Close it after use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._git = Git(_git_folder(folder))
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
        _expect(output, f"the commits between {other} and {revision} could not be listed")
        found = [Revision(line) for line in output.stdout.decode("ascii").split()]
        return len(found), tuple(self.commit(one) for one in found[:limit])

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


class Checkout:
    """A clone with a work tree at `top`. Paths are relative to it, with `/`."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self._git = Git(_git_folder(top))

    @classmethod
    def find(cls, folder: Path) -> "Checkout":
        """The clone around a folder; raises Misused when there is none."""
        try:
            here = folder.resolve()
        except (RuntimeError, OSError):  # which of the two depends on Python's version
            raise Misused(f"{folder} is a link that leads nowhere") from None
        for top in (here, *here.parents):
            if (top / ".git").exists():
                return cls(top)
        raise Misused(f"{folder} is not in a Git repository", hint="go into one, or name a folder of one")

    @classmethod
    def init(cls, folder: Path, branch: str = "main") -> "Checkout":
        """A new repository in a folder, which is made when it does not exist. An existing repository is refused."""
        check_ref(f"refs/heads/{branch}")
        folder = folder.absolute()
        if (folder / ".git").exists():
            raise Refused(f"{folder} is a Git repository already")
        folder.mkdir(parents=True, exist_ok=True)
        output = Git(folder / ".git").run(
            ["-C", str(folder), "init", "--quiet", "--template=", f"--initial-branch={branch}"],
            access=Access(environment={"GIT_WORK_TREE": str(folder)}),
        )
        _expect(output, f"no repository could be made in {folder}")
        return cls(folder)

    @staticmethod
    def init_bare(folder: Path, branch: str = "main") -> Path:
        """A new repository without a work tree, to clone from and push to; returns its absolute path."""
        check_ref(f"refs/heads/{branch}")
        folder = folder.absolute()
        if folder.exists():
            raise Refused(f"{folder} exists already")
        folder.mkdir(parents=True)
        output = Git(folder).run(["init", "--quiet", "--bare", "--template=", f"--initial-branch={branch}"])
        _expect(output, f"no repository could be made in {folder}")
        return folder

    @classmethod
    def clone(cls, url: str, folder: Path) -> "Checkout":
        """A clone of a repository on this machine (a path or file URL) into a folder that does not exist."""
        folder = folder.absolute()
        if folder.exists():
            raise Refused(f"{folder} exists already")
        source = local_path(url)
        output = Git(folder / ".git").run(
            ["clone", "--quiet", "--template=", "--no-hardlinks", "--", source.as_uri(), str(folder)],
            access=Access(protocols="file"),
        )
        _expect(output, f"{source} could not be cloned")
        return cls(folder)

    def config(self, key: str) -> str:
        """A setting of this clone, else of the person (not of the machine); empty when neither has it."""
        for source in ([], *(["--file", str(file), "--includes"] for file in _personal_settings())):
            output = self._run(["config", *source, "--get", key])
            if output.ok:
                return output.stdout.decode("utf-8", "replace").removesuffix("\n")
        return ""

    def set_config(self, key: str, value: str) -> None:
        """Write a setting of this clone."""
        _expect(self._run(["config", "--local", key, value]), f"the setting {key} could not be written")

    def files(self) -> tuple[str, ...]:
        """Every file of the work tree that is tracked or could be added, sorted; ignored and deleted ones are not."""
        output = self._run(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        _expect(output, f"{self.top} could not be listed")
        found = {os.fsdecode(name) for name in output.stdout.split(b"\0") if name}
        return tuple(sorted(name for name in found if os.path.lexists(self.top / name)))

    def changed(self) -> tuple[str, ...]:
        """The files that differ from the last commit, untracked ones too, sorted; deleted ones are not there."""
        words = ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=all"]
        output = self._run(words, contents=True)
        _expect(output, f"the changes in {self.top} could not be listed")
        names = (os.fsdecode(row[3:]) for row in output.stdout.split(b"\0") if row)
        return tuple(sorted(name for name in names if os.path.lexists(self.top / name)))

    def head(self) -> Revision:
        """The commit that is checked out; raises NotFound in a repository without one."""
        with history(self.top) as opened:
            return opened.resolve("HEAD")

    def commit(
        self, message: str, author: Actor, *, paths: Sequence[str] | None = None, when: datetime | None = None
    ) -> Revision:
        """Commit every change, or only those of `paths`; raises Refused when there is none.

        `when` (aware) is the time of the commit; without it git takes its own.
        """
        added = self._run(["add", "--all", "--", *(paths or ["."])], contents=True)
        _expect(added, "the changes could not be added")
        words = ["commit", "--quiet", "--no-verify", "--cleanup=verbatim", f"--message={message}"]
        words += ["--only", "--", *paths] if paths else []
        output = self._run(words, _identity(author, when), contents=True)
        if not output.ok and not self.changed():
            raise Refused(f"there is nothing to commit in {self.top}")
        _expect(output, "the commit could not be made")
        return self.head()

    def revert(self, revision: Revision, author: Actor, *, when: datetime | None = None) -> Revision:
        """Commit the opposite of a commit; raises Refused, and leaves everything as it was, when it conflicts."""
        words = ["revert", "--no-edit", "--end-of-options", revision]
        output = self._run(words, _identity(author, when), contents=True)
        if not output.ok:
            self._run(["revert", "--abort"], contents=True)
        _expect(output, f"{revision} could not be reverted")
        return self.head()

    def reset(self, revision: Revision) -> None:
        """Move the branch and the work tree to a commit; what they had besides is lost here."""
        output = self._run(["reset", "--quiet", "--hard", check_revision(revision)])
        _expect(output, f"{self.top} could not be moved to {revision}")

    def push(self, branch: str = "main") -> None:
        """Push the branch to `origin`, which is on this machine; raises Refused when that has moved on."""
        check_ref(f"refs/heads/{branch}")
        words = ["push", "--quiet", "--no-verify", "--receive-pack=git-receive-pack", "origin", f"refs/heads/{branch}"]
        output = self._run(words, protocols="file")
        _expect(output, f"{branch} could not be pushed")

    @property
    def origin(self) -> Path | None:
        """Where `origin` lies, when that is on this machine; None for every other remote, and when there is none."""
        try:
            return local_path(self.config("remote.origin.url"))
        except Misused:
            return None

    def remote_ref(self, ref: str) -> Revision | None:
        """What a ref of `origin`, which is on this machine, points to; None when it has no such ref."""
        output = self._run(["ls-remote", "--quiet", "origin", check_ref(ref)], protocols="file")
        _expect(output, f"{ref} of origin could not be read")
        rows = (line.partition("\t") for line in output.stdout.decode("ascii", "replace").splitlines())
        return next((Revision(found) for found, _, name in rows if name == ref), None)

    def lone_commit(self, name: str, data: bytes, message: str, author: Actor) -> Revision:
        """A commit without parents that holds one file; no branch and no file of the work tree moves."""
        blob = self._made(["hash-object", "-w", "--stdin"], data)
        tree = self._made(["mktree"], f"100644 blob {blob}\t{name}\n".encode())
        return Revision(self._made(["commit-tree", tree, "-m", message], b"", _identity(author, None)))

    def set_ref(self, ref: str, revision: Revision) -> None:
        """Point a ref of this clone to a commit."""
        _expect(self._run(["update-ref", check_ref(ref), revision]), f"{ref} could not be written")

    def push_ref(self, ref: str, revision: Revision, expected: Revision | None) -> None:
        """Move a ref of `origin`, which is on this machine, from `expected` (None: there is none) to a commit.

        Raises Refused when it is something else meanwhile, or origin does not want this.
        """
        lease = f"--force-with-lease={check_ref(ref)}:{expected or ''}"
        output = self._run(["push", "--quiet", "--no-verify", lease, "origin", f"{revision}:{ref}"], protocols="file")
        _expect(output, f"{ref} could not be pushed")

    def _made(self, arguments: Sequence[str], data: bytes, environment: Mapping[str, str] | None = None) -> str:
        """The id of the object that a command of git made."""
        output = self._git.run(arguments, stdin=data, access=Access(environment=environment or {}))
        _expect(output, f"git {arguments[0]} could not write")
        return output.stdout.decode("ascii").strip()

    def pull(self, branch: str = "main") -> Revision:
        """Move to what `origin`, which is on this machine, has; raises Refused when both have moved."""
        check_ref(f"refs/heads/{branch}")
        words = ["pull", "--quiet", "--ff-only", "--upload-pack=git-upload-pack", "origin", f"refs/heads/{branch}"]
        output = self._run(words, protocols="file", contents=True)
        _expect(output, f"{branch} could not be pulled")
        return self.head()

    def _run(
        self, arguments: Sequence[str], environment: Mapping[str, str] | None = None, *, protocols: str = "none",
        contents: bool = False,
    ) -> Output:  # fmt: skip
        """Run git here; `contents`: it looks into files, so it would run what this clone's settings name for them."""
        access = Access(
            protocols=protocols,
            environment={"GIT_WORK_TREE": str(self.top), **(environment or {})},
            config=self._without_programs() if contents else (),
        )
        return self._git.run(["-C", str(self.top), *arguments], access=access)

    def _without_programs(self) -> tuple[tuple[str, str], ...]:
        """Settings that turn every filter and merge driver off that this clone configures."""
        output = self._run(["config", "--null", "--name-only", "--get-regexp", _PROGRAMS])
        names = {os.fsdecode(name) for name in output.stdout.split(b"\0") if name}
        drivers = {name.rpartition(".")[0] for name in names}
        return tuple(
            (f"{driver}.{key}", value)
            for driver in sorted(drivers)
            for key, value in _OFF[driver.partition(".")[0]].items()
        )


def _git_folder(folder: Path) -> Path:
    """Where the repository of a work tree, or the bare one that a folder is, keeps its objects."""
    if (folder / ".git").exists():
        return folder.absolute() / ".git"  # a folder, or the file that stands for one in a linked work tree
    if (folder / "HEAD").is_file() and (folder / "objects").is_dir():
        return folder.absolute()
    raise Misused(f"{folder} is not a Git repository")


def _personal_settings() -> tuple[Path, ...]:
    """The person's own settings files, the one that wins first."""
    named = os.environ.get("GIT_CONFIG_GLOBAL")
    home = Path(os.environ.get("HOME") or "/nonexistent")
    general = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "git" / "config"
    return tuple(file for file in ([Path(named)] if named else [home / ".gitconfig", general]) if file.is_file())


def _identity(actor: Actor, when: datetime | None) -> dict[str, str]:
    who = {
        "GIT_AUTHOR_NAME": actor.name,
        "GIT_AUTHOR_EMAIL": actor.email,
        "GIT_COMMITTER_NAME": actor.name,
        "GIT_COMMITTER_EMAIL": actor.email,
    }
    if when is None:
        return who
    stamp(actor, when)  # refuses names that git would read as something else
    date = f"{int(when.timestamp())} +0000"
    return {**who, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}


def _expect(output: Output, otherwise: str) -> None:
    if not output.ok:
        raise Refused(f"{otherwise}: {output.detail or output.ending.value}")
