"""At once: all pods of the version are told in the first pass, with no steps and nothing waited for."""

from reconciler.rollout.strategies.step import Step, StepSizes, ready_of, relieved


def sizes(step: Step) -> StepSizes:
    """Whatever serves now goes as the version's pods become ready."""
    return StepSizes(candidate=step.size, stable=relieved(step), done=_done(step), waiting=ready_of(step))


def instead(step: Step) -> StepSizes:
    """Whatever serves now goes in the same pass: where both cannot run at one time, waiting would wait for ever."""
    return StepSizes(candidate=step.size, stable=0, done=_done(step), waiting=ready_of(step))


def _done(step: Step) -> bool:
    return step.candidate.ready >= step.size
