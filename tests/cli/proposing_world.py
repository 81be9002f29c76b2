"""What the tests of promote, rollback and remove share: two environments, an origin, a forge that remembers."""

import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

from cli_world import ADA, ENVIRONMENT, RELEASE, World

from reconciler.edges.git.checkout import Checkout, history
from reconciler.errors import Refused
from reconciler.model.ids import Revision
from reconciler.model.pull import Comment, PullRequest, PullState

PROD = "releases/prod/fraud.yaml"
STAGING = "releases/staging/fraud.yaml"
NEW = "c" * 64
NEWER = RELEASE.replace("environment: prod", "environment: staging").replace("1.4.0", "1.5.0").replace("a" * 64, NEW)
ASKING = "  after: staging\n  approvals: {rules: [{role: risk, count: 2}]}\n"
IDENTITY = "[user]\n\tname = Ada L\n\temail = ada@example.com\n"


@dataclass
class FakeForge:
    """Remembers pull requests as a forge does. `deny` are calls that it refuses."""

    pulls_: list[PullRequest] = field(default_factory=list)
    bodies: dict[int, str] = field(default_factory=dict)
    comments_: dict[int, list[str]] = field(default_factory=dict)
    deny: tuple[str, ...] = ()
    closed: int = 0

    def open_pull(self, *, head: str, base: str, title: str, body: str) -> PullRequest:
        if "open_pull" in self.deny:
            raise Refused("the forge says no")
        there = next((pull for pull in self.pulls() if pull.head_branch == head), None)
        if there:
            return there
        number = len(self.pulls_) + 7
        made = PullRequest(
            number=number, title=title, author="ada", state=PullState.OPEN, head=Revision("0" * 40), head_branch=head,
            base_branch=base, ref=f"refs/pull/{number}/head", url=f"https://forge.example/pulls/{number}",
        )  # fmt: skip
        self.pulls_.append(made)
        self.bodies[number] = body
        return made

    def pulls(self) -> list[PullRequest]:
        return [pull for pull in self.pulls_ if pull.state is PullState.OPEN]

    def comment(self, number: int, body: str) -> Comment:
        if "comment" in self.deny:
            raise Refused("the forge says no")
        self.comments_.setdefault(number, []).append(body)
        return Comment(id=1, author="ada", body=body)

    def close_pull(self, number: int) -> None:
        self.pulls_ = [
            replace(pull, state=PullState.CLOSED) if pull.number == number else pull for pull in self.pulls_
        ]  # fmt: skip

    def close(self) -> None:
        self.closed += 1


@dataclass
class Clone:
    """A clone whose origin's main has staging and prod; `forge` is where pull requests go."""

    world: World
    origin: Path
    forge: FakeForge

    def git(self, *arguments: str, at: Path | None = None) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x@y", "-C", str(at or self.world.root), *arguments],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    def publish(self, message: str = "change") -> None:
        """Commit everything and let the clone and its origin have it."""
        self.world.checkout.commit(message, ADA)
        self.world.checkout.push()
        self.fetch()

    def fetch(self) -> None:
        self.git("fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*")

    def branches(self) -> list[str]:
        rows = self.git("for-each-ref", "--format=%(refname:short)", "refs/heads/reconciler", at=self.origin)
        return [row for row in rows.splitlines() if row != "reconciler/ledger"]

    def read(self, branch: str) -> dict[str, bytes]:
        """The files of a branch of origin."""
        with history(self.origin) as opened:
            return opened.read(opened.resolve(branch))[0]

    def changed(self, branch: str) -> list[str]:
        return self.git("diff", "--name-status", f"main...{branch}", at=self.origin).splitlines()


def clone_of(world: World, monkeypatch) -> Clone:
    """A world with an origin, staging before prod, and a fake forge behind `git config reconciler.forge`."""
    origin = Checkout.init_bare(world.folder / "origin.git")
    clone = Clone(world=world, origin=origin, forge=FakeForge())
    world.checkout.set_config("remote.origin.url", str(origin))
    (world.folder / ".gitconfig").write_text(IDENTITY)
    world.write("environments/staging.yaml", ENVIRONMENT.replace("name: prod", "name: staging"))
    world.write(
        "environments/prod.yaml", f"{ENVIRONMENT}  after: staging\n  approvals: {{rules: [{{role: risk, count: 2}}]}}\n"
    )
    world.write(STAGING, NEWER)
    trust = world.trust(ada="platform", bo="science", cy="risk", dee="lead")
    world.checkout.set_config("reconciler.trust", str(trust))
    clone.publish("documents")
    monkeypatch.setattr("reconciler.cli.forge.opened", lambda _where, _branch: clone.forge)
    world.checkout.set_config("reconciler.forge", "github")
    world.checkout.set_config("reconciler.forgeUrl", "http://127.0.0.1:1")
    monkeypatch.setenv("RECONCILER_FORGE_TOKEN", "token")
    return clone
