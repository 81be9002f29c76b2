"""Letting go of what no ref of a mirror leads to: heads that were given up, results of merges, votes of old.

Not the joining of packs (`Mirror.tidy`), which keeps all of it. Rules: once a day, and nothing that was written within
two weeks, git's own time: what waits for the ledger is there for longer than any outage. What fails here fails without
harm: the mirror is as it was, and a day later it is tried again.
"""

import time

from reconciler.edges.git.mirror import Mirror

EVERY = 24 * 3600.0  # seconds
KEPT = "2.weeks.ago"
_STAMP = "swept"  # a file of the mirror, as old as the last time


def sweep(mirror: Mirror, *, every: float = EVERY, kept: str = KEPT) -> bool:
    """Let go of it, if it is time to; whether it was."""
    with mirror.lock:
        mirror.ensure()
        stamp = mirror.folder / _STAMP
        if not stamp.exists():  # a new mirror
            stamp.touch()
        if time.time() - stamp.stat().st_mtime < every:
            return False
        stamp.touch()
        packed = mirror.git.run(["repack", "-q", "-a", "-d", "--cruft", f"--cruft-expiration={kept}"])
        mirror.objects.close()  # the reading process holds what is gone
        return packed.ok and mirror.git.run(["prune", f"--expire={kept}"]).ok  # what was too old to be packed
