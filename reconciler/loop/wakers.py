"""What makes a source look: its schedule, and hints that something changed. A hint costs one poll and is never trusted.

APScheduler keeps the schedule with jitter; watchdog tells of a local repository's branch and of the trust file.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from reconciler.config import Settings
from reconciler.edges.git import watches
from reconciler.errors import ReconcilerError, Retry
from reconciler.loop.sources import Source
from reconciler.loop.world import World

_JITTER = 0.1  # of the interval
_RESYNC = 600  # seconds; every key is looked at this often though no event said so
_FIRST_AGAIN = 1.0  # seconds between polls until the first succeeded


class _Hint(FileSystemEventHandler):
    """Calls `look` when one of `names` in the watched folder changed."""

    def __init__(self, names: frozenset[str], look: Any) -> None:
        self._names = names
        self._look = look

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Any change of a known name, renames included (git replaces files by renaming)."""
        if event.event_type in ("opened", "closed_no_write"):
            return
        touched = {Path(str(path)).name for path in (event.src_path, getattr(event, "dest_path", "")) if path}
        if touched & self._names:
            self._look()


class Wakers:
    """The schedule of all sources of one daemon."""

    def __init__(self, settings: Settings, world: World, *, log: Any) -> None:
        self._settings = settings
        self._world = world
        self._log = log
        self._scheduler = BackgroundScheduler(
            timezone=UTC, executors={"default": ThreadPoolExecutor(max(4, len(world.sources)))}
        )
        self._observer = Observer()
        self._asked: set[str] = set()  # repositories that were hinted at since their poll began

    def start(self) -> None:
        """Poll everything now, then by schedule and on hints."""
        for repository in self._settings.config.repositories:
            source = next(row for name, row in self._world.sources.items() if name == repository.name)
            seconds = max(1.0, repository.poll.total_seconds())
            self._scheduler.add_job(
                self._poll,
                IntervalTrigger(seconds=seconds, jitter=seconds * _JITTER),
                args=[source],
                id=source.repository,
                next_run_time=datetime.now(UTC),
                max_instances=1,
                coalesce=True,
                misfire_grace_time=None,
            )
            self._watch(source, self._settings.path(repository.trust))
        self._scheduler.add_job(self._resync, IntervalTrigger(seconds=_RESYNC, jitter=_RESYNC * _JITTER), id="resync")
        self._scheduler.start()
        self._observer.start()

    def _watch(self, source: Source, trust: Path) -> None:
        def look() -> None:
            self.look(source)

        for watch in watches(source.mirror.remote):
            self._observer.schedule(_Hint(watch.names, look), str(watch.folder), recursive=False)
        # A mounted file is replaced by a link that Kubernetes moves (`..data`): any change in its folder counts.
        self._observer.schedule(_Hint(frozenset({trust.name, "..data"}), look), str(trust.parent), recursive=False)

    def look(self, source: Source) -> None:
        """Poll as soon as a thread is free; many hints make one poll, and one during a poll makes another."""
        self._asked.add(source.repository)
        try:
            self._scheduler.modify_job(source.repository, next_run_time=datetime.now(UTC))
        except JobLookupError:
            return  # we are stopping

    def _poll(self, source: Source) -> None:
        if not self._world.leader.wait(_FIRST_AGAIN):  # standing by
            self._soon(source, _FIRST_AGAIN)
            return
        while True:  # the scheduler drops what comes due while the job runs
            self._asked.discard(source.repository)
            self._poll_once(source)
            if source.repository not in self._asked:
                return

    def _poll_once(self, source: Source) -> None:
        try:
            result = source.poll()
        except Retry as error:
            result = error.reason
            if source.snapshot is None:
                self._soon(source, error.after or _FIRST_AGAIN)
            self._log.debug("poll failed", repository=source.repository, reason=error.reason, error=error.message)
        except ReconcilerError as error:
            result = type(error).__name__
            self._log.error("poll failed", repository=source.repository, error=error.message)
        self._world.telemetry.count("reconciler_polls_total", source.repository, result)

    def _soon(self, source: Source, seconds: float) -> None:
        try:
            self._scheduler.modify_job(
                source.repository, next_run_time=datetime.fromtimestamp(datetime.now(UTC).timestamp() + seconds, UTC)
            )
        except JobLookupError:
            return  # we are stopping

    def _resync(self) -> None:
        self._world.wake_everything()

    def close(self) -> None:
        """Stop; a poll that runs ends by its own timeout."""
        self._observer.stop()
        self._scheduler.shutdown(wait=False)
