"""One bare mirror of one configured repository, and the only way in which its accepted revision moves.

Not a work tree, and nothing in it is needed: lost or damaged, it is made anew from the remote. Rules: poll with one
`ls-remote` of one ref, fetch only when that moved; one explicit refspec without `+`, checked by git (fsck) and limited
in size and time, into a ref that does not exist before; the accepted ref moves by compare-and-swap, forward only
(`accept` is for what people signed). A branch that is gone, rewritten or unrelated is an answer with a name, never an
empty repository. One process at a time may use a folder of mirrors.
"""

import shutil
import threading
from pathlib import Path

from reconciler.digest import blob_id
from reconciler.edges.git.advance import Advance, Missing, Moved, NotFromStart, Rewritten, Unchanged
from reconciler.edges.git.fetching import fetch_failed, too_large
from reconciler.edges.git.names import folder_name
from reconciler.edges.git.objects import Objects
from reconciler.edges.git.remote import MIB, Remote, check_head_ref, check_ref, check_revision
from reconciler.edges.git.run import LOCAL_TIMEOUT, Ending, Git, Output
from reconciler.edges.git.walk import MAX_BLOB, MAX_FILES, Trees
from reconciler.errors import Conflict, Misused, Retry
from reconciler.model.ids import BlobId, RepositoryName, Revision

STAGED = "refs/staged/trunk"
ACCEPTED = "refs/accepted/trunk"
_OTHERS = "refs/others"
_INCOMING = "refs/incoming/fetch"
_NOBODY = "0" * 40
_CONFIG = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
_PACKS = 32  # more packs than this are joined: every read looks into each
_LOOSE = 27  # objects in one of 256 folders, about 7,000 in all: what git itself takes for many
HEAD_LIMIT = 64 * MIB  # bytes that a pull request may bring: the trunk's own fetch waits as long as that takes
HEAD_SECONDS = 20.0  # … and how long it may take
_SMALL = MIB  # bytes that a fetch of one small file may bring
_LEFTOVERS = (
    "objects/pack/tmp_*",
    "objects/pack/.tmp-*",
    "objects/*/tmp_obj*",
    "*.lock",
    "refs/**/*.lock",
    "fast_import_crash_*",
)


class Mirror:
    """The mirror of one repository in a folder of ours under `home`. Everything that changes it takes its lock."""

    def __init__(
        self,
        home: Path,
        name: RepositoryName,
        remote: Remote,
        *,
        max_blob: int = MAX_BLOB,
        max_files: int = MAX_FILES,
    ) -> None:
        self.remote = remote
        self.git = Git(home / folder_name(name))
        self.objects = Objects(self.git)
        self.trees = Trees(self.objects, max_blob=max_blob, max_files=max_files)
        self.lock = threading.RLock()
        self._staged: Revision | None = None
        self._gone = False
        self._open = False

    @property
    def folder(self) -> Path:
        """Where the mirror lies; it may be deleted at any time."""
        return self.git.folder

    def close(self) -> None:
        """End the reading process. The mirror can still be used."""
        self.objects.close()

    def advertised(self) -> Revision | None:
        """What the remote's branch points to now; None: the remote answered and has no such branch.

        One short-lived process, and no lock while it runs. Raises `Retry` (FetchFailed).
        """
        found = self._list(self.remote.ref)
        self._gone = found is None
        return found

    def fetch(self) -> Revision | None:
        """Bring the branch into the staging ref; None: the remote has no such branch (what was staged is kept).

        Raises `Retry`: FetchFailed (unreachable, too slow) or FetchRefused (too large, malformed, shallow).
        """
        with self.lock:
            self.ensure()
            found = self._fetch(self.remote.ref, STAGED)
            self._gone = found is None
            self._staged = found or self._staged
            return found

    def fetch_ref(self, ref: str) -> Revision | None:
        """Bring another ref (the ledger's) into the mirror, wherever it moved; None: the remote has none."""
        with self.lock:
            self.ensure()
            if self._list(check_ref(ref)) is None:
                return None
            return self._fetch(ref, f"{_OTHERS}/{ref.removeprefix('refs/')}")

    def fetch_file(self, ref: str, name: str, limit: int) -> tuple[Revision, BlobId, bytes] | None:
        """What a ref points to now, and the file `name` of at most `limit` bytes at the top of that commit's tree.

        Nothing of it is kept but the objects. None: the remote has no such ref, or it is no commit with such a file.
        Raises `Retry` as `fetch` (FetchRefused when it would bring more than a few files), `Refused` for a large file.
        """
        with self.lock:
            self.ensure()
            there = f"{_OTHERS}/file"
            found = self._fetch(check_ref(ref), there, limit=_SMALL)
            if found is None:
                return None
            self._delete(there)
            (info,) = self.objects.info([f"{found}:{name}"])
            if info is None or info.kind != "blob":
                return None
            return found, BlobId(info.id), self.objects.one(info.id, "blob", limit)

    def write_blob(self, data: bytes) -> BlobId:
        """Keep bytes that came from elsewhere (a comment), so that they can go where a blob goes."""
        name = blob_id(data)
        with self.lock:
            self.ensure()
            if self.objects.info([name]) == [None]:
                output = self.git.run(["hash-object", "-w", "--stdin"], stdin=data)
                if not output.ok:
                    raise self.objects.damage(output.detail)
        return name

    def fetch_head(self, ref: str, head: Revision) -> None:
        """Bring a pull request's head, which the forge keeps at `ref` of the base repository; nothing if it is here.

        Raises `Retry`: as `fetch`, and HeadMoved when the ref is gone or is, and contains, something else by now.
        """
        check_head_ref(ref)
        with self.lock:
            self.ensure()
            (known,) = self.objects.info([check_revision(head)])
            there = f"{_OTHERS}/{ref.removeprefix('refs/')}"
            if known is None and not self._contains_now(
                self._fetch(ref, there, limit=HEAD_LIMIT, seconds=HEAD_SECONDS), head
            ):
                raise Retry(f"{ref} of {self.remote.shown} is not {head[:12]} any more.", reason="HeadMoved")

    def forget_head(self, ref: str) -> None:
        """Keep a pull request's head no longer."""
        with self.lock:
            self._delete(f"{_OTHERS}/{check_head_ref(ref).removeprefix('refs/')}")

    def forget_ref(self, ref: str) -> None:
        """Keep no longer what `fetch_ref` brought; the objects stay until somebody sweeps."""
        with self.lock:
            self._delete(f"{_OTHERS}/{check_ref(ref).removeprefix('refs/')}")

    def refs_under(self, prefix: str) -> dict[str, Revision]:
        """What the remote has under a prefix of refs (`refs/reconciler/trunk`): by full name; one `ls-remote`."""
        found = self._refs(f"{check_ref(prefix)}/*")
        return {ref: revision for ref, revision in found.items() if ref.startswith(f"{prefix}/")}

    def accept(self, new: Revision) -> None:
        """Move the accepted ref to a commit that people accepted: the only step that is no fast-forward.

        What was fetched last must contain it; raises `Retry` (FetchFailed) when it does not any more, `Conflict` when
        another process moved the accepted ref meanwhile.
        """
        with self.lock:
            self.ensure()
            if self._staged is None or not self._contains(self._staged, check_revision(new)):
                raise Retry(f"{self.remote.ref} of {self.remote.shown} moved meanwhile.", reason="FetchFailed")
            self._move(ACCEPTED, new)

    def advance(self, accepted: Revision | None, start: Revision | None) -> Advance:
        """Judge what was fetched last against the revision accepted so far and, if it is newer, accept it.

        `accepted` comes from the home cluster or the ledger, never from this disk. Without it the branch must contain
        `start`; with neither, `Misused`. Raises `Retry` when nothing was fetched yet, `Conflict` when another process
        moved the accepted ref meanwhile.
        """
        anchor = accepted or start
        if anchor is None:
            raise Misused("The repository has no accepted revision yet: set `start` to a commit of its branch.")
        check_revision(anchor)
        with self.lock:
            self.ensure()
            if self._gone:
                return Missing(ref=self.remote.ref)
            staged = self._staged
            if staged is None:
                raise Retry(f"{self.remote.shown} has not been fetched yet.", reason="FetchFailed")
            if not self._contains(staged, anchor):
                if accepted is None:
                    return NotFromStart(start=anchor, advertised=staged)
                return Rewritten(accepted=accepted, advertised=staged)
            self._move(ACCEPTED, staged)
            return Unchanged(revision=staged) if staged == accepted else Moved(old=accepted, new=staged)

    def poll(self, accepted: Revision | None, start: Revision | None) -> Advance:
        """Look at the remote, fetch if it moved, and judge. Quiet: one `ls-remote` and nothing else."""
        now = self.advertised()
        with self.lock:
            self.ensure()
            if now is not None and now != self._staged:
                self.fetch()
            elif now is not None and now == accepted:
                return Unchanged(revision=now)
            return self.advance(accepted, start)

    def contains(self, revision: Revision | None, ancestor: Revision) -> bool:
        """Whether a commit that the mirror has is, or continues, another one; False when either is not here."""
        with self.lock:
            self.ensure()
            return revision is not None and self._contains(revision, check_revision(ancestor))

    def ensure(self) -> None:
        """Open the mirror, or make it anew when it is lost, damaged or not as we write it."""
        with self.lock:
            if self._open and not self.objects.damaged and (self.folder / "HEAD").is_file():
                return
            if self.objects.damaged or not self._as_written():
                self._make()
            self._staged = self._resolve(STAGED)
            self._open = True

    def tidy(self) -> None:
        """Join packs and loose objects when there are many: reading stays as fast as on the first day."""
        with self.lock:
            packs = len(list((self.folder / "objects/pack").glob("*.pack")))
            loose = len(list((self.folder / "objects/17").glob("*")))
            if packs <= _PACKS and loose <= _LOOSE:
                return
            output = self.git.run(["repack", "-q", "-d", "--geometric=2"])
            if not output.ok:
                raise self.objects.damage(output.detail)

    def _make(self) -> None:
        self.objects.close()
        self._staged = None
        try:
            if self.folder.exists():
                shutil.rmtree(self.folder)
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700)
        except OSError as error:
            raise Misused(f"The mirror in {self.folder} cannot be made: {error.strerror}.") from error
        output = self.git.run(["init", "--quiet", "--bare", "--template=", "--initial-branch=none"])
        if not output.ok:
            raise Misused(f"The mirror in {self.folder} cannot be made: {output.detail}")
        (self.folder / "config").write_text(_CONFIG, encoding="ascii")
        self.objects.damaged = False

    def _as_written(self) -> bool:
        """Whether the folder is a repository that reads nothing from elsewhere and configures nothing."""
        foreign = ("objects/info/alternates", "info/grafts", "shallow", "commondir", "hooks", "config.worktree")
        try:
            plain = (self.folder / "config").read_text(encoding="ascii") == _CONFIG
        except (OSError, ValueError):
            return False
        if not plain or any((self.folder / name).exists() for name in foreign):
            return False
        self._clean()
        return self.git.run(["rev-parse", "--is-bare-repository"]).stdout == b"true\n"

    def _list(self, ref: str) -> Revision | None:
        return self._refs(ref).get(ref)

    def _refs(self, pattern: str) -> dict[str, Revision]:
        """The remote's refs that match a pattern (and others whose names end like it)."""
        arguments = ["ls-remote", "--quiet", "--", self.remote.address, pattern]
        output = self._talk(arguments, ["for-each-ref", "--count=1"], self.remote.fetch_limit)
        if not output.ok:
            raise fetch_failed(self.remote, output)
        rows = (line.partition("\t") for line in output.stdout.decode("ascii", "replace").splitlines())
        return {name: Revision(check_revision(found)) for found, _, name in rows}

    def _fetch(self, ref: str, into: str, *, limit: int = 0, seconds: float = 0.0) -> Revision | None:
        limit = min(limit or self.remote.fetch_limit, self.remote.fetch_limit)
        self._delete(_INCOMING)
        before = self._packs()
        arguments = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"]
        arguments += ["--no-recurse-submodules", "--refmap=", "--", self.remote.address, f"{ref}:{_INCOMING}"]
        output = self._talk(
            arguments, ["fsck", "--connectivity-only", "--no-dangling", "--no-progress"], limit, seconds
        )
        incoming = self._resolve(_INCOMING) if output.ok else None
        if incoming is None or (self.folder / "shallow").exists():
            cut_off = self._reached_limit(limit)
            self._undo(before)
            if self._list(ref) is None:
                return None
            raise too_large(self.remote, ref, limit) if cut_off else fetch_failed(self.remote, output)
        self._move(into, incoming, drop=_INCOMING)
        self.tidy()
        return incoming

    def _talk(self, arguments: list[str], check: list[str], limit: int, seconds: float = 0.0) -> Output:
        """Talk to the remote; when that fails and our own mirror does not pass `check`, once more with a new one."""
        self.ensure()
        for last in (False, True):
            output = self.git.run(
                arguments,
                access=self.remote.access(),
                timeout=min(seconds or self.remote.fetch_timeout, self.remote.fetch_timeout),
                file_limit=limit,
            )
            if output.ok or output.ending is not Ending.EXITED or last or self._sound(check):
                break
            with self.lock:
                self._make()
        return output

    def _sound(self, check: list[str]) -> bool:
        return self.git.run(check, timeout=2 * LOCAL_TIMEOUT).ok

    def _reached_limit(self, limit: int) -> bool:
        """Whether the unfinished pack is as large as a file may be: git only says that its output was not valid."""
        unfinished = (self.folder / "objects/pack").glob("tmp_pack_*")
        return any(file.stat().st_size >= limit for file in unfinished)

    def _undo(self, before: frozenset[Path]) -> None:
        """Remove what a failed fetch left: its pack, temporary files and locks."""
        for file in self._packs() - before:
            file.unlink(missing_ok=True)
        (self.folder / "shallow").unlink(missing_ok=True)
        self._clean()
        self._delete(_INCOMING)

    def _clean(self) -> None:
        for pattern in _LEFTOVERS:
            for file in self.folder.glob(pattern):
                file.unlink(missing_ok=True)

    def _packs(self) -> frozenset[Path]:
        return frozenset((self.folder / "objects/pack").glob("*"))

    def _contains_now(self, revision: Revision | None, ancestor: Revision) -> bool:
        return revision is not None and self._contains(revision, ancestor)

    def _contains(self, revision: Revision, ancestor: Revision) -> bool:
        """Whether `ancestor` is the revision or lies behind it; an ancestor we do not have does not."""
        if revision == ancestor:
            return True
        (info,) = self.objects.info([ancestor])
        if info is None or info.kind != "commit":
            return False
        output = self.git.run(["merge-base", "--is-ancestor", ancestor, revision])
        if output.ending is not Ending.EXITED or output.status not in {0, 1}:
            raise self.objects.damage(output.detail)
        return output.status == 0

    def _resolve(self, ref: str) -> Revision | None:
        (info,) = self.objects.info([ref])
        return Revision(info.id) if info is not None and info.kind == "commit" else None

    def _move(self, ref: str, new: Revision, *, drop: str = "") -> None:
        """Compare and swap one ref, and remove another in the same transaction."""
        old = self._resolve(ref)
        steps = [f"update {ref} {new} {old or _NOBODY}\n"] if old != new else []
        steps += [f"delete {drop}\n"] if drop else []
        if not steps:
            return
        output = self.git.run(["update-ref", "--stdin"], stdin="".join(steps).encode("ascii"))
        if not output.ok:
            raise Conflict(f"{ref} of the mirror in {self.folder} was moved by somebody else: {output.detail}")

    def _delete(self, ref: str) -> None:
        if self._resolve(ref) is not None:
            self.git.run(["update-ref", "-d", ref])
