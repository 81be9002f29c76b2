"""The files that commands look at: a work tree as it lies there, or one revision of it, as path → bytes.

Not what they mean. Rules: what the daemon refuses to read (links, odd names, oversized files) is refused here with the
same words; ignored files of a clone are not looked at; paths are relative to the watched folder, with `/`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.edges.git.checkout import Checkout, history
from reconciler.edges.git.names import name_problem, printable
from reconciler.edges.git.walk import MAX_BLOB
from reconciler.errors import Misused

CONFIG_PATH = "reconciler.path"
SUFFIXES = (".yaml", ".yml", ".yaml.sig", ".yml.sig")


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Documents and signatures by path, and one sentence for everything that is not read, by its path."""

    contents: dict[str, bytes] = field(repr=False)
    refused: dict[str, str]

    def signature(self, path: str) -> bytes:
        """The bytes of the signature file beside a document; empty when there is none."""
        return self.contents.get(f"{path}.sig", b"")


def around(folder: Path) -> Checkout | None:
    """The clone around a folder, if there is one."""
    try:
        return Checkout.find(folder)
    except Misused:
        return None


def watched_path(checkout: Checkout) -> str:
    """The folder of the clone that the daemon watches, relative to its top: its setting `reconciler.path`, else `.`."""
    return checkout.config(CONFIG_PATH) or "."


def watched(checkout: Checkout) -> Path:
    """That folder itself."""
    return (checkout.top / watched_path(checkout)).resolve()


def work_tree(root: Path, checkout: Checkout | None, *, suffixes: tuple[str, ...] = SUFFIXES) -> Files:
    """Every document and signature (or what else ends so) under `root` as it lies there now."""
    contents: dict[str, bytes] = {}
    refused: dict[str, str] = {}
    for path in sorted(_names(root, checkout)):
        if not path.endswith(suffixes):
            continue
        file = root / path
        reason = _refusal(path, file)
        if reason:
            refused[printable(path.encode("utf-8", "surrogateescape"))] = reason
        else:
            contents[path] = file.read_bytes()
    return Files(contents=contents, refused=refused)


def at_revision(checkout: Checkout, name: str, path: str) -> Files:
    """Every document and signature under `path` of the clone at the revision that a person calls `name`."""
    with history(checkout.top) as opened:
        contents, rejected = opened.read(opened.resolve(name), path, suffixes=SUFFIXES)
    return Files(contents=contents, refused={entry.path: entry.reason for entry in rejected})


def _names(root: Path, checkout: Checkout | None) -> Iterator[str]:
    if checkout is None:
        yield from (file.relative_to(root).as_posix() for file in root.rglob("*") if not file.is_dir())
        return
    for name in checkout.files():
        file = checkout.top / name
        if file.is_relative_to(root):
            yield file.relative_to(root).as_posix()


def _refusal(path: str, file: Path) -> str:
    """Why a file is not read, as a phrase that follows its path; empty when it is."""
    for part in path.split("/"):
        problem = name_problem(part.encode("utf-8", "surrogateescape"))
        if problem:
            return problem
    if file.is_symlink():
        return "is a symbolic link; links are not followed"
    if not file.is_file():
        return "is not a plain file"
    size = file.stat().st_size
    return f"has {size} bytes and at most {MAX_BLOB} are read" if size > MAX_BLOB else ""
