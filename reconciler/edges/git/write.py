"""Makes a signed commit from changed files by plumbing, and pushes it by compare-and-swap.

Not a work tree or an index: the cost is that of the folders above the changed files, however many others there are.
Rules: nothing is pushed that does not continue what the caller believes the remote has; a lost race is `Conflict`; a
signature is made by the caller over exactly the bytes that git signs.

How: `git fast-import` builds blobs and trees in one process (its own unsigned commit is thrown away), the real commit
is written beside them, signed, by `git hash-object`.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from reconciler.edges.git.commit import Actor, commit_payload, stamp, with_signature
from reconciler.edges.git.mirror import Mirror
from reconciler.edges.git.names import path_parts
from reconciler.edges.git.remote import check_ref, check_revision
from reconciler.edges.git.run import Ending, Output
from reconciler.errors import Conflict, Misused, Refused, Retry
from reconciler.model.ids import Revision

_SCRATCH = "refs/incoming/write"
_NOBODY = "0" * 40
_TREE = re.compile(rb"(?m)^040000 tree ([0-9a-f]{40})\t$")
_RACES = (
    "stale info",
    "fetch first",
    "non-fast-forward",
    "cannot lock ref",
    "failed to update ref",
    "failed to lock",
    "reference already exists",
    "incorrect old value",
)
# What a local repository's own configuration would run as us when we push to it.
RECEIVE_PACK = (
    "git -c core.hooksPath=/dev/null -c core.fsmonitor=false -c core.alternateRefsCommand=true"
    " -c receive.autogc=false -c receive.denyCurrentBranch=refuse receive-pack"
)


class Writer:
    """Commits on top of what a mirror holds, and pushes to its remote. Takes the mirror's lock."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def commit_files(
        self,
        files: Mapping[str, bytes | None],
        *,
        base: Revision | None,
        message: str,
        author: Actor,
        committer: Actor,
        when: datetime,
        sign: Callable[[bytes], str],
    ) -> Revision:
        """A new commit: `base` (None: nothing, an orphan) with these files put in or, where None, taken out.

        `sign` gets the commit's bytes and returns an armoured SSH signature (namespace `git`). `when` is aware. No ref
        moves: the commit exists in the mirror only until it is pushed. Raises `NotFound` when the mirror does not have
        `base`, `Misused` for a path that cannot be in a repository.
        """
        stream = _stream(files, base, stamp(committer, when))
        with self._mirror.lock:
            self._mirror.ensure()
            if base is not None:
                self._mirror.trees.commit(base)
            tree = self._tree(stream)
            parents = () if base is None else (base,)
            payload = commit_payload(
                tree=tree, parents=parents, author=author, committer=committer, when=when, message=message
            )
            signed = with_signature(payload, sign(payload))
            output = self._mirror.git.run(["hash-object", "-t", "commit", "-w", "--stdin"], stdin=signed)
        if not output.ok:
            raise Refused(f"git does not take the commit: {output.detail}")
        return Revision(output.stdout.decode("ascii").strip())

    def push(self, ref: str, new: Revision, expected: Revision | None) -> None:
        """Move the remote's ref from `expected` (None: it does not exist) to `new`, or change nothing.

        `new` must continue `expected`. Repeating a push that succeeded succeeds. Raises `Conflict` when the remote has
        something else, `Refused` when it does not want this, `Retry` (PushFailed) when it cannot be reached.
        """
        with self._mirror.lock:
            self._mirror.ensure()
            self._check_continues(check_revision(new), check_revision(expected) if expected else None)
        self._send(ref, new, expected)

    def restore(self, ref: str, new: Revision, expected: Revision | None) -> None:
        """Like `push`, for a ref of ours that somebody rewrote: `new` need not continue what is there now."""
        check_revision(new)
        with self._mirror.lock:
            self._mirror.ensure()
        self._send(ref, new, expected)

    def delete(self, ref: str, expected: Revision) -> None:
        """Take a ref of ours away while it is `expected`; gone already is done. Raises as `push`."""
        check_revision(expected)
        if self._mirror.refs_under(ref.rpartition("/")[0]).get(check_ref(ref)) is not None:
            self._send(ref, None, expected)

    def _send(self, ref: str, new: Revision | None, expected: Revision | None) -> None:
        check_ref(ref)
        remote = self._mirror.remote
        # The network is waited for without the lock: pushing only reads the mirror.
        arguments = ["push", "--porcelain", "--no-follow-tags", "--recurse-submodules=no", "--no-verify"]
        if remote.scheme == "file":
            arguments.append(f"--receive-pack={RECEIVE_PACK}")
        arguments += [f"--force-with-lease={ref}:{expected or ''}", "--", remote.address, f"{new or ''}:{ref}"]
        output = self._mirror.git.run(arguments, access=remote.access(), timeout=remote.fetch_timeout)
        if output.ok:
            self._mirror.tidy()
            return
        raise push_error(output, f"{ref} of {remote.shown}")

    def _check_continues(self, new: Revision, expected: Revision | None) -> None:
        if expected is None or expected == new or expected in self._mirror.trees.commit(new).parents:
            return
        output = self._mirror.git.run(["merge-base", "--is-ancestor", expected, new])
        if not output.ok:
            raise Refused(f"The commit {new} does not continue {expected}: it is not pushed.")

    def _tree(self, stream: bytes) -> str:
        output = self._mirror.git.run(["fast-import", "--quiet", "--done", "--date-format=raw"], stdin=stream)
        found = _TREE.search(output.stdout)
        if not output.ok or found is None:
            raise self._mirror.objects.damage(output.detail or "git fast-import gave no tree")
        return found[1].decode("ascii")


def _stream(files: Mapping[str, bytes | None], base: Revision | None, who: str) -> bytes:
    if not files:
        raise Misused("A commit needs at least one file that changes.")
    lines = [f"reset {_SCRATCH}\ncommit {_SCRATCH}\nmark :1\ncommitter {who}\ndata 0\n".encode()]
    if base is not None:
        lines.append(f"from {check_revision(base)}\n".encode())
    removed = [f"D {_quoted(path)}\n".encode() for path, content in sorted(files.items()) if content is None]
    lines += removed  # first: a folder may become a file and the other way round
    for path, content in sorted(files.items()):
        if content is not None:
            lines.append(f"M 100644 inline {_quoted(path)}\ndata {len(content)}\n".encode() + content + b"\n")
    # The scratch ref goes before anybody sees it: a reset to nothing deletes it.
    lines.append(f'\nls :1 ""\nreset {_SCRATCH}\nfrom {_NOBODY}\n\ndone\n'.encode())
    return b"".join(lines)


def _quoted(path: str) -> str:
    """A path for fast-import: every byte that is not plain is written in octal."""
    if not path_parts(path) or path.endswith("/"):
        raise Misused(f"{path!r} is not the path of a file in a repository.")
    plain = "".join(
        char if char.isascii() and (char.isalnum() or char in "/._-@+") else _octal(char.encode()) for char in path
    )
    return f'"{plain}"'


def _octal(raw: bytes) -> str:
    return "".join(f"\\{byte:03o}" for byte in raw)


def push_error(output: Output, where: str) -> Conflict | Refused | Retry:
    """What a push that failed (with `--porcelain`) comes to."""
    said = output.stdout.decode("utf-8", "replace")
    rejected = [line for line in said.splitlines() if line.startswith("!\t")]
    reasons = " ".join(line.rpartition("\t")[2] for line in rejected)
    if output.ending is Ending.EXITED and any(race in reasons for race in _RACES):
        return Conflict(f"{where} moved meanwhile; nothing was pushed.")
    if output.ending is Ending.EXITED and "[remote rejected]" in reasons:
        shown = "".join(char if char.isprintable() else " " for char in reasons)[:200]
        return Refused(f"{where} refuses the push: {shown}")
    why = output.detail if output.ending is Ending.EXITED else "it did not end in time"
    return Retry(f"Pushing to {where} failed: {why}", reason="PushFailed")
