"""What the tests of this room stand on: a repository with a clone, and a client whose answers are all checked."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from forge_description import description

from reconciler.demo.forge import LocalForge
from reconciler.edges.git import Actor
from reconciler.edges.git.checkout import Checkout

LOGINS = {"t-ada": "ada", "t-bo": "bo", "t-eve": "eve", "t-bot": "reconciler[bot]"}
SIGNATURE = b"-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAADMAAAAL\n-----END SSH SIGNATURE-----\n"
_ADA = Actor(name="Ada", email="ada@acme.example")


class Repo:
    """A bare repository and Ada's clone of it."""

    def __init__(self, folder: Path) -> None:
        self.bare = Checkout.init_bare(folder / "origin.git")
        self.clone = Checkout.clone(str(self.bare), folder / "clone")
        self.write({"README.md": b"models\n", "releases/prod/fraud.yaml": b"version: 1.3.0\n"})
        self.clone.commit("Start", _ADA)
        self.clone.push()

    def write(self, files: Mapping[str, bytes]) -> None:
        for name, content in files.items():
            path = self.clone.top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def git(self, *words: str, folder: Path | None = None, check: bool = True) -> str:
        command = [
            "git",
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=ada@acme.example",
            "-C",
            str(folder or self.clone.top),
        ]
        done = subprocess.run([*command, *words], capture_output=True, check=check)
        return done.stdout.decode().strip()

    def branch(self, name: str, *commits: Mapping[str, bytes], base: str = "origin/main") -> str:
        """Push a branch with these commits; its tip."""
        self.git("fetch", "-q")
        self.git("checkout", "-q", "-B", name, base)
        return self.more(name, *commits)

    def more(self, name: str, *commits: Mapping[str, bytes]) -> str:
        self.git("checkout", "-q", name)
        for number, files in enumerate(commits, 1):
            self.write(files)
            self.clone.commit(f"{name}: part {number}", _ADA)
        self.git("push", "-q", "-f", "origin", f"HEAD:refs/heads/{name}")
        return self.git("rev-parse", "HEAD")

    def sha(self, name: str) -> str:
        """Where a ref of the bare repository is; empty when there is none."""
        return self.git("rev-parse", "--verify", "--quiet", name, folder=self.bare, check=False)

    def content(self, revision: str, path: str) -> bytes:
        command = ["git", "-C", str(self.bare), "cat-file", "blob", f"{revision}:{path}"]
        return subprocess.run(command, capture_output=True, check=True).stdout


class Client:
    """One login. `ask` returns the answer; below the repository unless the path begins with a slash."""

    def __init__(self, forge: LocalForge, login: str) -> None:
        self._forge = forge
        self._http = httpx.Client(trust_env=False, timeout=20, headers={"Authorization": f"Bearer t-{login}"})

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        where = path if path.startswith("/") else f"/repos/acme/models/{path}".rstrip("/")
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self._http.request(method, self._forge.api + where, json=body, headers=names)
        published = description()
        if published:
            told = answer.json() if answer.content else None
            published.check(method, where.partition("?")[0], answer.status_code, told)
        return answer

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.ask("GET", path, **headers)

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.ask("POST", path, body)

    def close(self) -> None:
        self._http.close()
