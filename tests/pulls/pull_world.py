"""A real daemon in this process on two embedded clusters, real Git, and a forge in memory: no HTTP, no other process.

Not scenarios. Rules: people push real commits with real signatures; pull requests are looked at when the test says so
(`turn`), and their clock is ours to move (`later`); what merging would do is worked out by the daemon's own passes.
"""

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import structlog
from fake_forge import BOT, FakeForge, NoPromoter, a_pull

from reconciler.cli.install import apply_all
from reconciler.cli.signing import sign_file
from reconciler.config import load
from reconciler.demo.api import Cluster, serve
from reconciler.demo.api.messages import Request
from reconciler.demo.organisation import make
from reconciler.demo.plot import PROD, STAGING, versioned
from reconciler.demo.stage import CLUSTERS, NAMESPACES
from reconciler.edges.kube.connect import open_kubeconfig
from reconciler.loop.daemon import Daemon
from reconciler.loop.forges import marker_key
from reconciler.loop.pulls.one import One
from reconciler.loop.pulls.watch import PullRequests
from reconciler.model.ids import RepositoryName, Revision
from reconciler.model.pull import PullState

ALLOW = frozenset({"plainLoopback"})
COALESCE = timedelta(seconds=15)
QUIET = structlog.wrap_logger(  # of its own: another test's settings may name a stream that is closed
    structlog.ReturnLogger(), processors=[structlog.processors.KeyValueRenderer()], wrapper_class=structlog.BoundLogger
)
__all__ = ["BOT", "PROD", "STAGING", "PullWorld", "pull_world", "versioned"]


class Said:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __getattr__(self, level: str) -> Any:
        return lambda what, **more: self.lines.append(f"{level} {what} {more}")


class PullWorld:
    """An organisation whose six releases run, and whoever looks after its pull requests."""

    def __init__(self, folder: Path) -> None:
        self.people = make(folder / "acme", metrics="127.0.0.1:0")
        self.clusters = {name: Cluster(name) for name in CLUSTERS}
        self.server = serve(self.clusters.values())
        self.server.write_kubeconfig(self.people.kubeconfig)
        for name in CLUSTERS:
            connection = open_kubeconfig(self.people.kubeconfig, name, name=name, allow=ALLOW)
            with contextlib.redirect_stdout(None):
                apply_all(connection, timeout=30)
            connection.close()
            for namespace in NAMESPACES:
                body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
                kind = {"content-type": "application/json"}
                self.clusters[name].answer(Request.of("POST", "/api/v1/namespaces", kind, orjson.dumps(body)))
        self.settings = load(self.people.settings)
        self.daemon = Daemon(self.settings, log=QUIET)
        self.daemon.open()
        self.settle()
        self.name = RepositoryName(self.people.repository)
        self.source, self.ledger = self.daemon.world.sources[self.name], self.daemon.world.ledgers[self.name]
        self.forge, self.ahead = FakeForge(), timedelta(0)
        self.said = Said()
        self.restart()

    def restart(self, *, forks: bool = False) -> None:
        """Whoever looks after the pull requests starts anew and remembers nothing."""
        key = marker_key(self.settings.path(self.settings.config.signing.key_file))
        self.one = One(
            self.daemon.world, self.source, self.ledger, self.forge, key=key, branch="main",
            place="reconciler/ledger", coalesce=COALESCE,
        )  # fmt: skip
        self.pulls = PullRequests(
            self.one, NoPromoter(), poll=timedelta(seconds=30), forks=forks, leading=lambda: True, now=self.now,
            log=self.said,
        )  # fmt: skip
        self.daemon._forges._pulls[self.name] = self.pulls

    def fresh(self) -> None:
        """Another test: a forge without pull requests, and the trunk as it is."""
        self.forge = FakeForge()
        self.said.lines.clear()
        self.git("checkout", "-q", "main")
        self.git("reset", "-q", "--hard", "origin/main")
        self.restart()

    def close(self) -> None:
        self.daemon.stop()
        self.server.stop()

    # --- time

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def turn(self) -> None:
        """Look at all that is due."""
        for _ in range(200):
            if self.pulls.turn():
                return
        raise AssertionError("it never waits")

    def later(self, seconds: float = 31) -> None:
        """Let time pass and look again."""
        self.ahead += timedelta(seconds=seconds)
        self.turn()

    def settle(self) -> None:
        """The trunk is read, and passes run until nothing moves."""
        for source in self.daemon.world.sources.values():
            source.poll()
        assert self.daemon.drain(until_settled=True, timeout=60)

    # --- people

    @property
    def work(self) -> Path:
        return self.people.checkout.top

    def git(self, *arguments: str, at: Path | None = None, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", str(at or self.work), *arguments],
            capture_output=True, check=False, input=stdin, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode(errors="replace").strip()

    @property
    def origin(self) -> Path:
        return self.people.folder / "models.git"

    def change(
        self, number: int, files: Mapping[str, str | bytes | None], *, sign: tuple[str, ...] = (), who: str = "bo",
        base: str = "origin/main",
    ) -> Revision:  # fmt: skip
        """Push a commit on `base` as the head of a pull request, without a pull request; the commit."""
        self.git("fetch", "-q", "origin")
        self.git("checkout", "-q", "-B", f"try-{number}", base)
        for path, text in files.items():
            file = self.work / path
            if text is None:
                file.unlink()
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        for path in sign:
            sign_file(self.work, path, repository=self.people.repository, key=str(self.people.person(who).key))
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", f"Change {len(files)} files")
        head = Revision(self.git("rev-parse", "HEAD"))
        self.git("push", "-q", "-f", "origin", f"HEAD:refs/pull/{number}/head")
        self.git("checkout", "-q", "main")
        return head

    def open(self, number: int, head: Revision, **more: Any) -> Revision:
        """Open a pull request with this head."""
        self.forge.rows[number] = a_pull(number, head=head, **more)
        return head

    def promote(self, number: int, version: str, *, path: str = STAGING, sign: bool = True, **more: Any) -> Revision:
        """Open a pull request that asks for another version of a release."""
        text = versioned((self.work / path).read_text(), version, 0.957)
        return self.open(number, self.change(number, {path: text}, sign=(path,) if sign else (), who="bo"), **more)

    def merge(self, number: int, how: str = "merge") -> Revision:
        """Merge it as a forge does; the commit on the trunk."""
        head = self.forge.rows[number].head
        self.git("fetch", "-q", "origin", f"refs/pull/{number}/head", "main")
        self.git("checkout", "-q", "-B", "main", "origin/main")
        if how == "rebase":
            self.git("cherry-pick", f"origin/main..{head}")
        elif how == "squash":
            self.git("merge", "-q", "--squash", head)
            self.git("commit", "-q", "-m", f"Squash #{number}")
        else:
            self.git("merge", "-q", "--ff-only" if how == "fast-forward" else "--no-ff", "-m", f"Merge #{number}", head)
        merged = Revision(self.git("rev-parse", "HEAD"))
        self.git("push", "-q", "origin", "main")
        self.forge.move(number, state=PullState.MERGED, merged=merged, merged_at=self.now())
        return merged

    # --- what is seen

    def ours(self, number: int) -> str:
        """Our comment; there is never a second one."""
        found = self.forge.ours(number)
        assert len(found) <= 1
        return found[0] if found else ""

    def status(self, commit: str, environment: str) -> tuple[str, str]:
        return self.forge.status(commit, f"reconciler/{environment}")

    def records(self, kind: str, number: int) -> list[Any]:
        """What the ledger says of a pull request, once everything is written down."""
        self.ledger.flush()
        rows = [link.record for link in self.ledger.chain.links if link.record.kind == kind]
        return [row for row in rows if row.detail["pull"]["number"] == number]

    def moved(self, number: int, **more: Any) -> None:
        """Somebody moved a pull request."""
        self.forge.rows[number] = replace(self.forge.rows[number], moved=f"{self.now()}", **more)


@contextlib.contextmanager
def pull_world(folder: Path) -> Iterator[PullWorld]:
    """One for a module."""
    made = PullWorld(folder)
    try:
        yield made
        assert not [line for line in made.said.lines if line.startswith("exception")]
    finally:
        made.close()
