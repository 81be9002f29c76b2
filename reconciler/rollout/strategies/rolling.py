"""rolling: the candidate grows by a surge beyond its ready pods; stable shrinks by what is ready."""

from reconciler.rollout.strategies.step import Step, StepSizes, ready_of, relieved

_SURGE_SHARE = 4  # a quarter of the candidate's final size


def surge(size: int) -> int:
    """How many pods may be there beyond `size`: 25 %, rounded up, and at least one."""
    return max(1, -(-size // _SURGE_SHARE))


def sizes(step: Step) -> StepSizes:
    """Told pods that are not ready yet count against the surge, so a candidate that does not start stays small."""
    ready = min(step.candidate.ready, step.size)
    return StepSizes(
        candidate=min(step.size, max(step.candidate.told, ready + surge(step.size))),
        stable=relieved(step),
        done=ready == step.size,
        waiting=ready_of(step),
    )
