"""What became of the hooks of the versions that a target runs: what the rollout waits for.

The Job says whether; its pods (read only when it failed or takes long) say why. Not when a hook is due: the directive
names it. Rule: an outcome that is for good is kept whatever happens to the Job, for as long as the directive names the
version; so nothing runs twice, and a Job that is deleted before it ended is made and waited for again.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reconciler.model.facts import LiveObject
from reconciler.model.objects import HookRef, Rendering
from reconciler.model.state import HookOutcome, HookState
from reconciler.plan.health import last_words
from reconciler.plan.seen import SeenTarget

Outcomes = dict[str, dict[str, HookOutcome]]
_NOT_CREATED = "NotCreated"


def hook_outcomes(seen: SeenTarget, wanted: Rendering) -> Outcomes:
    """By version that the directive names, by hook: what is known after this pass."""
    found = {str(entry.version): _for_good(seen, entry.version) for entry in seen.directive.versions}
    for hook in wanted.hooks:
        if hook.hook not in found[hook.version] and (hook.due or hook.ref in seen.live):
            outcome = _outcome(hook, seen)
            found[hook.version] = dict(sorted({**found[hook.version], hook.hook: outcome}.items()))
    return {version: outcomes for version, outcomes in sorted(found.items()) if outcomes}


def unfinished(seen: SeenTarget, wanted: Rendering) -> tuple[HookRef, ...]:
    """The hooks that are due and not known to have ended."""
    known = ((hook, seen.outcome(hook.version, hook.hook)) for hook in wanted.hooks if hook.due)
    return tuple(hook for hook, outcome in known if outcome is None or not outcome.ended)


def running(hooks: Outcomes) -> bool:
    """True while any of them is waited for."""
    return any(not outcome.ended for outcomes in hooks.values() for outcome in outcomes.values())


def failed(live: LiveObject | None) -> bool:
    """True for a Job that gave up."""
    return live is not None and _condition(live, "Failed") is not None


def _for_good(seen: SeenTarget, version: str) -> dict[str, HookOutcome]:
    before = seen.status.hooks.get(version, {})
    return {name: outcome for name, outcome in before.items() if outcome.ended}


def _outcome(hook: HookRef, seen: SeenTarget) -> HookOutcome:
    live, before = seen.live.get(hook.ref), seen.outcome(hook.version, hook.hook)
    if live is None:
        return _moved(before, HookState.RUNNING, _NOT_CREATED, "its Job does not exist yet", seen.now)
    if _condition(live, "Complete"):
        return _moved(before, HookState.COMPLETE, "", "", seen.now)
    reason, said = last_words(seen.hook_pods.get(hook.ref, ())) or _words_before(before)
    lost = _condition(live, "Failed")
    if lost is None:
        return _moved(before, HookState.RUNNING, reason, said, seen.now)
    message = "; ".join(part for part in (str(lost.get("message", "")), said) if part)
    return _moved(before, HookState.FAILED, str(lost.get("reason", "Failed")), message, seen.now)


def _words_before(before: HookOutcome | None) -> tuple[str, str]:
    """What its pods said in an earlier pass: a Job that runs out of time takes them with it."""
    return (before.reason, before.message) if before and before.reason != _NOT_CREATED else ("", "")


def _moved(before: HookOutcome | None, state: HookState, reason: str, message: str, now: datetime) -> HookOutcome:
    since = before.since if before and before.state is state else now.replace(microsecond=0)
    return HookOutcome(state=state, since=since, reason=reason, message=message)


def _condition(live: LiveObject, kind: str) -> Mapping[str, Any] | None:
    rows = live.facts.get("status", {}).get("conditions", ())
    return next((row for row in rows if row.get("type") == kind and row.get("status") == "True"), None)
