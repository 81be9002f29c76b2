"""P10: writing down what happened to K of N releases: one signed commit and one push per flush, independent of N.

The probe is what git itself needs for that: `git fast-import` of as many files on top of the same head, and a push to
the same repository. Ours is a flush of the ledger: records numbered, chained and signed, status files, the page for
people, the signed commit, the push, and our head kept at home (in memory here).
"""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from reconciler.edges.git import Actor, Mirror, Remote
from reconciler.edges.kube.states import Stored
from reconciler.loop.ledger import Ledger
from reconciler.loop.telemetry import Telemetry
from reconciler.model.ids import RepositoryName, Version
from reconciler.model.record import OutboxEntry, Record
from reconciler.model.repository import RepositoryState, RepositoryStatus
from reconciler.model.state import Phase, ReleaseRef, ReleaseState, ReleaseStatus, VersionRef
from reconciler.trust.keys import generate_key, load_private_key
from tests.bench.measure import figure, median, timed
from tests.bench.plan import REPOSITORY, trust_of

_LOG = structlog.wrap_logger(structlog.ReturnLogger())
_REF = "refs/heads/reconciler/ledger"
_DIGEST = "sha256:" + "0" * 64


class _Home:
    """The home cluster's states in memory."""

    def __init__(self, count: int) -> None:
        self.rows = {f"prod-model-{number}": _stored(number) for number in range(count)}
        self.status = RepositoryStatus()

    def releases(self) -> dict[str, Stored[ReleaseState]]:
        return self.rows

    def repository(self, name: RepositoryName) -> Stored[RepositoryState]:
        value = RepositoryState(repository=name, branch="main", status=self.status)
        return Stored(name="r", namespace="n", uid="u", resource_version="1", value=value)

    def change_repository(self, _: str, __: str, change: Callable[[RepositoryStatus], RepositoryStatus]) -> None:
        self.status = change(self.status)

    def happened(self, numbers: range, turn: int) -> None:
        """Something is to be written down of these releases."""
        for number in numbers:
            row = self.rows[f"prod-model-{number}"]
            entry = OutboxEntry(
                record=Record(
                    time=_now(), kind="Promoted", repository=REPOSITORY, environment="prod", name=f"model-{number}",
                    message=f"model-{number} 1.{turn} is Healthy",
                )
            )  # fmt: skip
            status = row.value.status.model_copy(update={"outbox": (entry,)})
            self.rows[f"prod-model-{number}"] = _stored(number, status)


def _now() -> datetime:
    return datetime.now(UTC)


def _stored(number: int, status: ReleaseStatus | None = None) -> Stored[ReleaseState]:
    ref = VersionRef(version=Version(_DIGEST), model_version="1.0", manifest=_DIGEST, closure=_DIGEST)
    status = status or ReleaseStatus(phase=Phase.PROMOTED, stable=ref, model_version="1.0")
    value = ReleaseState(
        release=ReleaseRef(repository=REPOSITORY, environment="prod", name=f"model-{number}"), status=status
    )
    return Stored(name=f"prod-model-{number}", namespace="n", uid="u", resource_version="1", value=value)


@dataclass(slots=True)
class _Stage:
    """A ledger over a bare repository that has N status files already."""

    folder: Path
    count: int
    home: _Home = field(init=False)
    ledger: Ledger = field(init=False)
    turn: int = 0

    def __post_init__(self) -> None:
        origin = self.folder / f"origin-{self.count}.git"
        subprocess.run(["git", "init", "-q", "--bare", str(origin)], check=True)
        self.home = _Home(self.count)
        remote = Remote(url=str(origin), branch="main", allow_file=True)
        pair = generate_key("daemon")
        trust = trust_of(pair.public)
        mirror = Mirror(self.folder / f"mirrors-{self.count}", REPOSITORY, remote)
        self.ledger = Ledger(
            REPOSITORY, ref=_REF, branch="main", mirror=mirror,
            key=load_private_key(pair.private), actor=Actor(name="reconciler", email="r@example.com"),
            trust=lambda: trust, leading=lambda: True, home=self.home, now=_now, telemetry=Telemetry(),
            log=_LOG,
        )  # type: ignore[arg-type]  # a home in memory  # fmt: skip
        self.ledger.load()
        self.home.happened(range(self.count), 0)
        self.ledger.flush()

    def flush(self, releases: int) -> float:
        """Seconds of one flush of so many releases."""
        self.turn += 1
        self.home.happened(range(releases), self.turn)
        return timed(self.ledger.flush)[0]


def p10(options: Any) -> Iterator[dict[str, Any]]:
    """Flushes of 1, 10 and 100 releases into 100 and 10,000 files."""
    rounds = max(11, options.rounds)
    found: dict[tuple[int, int], float] = {}
    with tempfile.TemporaryDirectory() as name:
        for count in (100, 10_000):
            stage = _Stage(Path(name), count)
            for releases in (1, 10, 100):
                seen = [(stage.flush(releases), _probe(Path(name), count, turn, releases)) for turn in range(rounds)]
                found[count, releases] = median(row[0] for row in seen)
                yield figure(
                    "P10", f"status of {releases} releases into {count} files", found[count, releases] * 1000, " ms",
                    "≤ 30 ms" if releases == 1 else "",
                )  # fmt: skip
                probe = median(row[1] for row in seen)
                yield figure("P10", "… as a ratio to git's own commit and push", found[count, releases] / probe)
    yield figure("P10", "1 release: t(10,000 files) / t(100 files)", found[10_000, 1] / found[100, 1])


def _probe(folder: Path, count: int, turn: int, releases: int) -> float:
    """Git alone: as many small files on top of the ledger's head, as one commit, pushed to a branch of their own."""
    mirror = next((folder / f"mirrors-{count}").iterdir())
    origin = folder / f"origin-{count}.git"
    head = subprocess.run(["git", "-C", origin, "rev-parse", _REF], check=True, capture_output=True, text=True).stdout
    files = [f"status/prod/model-{number}.json" for number in range(releases)] + ["README.md"]
    files += [f"records/2026/11/{turn}-{number}.json{end}" for number in range(releases) for end in ("", ".sig")]
    lines = [f"commit refs/probe/one\ncommitter p <p@x> {turn} +0000\ndata 0\nfrom {head}"]
    lines += [f"M 100644 inline {path}\ndata 400\n{str(turn).rjust(400)}\n" for path in files]

    def work() -> None:
        git = ["git", "-C", str(mirror)]
        subprocess.run([*git, "fast-import", "--quiet", "--force"], input="".join(lines).encode(), check=True)
        push = [*git, "push", "-q", "--force", str(origin), "refs/probe/one:refs/heads/probe"]
        subprocess.run(push, check=True, capture_output=True)

    return timed(work)[0]
