"""A person's own clone: its work tree, its settings, and commits as that person would make them.

Not the daemon's way into a repository (`mirror` is) and not a judge of what lies there. Rules: the same clean
environment as everywhere (no hooks, no prompts, no credential helpers, no settings of the machine), with two
exceptions: this clone's own settings count, and `config` also reads the person's global ones. A clone may come from
anybody, so no program that its settings name is run: filters and merge drivers are off. With its `origin` it speaks as
the person (`personal`), but for `push` and `pull`, which are for one on this machine.
"""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from reconciler.edges.git.commit import Actor, commit_payload, stamp, with_signature
from reconciler.edges.git.history import History, expect, git_folder, history
from reconciler.edges.git.merging import Conflicting, Merged, fork_point_in, merge_in
from reconciler.edges.git.names import path_parts
from reconciler.edges.git.personal import Origin
from reconciler.edges.git.remote import check_ref, check_revision, local_path
from reconciler.edges.git.run import Access, Git, Output
from reconciler.errors import Misused, NotFound, Refused
from reconciler.model.ids import Revision

__all__ = ["Checkout", "History", "history"]

_PROGRAMS = r"^(filter|merge)\..+\.(clean|smudge|process|required|driver)$"
_OFF = {
    "filter": {"clean": "", "smudge": "", "process": "", "required": "false"},
    "merge": {"driver": "false"},  # the program `false`: such a file conflicts
}


class Checkout:
    """A clone with a work tree at `top`. Paths are relative to it, with `/`."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self._git = Git(git_folder(top))

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
        expect(output, f"no repository could be made in {folder}")
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
        expect(output, f"no repository could be made in {folder}")
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
        expect(output, f"{source} could not be cloned")
        return cls(folder)

    def config(self, key: str) -> str:
        """A setting of this clone, else of the person (not of the machine); empty when neither has it."""
        return self._asked([], key) or self.own_config(key)

    def own_config(self, key: str) -> str:
        """A setting that the person has for all of their clones; empty when there is none."""
        files = (["--file", str(file), "--includes"] for file in _personal_settings())
        return next((found for file in files if (found := self._asked(file, key))), "")

    def _asked(self, source: Sequence[str], key: str) -> str:
        output = self._run(["config", *source, "--get", key])
        return output.stdout.decode("utf-8", "replace").removesuffix("\n") if output.ok else ""

    def set_config(self, key: str, value: str) -> None:
        """Write a setting of this clone."""
        expect(self._run(["config", "--local", key, value]), f"the setting {key} could not be written")

    def files(self) -> tuple[str, ...]:
        """Every file of the work tree that is tracked or could be added, sorted; ignored and deleted ones are not."""
        output = self._run(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        expect(output, f"{self.top} could not be listed")
        found = {os.fsdecode(name) for name in output.stdout.split(b"\0") if name}
        return tuple(sorted(name for name in found if os.path.lexists(self.top / name)))

    def changed(self) -> tuple[str, ...]:
        """The files that differ from the last commit, untracked ones too, sorted; deleted ones are not there."""
        words = ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=all"]
        output = self._run(words, contents=True)
        expect(output, f"the changes in {self.top} could not be listed")
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
        expect(added, "the changes could not be added")
        words = ["commit", "--quiet", "--no-verify", "--cleanup=verbatim", f"--message={message}"]
        words += ["--only", "--", *paths] if paths else []
        output = self._run(words, _identity(author, when), contents=True)
        if not output.ok and not self.changed():
            raise Refused(f"there is nothing to commit in {self.top}")
        expect(output, "the commit could not be made")
        return self.head()

    def revert(self, revision: Revision, author: Actor, *, when: datetime | None = None) -> Revision:
        """Commit the opposite of a commit; raises Refused, and leaves everything as it was, when it conflicts."""
        words = ["revert", "--no-edit", "--end-of-options", revision]
        output = self._run(words, _identity(author, when), contents=True)
        if not output.ok:
            self._run(["revert", "--abort"], contents=True)
        expect(output, f"{revision} could not be reverted")
        return self.head()

    def reset(self, revision: Revision) -> None:
        """Move the branch and the work tree to a commit; what they had besides is lost here."""
        output = self._run(["reset", "--quiet", "--hard", check_revision(revision)])
        expect(output, f"{self.top} could not be moved to {revision}")

    def push(self, branch: str = "main") -> None:
        """Push the branch to `origin`, which is on this machine; raises Refused when that has moved on."""
        check_ref(f"refs/heads/{branch}")
        words = ["push", "--quiet", "--no-verify", "--receive-pack=git-receive-pack", "origin", f"refs/heads/{branch}"]
        output = self._run(words, protocols="file")
        expect(output, f"{branch} could not be pushed")

    def upstream(self) -> Origin:
        """The way to `origin`, wherever it is, as the person; raises Misused when it has no address that we use."""
        address, pushed = (self._asked(["--local"], f"remote.origin.{key}") for key in ("url", "pushurl"))
        return Origin(self._git, address, push_address=pushed)

    def remote_ref(self, ref: str) -> Revision | None:
        """What a ref of `origin` points to; None when it has no such ref. Raises Unreachable."""
        return self.upstream().head(ref)

    def fetch(self, ref: str) -> Revision:
        """Bring what a ref of `origin` points to, such as `refs/pull/7/head`; raises NotFound and Unreachable."""
        origin = self.upstream()
        found = origin.fetch(ref)
        if found is None:
            raise NotFound(f"there is no {ref} in {origin.shown}")
        return found

    def merge(self, base: Revision, head: Revision) -> Merged | Conflicting:
        """What merging two commits of the clone would come to, as the daemon would see it; nothing moves.

        Raises Refused when they have nothing in common.
        """
        return merge_in(self._git, base, head)

    def fork_point(self, one: Revision, other: Revision) -> Revision | None:
        """The newest commit that both contain; None when there is none."""
        return fork_point_in(self._git, one, other)

    def tracked(self, branch: str) -> Revision:
        """What the clone remembers of a branch of `origin`; raises NotFound."""
        check_ref(f"refs/heads/{branch}")
        with history(self.top) as opened:
            try:
                return opened.resolve(f"refs/remotes/origin/{branch}")
            except NotFound:
                raise NotFound(
                    f"the clone knows no branch {branch} of origin", hint=f"fetch it first: git fetch origin {branch}"
                ) from None

    @property
    def default_branch(self) -> str:
        """The branch that `origin` is about, as the clone remembers it; else `main`."""
        output = self._run(["symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"])
        name = output.stdout.decode("utf-8", "replace").strip() if output.ok else ""
        return name.removeprefix("origin/") or "main"

    def commit_on(
        self, base: Revision, files: Mapping[str, bytes | None], message: str, author: Actor, *, when: datetime,
        sign: Callable[[bytes], str] | None = None,
    ) -> Revision:  # fmt: skip
        """A commit on top of another one with files put in or, where None, taken out; nothing else moves.

        `sign` gets the commit's bytes and returns an armoured SSH signature (namespace `git`).
        """
        rows = []
        for path, data in sorted(files.items()):
            if not path_parts(path):
                raise Misused(f"{path!r} is not the path of a file in a repository")
            blob = "0" * 40 if data is None else self._made(["hash-object", "-w", "--stdin"], data)
            rows.append(f"{'0' if data is None else '100644'} {blob}\t{path}\0")
        with tempfile.TemporaryDirectory(prefix="reconciler-") as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self._made(["read-tree", check_revision(base)], b"", index)
            self._made(["update-index", "-z", "--index-info"], "".join(rows).encode(), index)
            tree = self._made(["write-tree"], b"", index)
        payload = commit_payload(
            tree=tree, parents=(base,), author=author, committer=author, when=when, message=message
        )  # fmt: skip
        signed = with_signature(payload, sign(payload)) if sign else payload
        return Revision(self._made(["hash-object", "-t", "commit", "-w", "--stdin"], signed))

    def lone_commit(self, name: str, data: bytes, message: str, author: Actor) -> Revision:
        """A commit without parents that holds one file; no branch and no file of the work tree moves."""
        blob = self._made(["hash-object", "-w", "--stdin"], data)
        tree = self._made(["mktree"], f"100644 blob {blob}\t{name}\n".encode())
        return Revision(self._made(["commit-tree", tree, "-m", message], b"", _identity(author, None)))

    def set_ref(self, ref: str, revision: Revision) -> None:
        """Point a ref of this clone to a commit."""
        expect(self._run(["update-ref", check_ref(ref), revision]), f"{ref} could not be written")

    def push_ref(self, ref: str, revision: Revision, expected: Revision | None) -> None:
        """Move a ref of `origin` from `expected` (None: there is none) to a commit.

        Raises Refused when it is something else meanwhile, or origin does not want this, and Unreachable.
        """
        self.upstream().push(ref, revision, expected)

    def _made(self, arguments: Sequence[str], data: bytes, environment: Mapping[str, str] | None = None) -> str:
        """The id of the object that a command of git made."""
        output = self._git.run(arguments, stdin=data, access=Access(environment=environment or {}))
        expect(output, f"git {arguments[0]} could not write")
        return output.stdout.decode("ascii").strip()

    def pull(self, branch: str = "main") -> Revision:
        """Move to what `origin`, which is on this machine, has; raises Refused when both have moved."""
        check_ref(f"refs/heads/{branch}")
        words = ["pull", "--quiet", "--ff-only", "--upload-pack=git-upload-pack", "origin", f"refs/heads/{branch}"]
        output = self._run(words, protocols="file", contents=True)
        expect(output, f"{branch} could not be pulled")
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
