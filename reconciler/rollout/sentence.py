"""The sentences people read: what a pass did, and what it waits for, on one line however many clusters there are."""

from collections.abc import Sequence

from reconciler.model.ids import ClusterName, short
from reconciler.model.state import HookOutcome, VersionHealth
from reconciler.rollout.situation import Runnable

_NAMED = 3  # clusters named one by one


def name_of(runnable: Runnable, other: Runnable | None) -> str:
    """The model version people know; with its version where both have the same one (another image, say)."""
    if other is not None and other.ref.model_version == runnable.ref.model_version:
        return f"{runnable.ref.model_version} ({short(runnable.version)})"
    return runnable.ref.model_version


def listed(clusters: Sequence[ClusterName]) -> str:
    """`a`, `a and b`, `a, b, c and 4 more clusters`."""
    if len(clusters) > _NAMED:
        more = len(clusters) - _NAMED
        return f"{', '.join(clusters[:_NAMED])} and {more} more cluster{'' if more == 1 else 's'}"
    head, last = clusters[:-1], clusters[-1]
    return f"{', '.join(head)} and {last}" if head else last


def because(health: VersionHealth | HookOutcome) -> str:
    """The reason and the message of a health or an outcome, as far as it has them."""
    return (
        ": ".join(part.strip().rstrip(".") for part in (health.reason, health.message) if part.strip())
        or "no reason given"
    )
