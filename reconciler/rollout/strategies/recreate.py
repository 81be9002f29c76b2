"""recreate: stable ends before the candidate starts, for models that cannot run twice at the same time."""

from reconciler.rollout.strategies.step import Step, StepSizes, ready_of


def sizes(step: Step) -> StepSizes:
    """The candidate gets no further pod until stable was told zero and no other version's pod exists any more."""
    others = max(step.stable.told, step.stable.pods) + step.leaving
    if others:
        pods = "1 pod" if others == 1 else f"{others} pods"
        waiting = f"{pods} still to end on {step.cluster} before {step.candidate.name} starts"
        return StepSizes(candidate=step.candidate.told, stable=0, done=False, waiting=waiting)
    return StepSizes(candidate=step.size, stable=0, done=step.candidate.ready >= step.size, waiting=ready_of(step))
