"""A real World over clusters in memory that obey: whole release passes, with their wakes, and no server anywhere.

Not the target passes. Rules: a target has acted on what it was told when the next pass looks, unless `lame` names it;
what a pass wakes is in the real queue and is passed by `run` in the caller's thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace

from loop_acme import NOW, Published, Repo, key_of, sample_files, target_state

from reconciler.edges.kube.states import Stored
from reconciler.errors import Retry
from reconciler.loop.queue import WorkQueue
from reconciler.loop.release import reconcile_release
from reconciler.loop.telemetry import Telemetry
from reconciler.loop.votes import Votes
from reconciler.loop.world import World
from reconciler.model.ids import ReleaseKey
from reconciler.model.policy import PolicyResult, PolicyVerdict
from reconciler.model.state import Apply, ReleaseState, ReleaseStatus, TargetState

CLUSTERS = ("eu-1", "us-1")


class Home:
    """ReleaseStates in memory."""

    uid = "home"

    def __init__(self) -> None:
        self.rows: dict[str, Stored[ReleaseState]] = {}
        self.before_write = lambda _: None

    def release(self, key: ReleaseKey) -> Stored[ReleaseState] | None:
        return self.rows.get(key.state_name)

    def releases(self) -> Mapping[str, Stored[ReleaseState]]:
        return self.rows

    def save_release(self, value: ReleaseState, _read: Stored[ReleaseState] | None) -> None:
        self.before_write(value)
        self.rows[value.key.state_name] = SimpleNamespace(value=value, namespace="home", name=value.key.state_name)

    def forget_release(self, key: ReleaseKey) -> None:
        self.rows.pop(key.state_name, None)


@dataclass
class Handle:
    """One cluster whose targets do at once what they are told, but those in `lame`."""

    name: str
    home: Home
    lame: set[ReleaseKey]
    kept: dict[ReleaseKey, TargetState] = field(default_factory=dict)
    cache: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(synced=True))

    def silent(self) -> str:
        return ""

    def target(self, key: ReleaseKey):
        """What it runs; it stays when the release's state is lost."""
        stored = self.home.release(key)
        if stored is None:
            return self.kept.get(key)
        told = stored.value.status.directives.get(self.name) if stored else None
        self.kept.pop(key, None)
        if told is not None and told.apply is Apply.RUN:
            specs = stored.value.status.effective
            self.kept[key] = target_state(key, self.name, told, specs, acted=key not in self.lame)
        return self.kept.get(key)


class Engine:
    """Every policy passes, but those in `denying`."""

    def __init__(self) -> None:
        self.denying: set[str] = set()

    def ask(self, questions):
        return [
            PolicyVerdict(
                name=row.name, source=row.source, message="no",
                result=PolicyResult.FAIL if row.name in self.denying else PolicyResult.PASS,
            )
            for row in questions
        ]  # fmt: skip


def _unseen(key) -> None:
    raise Retry(f"{key.cluster} is only made up", reason="ClusterUnreachable")


class Town:
    """Acme's releases, all of them passed by one world."""

    def __init__(self, repo: Repo | None = None) -> None:
        self.repo = repo or Repo()
        self.published = Published(self.repo)
        self.now = NOW
        self.home, self.engine, self.lame, self.events = Home(), Engine(), set(), []
        clock = SimpleNamespace(seconds=0.0)
        self.clock = clock
        handles = {name: Handle(name, self.home, self.lame) for name in CLUSTERS}
        self.world = World(
            now=lambda: self.now,
            home=self.home,
            fleet=SimpleNamespace(broken=dict, handles=lambda _: handles, cluster=_unseen),
            engine=self.engine,
            bundle=(),
            queue=WorkQueue(clock=lambda: clock.seconds),
            leader=SimpleNamespace(leading=True),
            telemetry=Telemetry(),
            log=SimpleNamespace(**dict.fromkeys(("info", "debug", "error"), lambda *_, **__: None)),
            taken_over=frozenset(),
        )
        self.world.event = lambda key, **more: self.events.append((key.name, more["warning"], more["reason"]))
        self.source = SimpleNamespace(snapshot=None, commit=lambda _: None, votes=Votes())
        self.world.sources[self.published.index._repository] = self.source
        self.merge()

    def merge(self) -> None:
        """The source sees the work tree as it is, and wakes whom that may matter to."""
        self.source.snapshot = self.published.publish()
        self.world.wake_releases(sorted(self.published.last.affected))

    def turn(self, key: ReleaseKey) -> ReleaseStatus:
        """One pass, whether it is due or not."""
        reconcile_release(key, self.world)
        return self.status(key)

    def run(self, *, without: frozenset[ReleaseKey] = frozenset(), passes: int = 400) -> None:
        """Pass whatever is due, and a quarter of a minute later what moves, until nothing does."""
        for _ in range(passes):
            if not self._due(without) and not self._moving(without):
                return
            self.now += timedelta(seconds=15)
        raise AssertionError("it never settles")

    def _due(self, without) -> bool:
        due = False
        while (key := self.world.queue.take(wait=False)) is not None:
            if isinstance(key, ReleaseKey) and key not in without:
                reconcile_release(key, self.world)
                due = True
            self.world.queue.done(key)
        return due

    def _moving(self, without) -> bool:
        """Reports of targets wake what is under way; one that stays as it is has nothing to report."""
        moved = False
        for row in list(self.home.rows.values()):
            key, before = row.value.key, row.value.status
            if (before.candidate or before.directives) and key not in without:
                reconcile_release(key, self.world)
                moved |= self.status(key) != before
        return moved

    def lose(self, key: ReleaseKey) -> None:
        """Somebody deletes the release's state; its targets go on with what they were told."""
        self.world.clusters_of(key)
        self.home.forget_release(key)

    def status(self, key: ReleaseKey) -> ReleaseStatus:
        row = self.home.release(key)
        return row.value.status if row else ReleaseStatus()

    def closed(self, key: ReleaseKey) -> list[str]:
        return [gate.reason for gate in self.status(key).gates]

    def said(self, key: ReleaseKey) -> str:
        return "; ".join(gate.message for gate in self.status(key).gates)

    def starting(self, key: ReleaseKey) -> str | None:
        candidate = self.status(key).candidate
        return candidate.model_version if candidate else None

    def records(self, key: ReleaseKey) -> list[str]:
        return [entry.record.kind for entry in self.status(key).outbox]


def twin(repo: Repo, name: str, *, environment: str = "prod", more: str = "") -> ReleaseKey:
    """Another release like fraud-detector; `more` stands in its spec."""
    text = sample_files()[f"releases/{environment}/fraud-detector.yaml"].decode()
    text = text.replace("  name: fraud-detector\n  labels", f"  name: {name}\n  labels")
    path = f"releases/{environment}/{name}.yaml"
    repo.write(path, text.replace(f"  environment: {environment}\n", f"  environment: {environment}\n{more}").encode())
    repo.sign(path)
    return key_of(environment, name)


def update(repo: Repo, key: ReleaseKey, old: str, new: str) -> None:
    """Change one place of a release, signed."""
    repo.edit(f"releases/{key.environment}/{key.name}.yaml", old, new)
