"""An empty repository beside a clone, for one command: it has the clone's objects and refs, and none of its settings.

A clone may come from anybody. What git does here it does as in a repository of ours: no setting, no hook, no attribute
and no driver of the clone is read. New objects go into the clone; no ref and no file of it moves.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from reconciler.edges.git.run import Git
from reconciler.errors import Refused


@contextmanager
def beside(clone: Git, *, address: str = "") -> Iterator[tuple[Git, Mapping[str, str]]]:
    """Git in such a repository, and the variables that each of its commands needs.

    `address` is what it calls its origin: a person's settings may differ by it (includeIf.hasconfig).
    """
    objects = _line(clone, ["rev-parse", "--path-format=absolute", "--git-path", "objects"])
    shallow = Path(_line(clone, ["rev-parse", "--path-format=absolute", "--git-path", "shallow"]))
    refs = clone.run(["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/remotes"])
    origin = f'[remote "origin"]\n\turl = "{address}"\n' if address else ""
    with tempfile.TemporaryDirectory(prefix="reconciler-") as made:
        folder = Path(made)
        for name in ("objects", "refs"):
            (folder / name).mkdir()
        (folder / "HEAD").write_text("ref: refs/heads/none\n", encoding="ascii")
        (folder / "config").write_text(
            f"[core]\n\trepositoryformatversion = 0\n\tbare = true\n{origin}", encoding="utf-8"
        )
        (folder / "packed-refs").write_bytes(b"# pack-refs with: sorted\n" + _sorted(refs.stdout))
        if shallow.is_file():
            (folder / "shallow").write_bytes(shallow.read_bytes())
        yield Git(folder), {"GIT_OBJECT_DIRECTORY": objects}


def _line(clone: Git, words: list[str]) -> str:
    output = clone.run(words)
    if not output.ok:
        raise Refused(f"{clone.folder} cannot be read: {output.detail}")
    return output.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")


def _sorted(rows: bytes) -> bytes:
    lines = sorted((line for line in rows.split(b"\n") if line), key=lambda line: line.partition(b" ")[2])
    return b"".join(line + b"\n" for line in lines)
