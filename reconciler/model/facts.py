"""What is: facts that edges observed, as small values without the objects they came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.model.ids import Revision
from reconciler.model.objects import ObjectRef


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveObject:
    """One object as it is on a cluster, about 0.4 KiB instead of 20.

    `digest` is sha256 over the object projected onto the fields that *we* own (our managed fields), so it changes when
    somebody changes, removes or takes over one of them, and only then. It is empty when we own nothing.
    `others` are the managers that own fields in the object beside us (not our scale manager, not status writers).
    `owner` is the `reconciler.dev/state` label: the state object whose inventory this should stand in.
    `facts` holds just what health needs, by kind: for a Deployment `replicas` (spec) and its `status`.
    """

    ref: ObjectRef
    uid: str
    resource_version: str
    generation: int
    digest: str
    owner: str
    others: tuple[str, ...]
    deleting: bool
    facts: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFact:
    """Why a pod is not ready, down to the last event and log line; empty strings where there is nothing to say."""

    name: str
    phase: str
    ready: bool
    reason: str  # waiting or termination reason: CrashLoopBackOff, ImagePullBackOff, OOMKilled, Unschedulable …
    message: str
    restarts: int
    last_event: str
    log_tail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeAnswer:
    """What came back of one smoke request.

    `status` is 0 when the pod said nothing in time. `body` is the beginning of the answer. `problem` is why the request
    did not get to the pod; empty when it did.
    """

    pod: str
    status: int = 0
    body: str = field(default="", repr=False)
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitFact:
    """One commit as Git has it; nothing in it is trusted, it is only shown."""

    revision: Revision
    author: str
    email: str
    subject: str
    time: datetime
