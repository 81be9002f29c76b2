"""The forges of a daemon's repositories: whose pull requests are looked after, and who listens to webhooks.

Not what is told on a pull request (`pulls`). Rules: nothing is opened before `start`; every repository has a thread of
its own, so a forge that is slow keeps no other waiting, and never a release; a delivery makes the source and the pull
requests look, as their schedules would.
"""

import hashlib
import hmac
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from reconciler.config import RepositorySettings, Settings
from reconciler.edges.forge.github_app import AppKey
from reconciler.edges.forge.open import key_from, open_forge, pace_for, token_from
from reconciler.edges.forge.protocol import Forge
from reconciler.edges.git import Actor
from reconciler.errors import Misused
from reconciler.loop.pulls.one import One
from reconciler.loop.pulls.proposing import Hand, Promoter
from reconciler.loop.pulls.watch import PullRequests
from reconciler.loop.snapshot import Publication
from reconciler.loop.webhooks import Hook, Webhooks
from reconciler.loop.world import World
from reconciler.model.ids import ReleaseKey, RepositoryName
from reconciler.trust.keys import load_private_key

_MARKER = b"reconciler:pull marker v1"


class Forges:
    """All of them. `look` makes a repository's source poll."""

    def __init__(
        self, settings: Settings, world: World, *, now: Callable[[], datetime], look: Callable[[RepositoryName], None],
        log: Any,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._world = world
        self._now = now
        self._look = look
        self._log = log
        self._webhooks: Webhooks | None = None
        self._pulls: dict[RepositoryName, PullRequests] = {}
        self._forges: list[Forge] = []

    def start(self, stop: threading.Event) -> list[threading.Thread]:
        """Look after the pull requests until `stop`, in the threads that are returned, and listen to webhooks.

        Raises Misused when the port is taken, or a setting leads nowhere.
        """
        rows = [row for row in self._settings.config.repositories if row.forge.type != "none"]
        for row in rows:
            self._pulls[RepositoryName(row.name)] = self._open(row)
        threads = [
            threading.Thread(target=pulls.run, args=[stop], name=f"pulls-{name}", daemon=True)
            for name, pulls in self._pulls.items()
        ]
        for thread in threads:
            thread.start()
        hooks = {row.name: self._hook(row, row.forge.webhook.secret_file) for row in rows if row.forge.webhook}
        if hooks:
            count = partial(self._world.telemetry.count, "reconciler_webhooks_total")
            address = self._settings.config.listen.web_address()
            self._webhooks = Webhooks(address, hooks, now=self._now, count=count)
            self._webhooks.start()
        return threads

    def _open(self, row: RepositorySettings) -> PullRequests:
        name, one, signing = RepositoryName(row.name), self._one(row), self._settings.config.signing
        hand = Hand(
            key=load_private_key(self._settings.path(signing.key_file).read_bytes()),
            actor=Actor(name=signing.name, email=signing.email), branch=row.branch, folder=row.path,
        )  # fmt: skip
        world = self._world
        promoter = Promoter(world, world.sources[name], world.ledgers[name], one.forge, hand, self._log)
        return PullRequests(
            one, promoter, poll=row.poll, forks=row.forge.forks, leading=lambda: world.leader.leading, now=self._now,
            log=self._log,
        )  # fmt: skip

    def one(self, name: RepositoryName) -> One:
        """What looks at one pull request of a repository; raises Misused where the settings name no forge."""
        row = next(row for row in self._settings.config.repositories if row.name == name)
        if row.forge.type == "none":
            raise Misused(f"the settings name no forge for {name}", hint="repositories[].forge says where it is")
        return self._one(row)

    def _one(self, row: RepositorySettings) -> One:
        name, forge = RepositoryName(row.name), self._forge(row)
        self._forges.append(forge)
        return One(
            self._world, self._world.sources[name], self._world.ledgers[name], forge,
            key=marker_key(self._settings.path(self._settings.config.signing.key_file)),
            branch=row.branch, place=row.ledger.ref.removeprefix("refs/heads/"), coalesce=row.forge.coalesce,
        )  # fmt: skip

    def _forge(self, row: RepositorySettings) -> Forge:
        given, telemetry = row.forge, self._world.telemetry
        app = None
        if given.app:
            key = partial(key_from, self._settings.path(given.app.key_file))
            app = AppKey(id=given.app.id, installation=given.app.installation, key=key)
        return open_forge(
            given.type,
            repository_url=row.url,
            branch=row.branch,
            url=given.url,
            project=given.project,
            token=partial(token_from, self._settings.path(given.token_file)) if given.token_file else None,
            app=app,
            allow_plain_loopback="plainLoopback" in self._settings.config.allowed,
            pace=pace_for(given.type, interval=given.pace.total_seconds()),
            on_answer=partial(telemetry.forge_answered, row.name),
            on_quota=lambda left: telemetry.gauge("reconciler_forge_quota_remaining", left, row.name),
        )

    def _hook(self, row: RepositorySettings, secret: str) -> Hook:
        look = partial(self._delivered, RepositoryName(row.name))
        return Hook(kind=row.forge.type, secret=self._settings.path(secret), look=look)

    def _delivered(self, name: RepositoryName) -> None:
        self._look(name)
        self._pulls[name].look()

    # --- what moved

    def published(self, publication: Publication) -> None:
        """A trunk moved, or what is given outside of it."""
        pulls = self._pulls.get(publication.snapshot.repository)
        if pulls:
            pulls.trunk_moved(publication)

    def release_moved(self, key: ReleaseKey) -> None:
        """A release's state was written."""
        pulls = self._pulls.get(key.repository)
        if pulls:
            pulls.release_moved(key)

    def close(self) -> None:
        """Stop listening, and wake the threads so that they end."""
        if self._webhooks:
            self._webhooks.close()
        for pulls in self._pulls.values():
            pulls.wake()

    def hang_up(self) -> None:
        """Give connections back, once the threads have ended."""
        for forge in self._forges:
            forge.close()


def marker_key(file: Path) -> bytes:
    """The key of our comments' markers: of the daemon's own key, so that every replica finds them."""
    return hmac.digest(hashlib.sha256(file.read_bytes()).digest(), _MARKER, "sha256")
