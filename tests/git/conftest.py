"""Real repositories in temporary folders: an upstream that tests commit to, and mirrors of it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from git_server import GitServer, serving

from reconciler.edges.git import Mirror, Remote
from reconciler.model.ids import RepositoryName

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_AUTHOR_DATE": "1790000000 +0200",
    "GIT_COMMITTER_DATE": "1790000000 +0200",
}


class Upstream:
    """A bare repository; `commit` puts files on a branch without a work tree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--bare", "--initial-branch=main")

    @property
    def url(self) -> str:
        return self.folder.as_uri()

    def git(self, *arguments: str, stdin: bytes = b"", **variables: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            env={**ENVIRONMENT, "GIT_DIR": str(self.folder), **variables},
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def blob(self, content: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", stdin=content)

    def raw_tree(self, *entries: tuple[str, bytes, str]) -> str:
        """A tree of exactly these (mode, name, id), also where git would refuse to make one."""
        raw = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)
        return self.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)

    def commit_tree(self, tree: str, *parents: str, branch: str = "main", message: str = "change") -> str:
        flags = [flag for parent in parents for flag in ("-p", parent)]
        commit = self.git("commit-tree", tree, *flags, "-m", message)
        self.git("update-ref", f"refs/heads/{branch}", commit)
        return commit

    def commit(self, files: dict[str, bytes | None], *parents: str, branch: str = "main", message: str = "x") -> str:
        index = {"GIT_INDEX_FILE": str(self.folder / "test-index")}
        self.git("read-tree", *([parents[0]] if parents else ["--empty"]), **index)
        lines = "".join(
            f"0 {'0' * 40}\t{path}\n" if content is None else f"100644 {self.blob(content)}\t{path}\n"
            for path, content in files.items()
        )
        self.git("update-index", "--add", "--index-info", stdin=lines.encode(), **index)
        return self.commit_tree(self.git("write-tree", **index), *parents, branch=branch, message=message)


@pytest.fixture(scope="session")
def new_upstream() -> type[Upstream]:
    return Upstream


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path / "upstream")


@pytest.fixture
def mirror(tmp_path: Path, upstream: Upstream) -> Iterator[Mirror]:
    remote = Remote(url=upstream.url, branch="main", allow_file=True)
    made = Mirror(tmp_path / "mirrors", RepositoryName("example.com/acme/models"), remote)
    yield made
    made.close()


@pytest.fixture
def mirror_of(tmp_path: Path) -> Iterator[object]:
    """A function that makes a mirror of any remote; all of them end with the test."""
    made: list[Mirror] = []

    def make(remote: Remote, name: str = "example.com/acme/other", **limits: int) -> Mirror:
        made.append(Mirror(tmp_path / "mirrors", RepositoryName(name), remote, **limits))
        return made[-1]

    yield make
    for mirror in made:
        mirror.close()


@pytest.fixture
def server(upstream) -> Iterator[GitServer]:
    """The upstream over http, for whoever has the token."""
    with serving(upstream.folder) as running:
        yield running
