"""What one cluster is told: the versions of its directive, each once, in one order.

Not the sizes of a step. Rules: what is neither running nor kept goes to zero at once and leaves the directive when its
pods are gone. Only a version that the cluster still serves from (it came back with an old directive) is left alone
until one of ours is ready there. A version keeps the hooks that it was told while it runs, so that their Jobs stay, and
one that was given up stays at zero with those that ended for as long as it is asked for: what leaves runs no hooks.
"""

from collections.abc import Iterator

from reconciler.model.ids import Version
from reconciler.model.state import Role, VersionDirective
from reconciler.rollout.hooks import told_hooks
from reconciler.rollout.situation import Runnable
from reconciler.rollout.view import View

Versions = tuple[VersionDirective, ...]


def free(runnable: Runnable, role: Role) -> VersionDirective:
    """The version with its autoscaler's range."""
    return _entry(runnable, role, runnable.low, runnable.high)


def fixed(runnable: Runnable, role: Role, size: int) -> VersionDirective:
    """The version pinned to one size."""
    return _entry(runnable, role, size, size)


def steady(view: View, stable: Runnable, kept: tuple[Runnable, ...], given_up: Version | None) -> Versions:
    """Stable with its autoscaler free; a cluster that joins gets just the same."""
    return beside(view, (free(stable, Role.STABLE),), kept, given_up)


def asleep(view: View, stable: Runnable | None, kept: tuple[Runnable, ...]) -> Versions:
    """Everything at zero: stable and the kept ones stay named, the others until their pods are gone."""
    known = (fixed(stable, Role.STABLE, 0),) if stable is not None else ()
    return _with(view, known, kept, None, relieved=True)


def beside(view: View, running: Versions, kept: tuple[Runnable, ...], given_up: Version | None) -> Versions:
    """The running versions, then those that are leaving or were given up, then the kept ones at zero."""
    relieved = any(view.ready(entry.version) >= max(1, entry.low) for entry in running)
    return _with(view, running, kept, given_up, relieved=relieved)


def _with(
    view: View, running: Versions, kept: tuple[Runnable, ...], given_up: Version | None, *, relieved: bool
) -> Versions:
    running = tuple(_with_hooks(view, entry) for entry in running)
    known = {entry.version for entry in running} | {runnable.version for runnable in kept}
    left = (entry for entry in view.told if entry.version not in known)
    parked = (_parked(view, runnable, relieved=relieved) for runnable in kept)
    return (*running, *_leaving(view, left, given_up, relieved=relieved), *parked)


def _with_hooks(view: View, entry: VersionDirective) -> VersionDirective:
    told = told_hooks(view, entry.version)
    return entry.model_copy(update={"hooks": told}) if told and not entry.hooks else entry


def serves_another(view: View, stable: Runnable) -> bool:
    """True when the cluster came back with an old directive and still serves from the version it had."""
    return any(_serves(entry) and entry.version != stable.version for entry in view.told)


def _leaving(
    view: View, entries: Iterator[VersionDirective], given_up: Version | None, *, relieved: bool
) -> Iterator[VersionDirective]:
    for entry in entries:
        stays = entry.version == given_up or not (view.settled and view.pods(entry.version) == 0)
        if _serves(entry) and not relieved:
            yield entry
        elif entry.high or (entry.role is Role.CANDIDATE and stays):
            hooks = view.ended(entry.version, entry.hooks) if entry.version == given_up else ()
            yield entry.model_copy(update={"role": Role.CANDIDATE, "low": 0, "high": 0, "hooks": hooks})


def _parked(view: View, runnable: Runnable, *, relieved: bool) -> VersionDirective:
    entry = view.entry(runnable, Role.STABLE)
    return entry if entry is not None and _serves(entry) and not relieved else fixed(runnable, Role.PREVIOUS, 0)


def _serves(entry: VersionDirective) -> bool:
    return entry.role is Role.STABLE and entry.high > 0


def _entry(runnable: Runnable, role: Role, low: int, high: int) -> VersionDirective:
    return VersionDirective(version=runnable.version, role=role, low=low, high=high, effective=runnable.effective)
