"""P12: the plan of a pull request that changes 10 of 10,000 releases, from its head at the forge to the comment.

Ours is one look: fetch the head, merge, plan, render, three statuses and one comment, over HTTP to a forge. The probe
is what cannot be saved by anybody who asks the API server: a fetch of the same head by git, a server-side dry run of
every object that the plan tells of, and one comment. The releases were not released yet, so all their objects are new;
the API server is the embedded one, in this process, which answers far sooner than a real one.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reconciler.demo.forge import LocalForge
from reconciler.digest import sha256_of
from reconciler.documents.schema import parse
from reconciler.edges.forge.open import open_forge
from reconciler.edges.forge.pace import Pace
from reconciler.edges.forge.protocol import Forge
from reconciler.loop.statements import statement_of
from reconciler.trust.keys import load_private_key
from reconciler.trust.sshsig import sign
from tests.bench.measure import figure, median, timed

sys.path.insert(0, str(Path(__file__).parents[1] / "pulls"))

from pull_world import STAGING, PullWorld

RELEASES = 10_000
CHANGED = 10
_TOKENS = {"t-bot": "reconciler-bot", "t-bo": "bo"}


class Bed:
    """An organisation with ten thousand releases on its trunk, and a forge over HTTP."""

    def __init__(self, folder: Path) -> None:
        self.world = PullWorld(folder)
        self.text = (self.world.work / STAGING).read_text()
        self.key = load_private_key(self.world.people.person("bo").key.read_bytes())
        for number in range(RELEASES):
            self.write(number, "1.3.0")
        self.world.git("add", "-A")
        self.world.git("commit", "-q", "-m", f"{RELEASES} releases")
        self.world.git("push", "-q", "origin", "HEAD:main")
        self.world.source.poll()
        self.local = LocalForge(self.world.origin, folder / "forge", _TOKENS, name="acme/models")
        self.local.__enter__()
        self.forge: Forge = open_forge(
            "github", repository_url="https://forge.example/acme/models", branch="main", url=self.local.api,
            project="acme/models", token=lambda: "t-bot", allow_plain_loopback=True, pace=Pace(interval=0.0),
        )  # fmt: skip
        self.world.forge = self.forge  # type: ignore[assignment]  # the real client in place of the one in memory
        self.world.restart()

    def write(self, number: int, version: str) -> None:
        path = self.world.work / f"releases/staging/model-{number}.yaml"
        text = self.text.replace("name: fraud-detector\n", f"name: model-{number}\n", 1).replace("1.3.0", version)
        data, relative = text.encode(), path.relative_to(self.world.work).as_posix()
        said = statement_of(self.world.people.repository, relative, parse(relative, data), sha256_of(data))
        path.write_bytes(data)
        Path(f"{path}.sig").write_bytes(sign(self.key, said.text(), said.namespace).encode())

    def head(self, turn: int) -> tuple[int, str]:
        """A pull request that asks for another version of ten; its number and head."""
        branch = f"p12-{turn}"
        self.world.git("checkout", "-q", "-B", branch, "origin/main")
        for number in range(turn * CHANGED, (turn + 1) * CHANGED):
            self.write(number, f"1.4.{turn}")
        self.world.git("add", "-A")
        self.world.git("commit", "-q", "-m", "ten releases")
        self.world.git("push", "-q", "origin", f"HEAD:refs/heads/{branch}")
        opened = self.forge.open_pull(head=branch, base="main", title="Ten releases", body="")
        return opened.number, self.world.git("rev-parse", "HEAD")

    def close(self) -> None:
        self.forge.close()
        self.local.close()
        self.world.close()


def p12(options: Any) -> Iterator[dict[str, Any]]:
    """Some pull requests one after another, each planned by us and by the probe."""
    ours, fetches, dry, posts, objects = [], [], [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        bed = Bed(Path(folder))
        try:
            for turn in range(max(5, options.rounds)):
                number, head = bed.head(turn)
                pull = bed.forge.pull(number)
                fetches.append(timed(lambda: _fetch(bed, Path(folder) / f"probe-{turn}", head))[0])  # noqa: B023
                ours.append(timed(lambda: _look(bed, pull))[0])  # noqa: B023
                rendered = _objects(bed, number)
                objects = len(rendered)
                dry.append(timed(lambda: [client.dry_run(row) for client, row in rendered])[0])  # noqa: B023
                posts.append(timed(lambda: bed.forge.comment(number, "x" * 20_000))[0])  # noqa: B023
        finally:
            bed.close()
    probe = median(fetches) + median(dry) + median(posts)
    yield figure("P12", f"plan of a pull request, 10 of {RELEASES} releases", median(ours) * 1000, " ms")
    yield figure("P12", "… fetch of its head by git", median(fetches) * 1000, " ms")
    yield figure("P12", f"… {objects} server-side dry runs", median(dry) * 1000, " ms")
    yield figure("P12", "… one comment", median(posts) * 1000, " ms")
    yield figure("P12", "ours / (fetch + dry runs + comment)", median(ours) / probe, goal="≤ 1.5")


def _look(bed: Bed, pull: Any) -> None:
    bed.world.pulls._take(pull, bed.world.now())
    tracked = bed.world.pulls._tracked[pull.number]
    bed.world.pulls._pass(tracked, bed.world.now())
    assert tracked.ours is not None, bed.world.said.lines
    assert len(tracked.asks) == CHANGED


def _fetch(bed: Bed, into: Path, head: str) -> None:
    """As little as git needs: a repository that borrows what it has, and fetches the head."""
    trunk = bed.world.source.mirror.folder
    subprocess.run(["git", "init", "-q", "--bare", str(into)], check=True)
    (into / "objects/info/alternates").write_text(f"{trunk / 'objects'}\n")
    subprocess.run(["git", "-C", str(into), "fetch", "-q", str(bed.world.origin), head], check=True)


def _objects(bed: Bed, number: int) -> list[tuple[Any, Any]]:
    """Every object that the plan tells of, with the client that would dry-run it."""
    world, tracked = bed.world.daemon.world, bed.world.pulls._tracked[number]
    rendered = {
        (key[0], row.ref): row
        for key, rendering in list(world._renderings._rows.items()) if key[0] in tracked.asks
        for row in rendering.objects
    }  # fmt: skip
    found = []
    for preview in tracked.report.previews if tracked.report else ():
        for plan in preview.plans:
            client = world.fleet.cluster(plan.key).objects
            found += [(client, rendered[preview.key, change.ref]) for change in plan.changes]
    return found
