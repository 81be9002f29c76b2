"""Hooks: Jobs that a release runs on every cluster, before its candidate starts there and after it is healthy.

Not part of a version: they decide no pod of the server. They are part of the manifest, so of the closure: a changed
hook is reviewed, signed and approved like everything else.
"""

from datetime import timedelta
from typing import Annotated

from pydantic import StringConstraints, model_validator

from reconciler.model.runtime import Argument, ImageRef
from reconciler.model.variables import EnvVar, distinct_names
from reconciler.model.wire import Duration, Field, Quantity, Wire, format_duration

MAX_NAMES = 51
"""Characters of a release's name and a hook's together: with ten of the version they make a Job's name of 63."""
SHORTEST_BUDGET = timedelta(seconds=10)
LONGEST_BUDGET = timedelta(hours=24)
HookName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,28}[a-z0-9])?$")]


class HookResources(Wire):
    """What the Job's pod gets. CPU is a request, memory both request and limit."""

    cpu: Quantity = "100m"
    memory: Quantity = "256Mi"


class HookJob(Wire):
    """One container that runs to its end, once for a version on a cluster; exit code 0 is success."""

    name: HookName
    """What it is known by. A hook that ran is not run again under its name for the same version."""
    image: ImageRef
    """By digest (`name@sha256:…`)."""
    command: tuple[Argument, ...] = ()
    """Replaces the image's entrypoint."""
    args: tuple[Argument, ...] = ()
    env: tuple[EnvVar, ...] = ()
    resources: HookResources = HookResources()
    budget: Duration = timedelta(minutes=10)
    """How long it may take, all tries together."""
    retries: Annotated[int, Field(ge=0, le=10)] = 0
    """How often it is tried again when its container fails."""

    @model_validator(mode="after")
    def _bounded(self) -> "HookJob":
        if not SHORTEST_BUDGET <= self.budget <= LONGEST_BUDGET:
            raise ValueError(f"a hook's budget of {format_duration(self.budget)} is not between 10s and 24h")
        distinct_names(self.env)
        return self


class Hook(Wire):
    """Something that runs at one point of a rollout."""

    job: HookJob

    @property
    def name(self) -> str:
        """The name of what runs."""
        return self.job.name


class Hooks(Wire):
    """What runs around a rollout on each cluster, one after the other in the order of the lists."""

    before: Annotated[tuple[Hook, ...], Field(max_length=10)] = ()
    """All complete before the candidate gets its first pod there. One that fails is a closed gate."""
    after: Annotated[tuple[Hook, ...], Field(max_length=10)] = ()
    """Run once the candidate has its full size and is healthy there. One that fails, fails the candidate."""

    @property
    def all(self) -> tuple[Hook, ...]:
        """Those before, then those after."""
        return (*self.before, *self.after)

    @model_validator(mode="after")
    def _distinct(self) -> "Hooks":
        names = [hook.name for hook in self.all]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two hooks are called '{name}'")
        return self
