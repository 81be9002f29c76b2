"""What a strategy is given and what it answers, for one cluster. Sizes are numbers of pods."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One of the two versions: the size it was told, the pods that exist and those of them that are ready.

    What was seen counts only when it speaks of the last directive; otherwise `pods` and `ready` are 0.
    """

    name: str
    told: int
    pods: int
    ready: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One cluster: the candidate is to have `size` pods at the end; stable had `full` before (0: nothing served).

    `leaving` are pods of versions that are neither of the two and end now.
    """

    cluster: str
    size: int
    full: int
    leaving: int
    candidate: Arm
    stable: Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSizes:
    """The sizes to tell next; `waiting` is what the cluster is waiting for, as the start of a sentence."""

    candidate: int
    stable: int
    done: bool
    waiting: str


def ready_of(step: Step) -> str:
    """`2 of 4 replicas of 1.4.0 ready on eu-1`."""
    return f"{step.candidate.ready} of {step.size} replicas of {step.candidate.name} ready on {step.cluster}"


def relieved(step: Step) -> int:
    """The size stable may shrink to, in proportion to the candidate's ready pods; it never grows.

    With both sizes n that is n less what is ready, so the ready pods of both together never fall below n through us.
    """
    ready = min(step.candidate.ready, step.size)
    return min(step.stable.told, step.full - step.full * ready // step.size)
