"""All that one comment on a pull request tells, as a value, and its first sentence.

Nothing is formatted but that sentence. Rules: it says what merging would do, or that it would start nothing, and then
what closes it; and nothing of what it does not know.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciler.model.ids import EnvironmentName, PlanDigest, Revision
from reconciler.plan.following import ReleaseProgress
from reconciler.plan.markdown import brief, code, counted, escape, listed
from reconciler.plan.marker import Stage
from reconciler.plan.outlook import Outlook, closed, outlook
from reconciler.plan.preview import Doing, Preview

NAMED = 3  # releases that the first sentence names one by one
MOST_PATHS = 10
_VERSION = 40  # signs of a model version
MOST_SIGNS = 400  # of a sentence of others in the first one


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """How the merge of head and base came out: a `tree`, paths in conflict, or why nothing was planned."""

    tree: str = ""
    conflicts: tuple[str, ...] = ()
    unplanned: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoverningChange:
    """A governing document that the pull request changes. `sentence` says why it would or would not be in force.

    `removed`: its file is gone. `environment` is what it governs alone; empty for what governs more.
    """

    path: str
    kind: str
    name: str
    in_force: bool
    sentence: str
    signers: tuple[str, ...] = ()
    removed: bool = False
    environment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullReport:
    """One pull request, planned at `at`. `previews` are of the releases that it touches, by key.

    `environments` are all that there are: each has a commit status. `uncounted` has a sentence for every signature of
    the comments and refs that did not count. `asked`: somebody wrote `/reconciler approve`. `progress` has a row per
    release once it is merged. `unseen` are how many releases it changes that are not planned, for there are too many,
    and `beside` how many that it concerns without changing them. `ledger` is where people find what was cut here; empty
    where nothing is kept.
    """

    repository: str
    number: int
    stage: Stage
    head: Revision
    base: Revision
    base_branch: str
    merge: Merge
    at: datetime
    previews: tuple[Preview, ...] = ()
    environments: tuple[EnvironmentName, ...] = ()
    governing: tuple[GoverningChange, ...] = ()
    uncounted: tuple[str, ...] = ()
    asked: bool = False
    progress: tuple[ReleaseProgress, ...] = ()
    unseen: int = 0
    beside: int = 0
    ledger: str = ""

    @property
    def digest(self) -> PlanDigest:
        """sha256 over the plans of all releases: shown and kept for the audit."""
        rows = sorted(f"{plan.key} {plan.digest}\n" for preview in self.previews for plan in preview.plans)
        return PlanDigest("sha256:" + hashlib.sha256("".join(rows).encode()).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The first sentence and what it needs to be understood, as Markdown."""

    title: str
    because: str = ""


def headline(report: PullReport) -> Headline:
    """What merging would do, or did."""
    if report.progress:
        return Headline(title=_followed(report.progress))
    if report.merge.unplanned:
        return Headline(title="Not planned", because=_told(report.merge.unplanned))
    if report.merge.conflicts:
        paths = listed([code(path) for path in report.merge.conflicts], MOST_PATHS)
        return Headline(
            title="Merging is not possible", because=f"Conflicts with {code(report.base_branch)} in {paths}"
        )
    return _planned(report)


def doing(preview: Preview) -> str:
    """`promote fraud-detector 1.3.0 → 1.4.0`, as Markdown."""
    name = code(preview.key.name)
    if preview.doing is Doing.CHANGE:
        return f"change {name} {brief(preview.after, _VERSION)} in place"
    if preview.doing in (Doing.RETIRE, Doing.REMOVE):
        return f"{preview.doing} {name} {brief(preview.before, _VERSION)}"
    return f"{preview.doing} {name} {versions(preview.before, preview.after)}"


def versions(before: str, after: str) -> str:
    """`1.3.0 → 1.4.0`, or the one that there is."""
    new = brief(after, _VERSION) if after else "nothing"
    return new if before in ("", after) else f"{brief(before, _VERSION)}&nbsp;→&nbsp;{new}"


def _planned(report: PullReport) -> Headline:
    views = {preview.key: outlook(preview) for preview in report.previews}
    starts = [row for row in report.previews if views[row.key] is Outlook.STARTS]
    others = [row for row in report.previews if views[row.key] > Outlook.STARTS]
    if starts:
        rest = f"; {counted(len(others), 'other release')} would not start yet" if others else ""
        return Headline(title=f"Merging would {_together(starts)}{rest}")
    refused = [row for row in report.governing if not row.in_force]
    if others:
        return _nothing_yet(sorted(others, key=lambda row: -views[row.key]), max(views.values()))
    if refused:
        because = f"{code(refused[0].path)} would not be in force: {_told(refused[0].sentence)}"
        return Headline(title="Merging would start nothing", because=because)
    if report.governing:
        names = listed([code(row.path) for row in report.governing])
        return Headline(title=f"Merging would start nothing and change what governs: {names}")
    return Headline(title="Merging would change nothing that runs")


def _nothing_yet(others: Sequence[Preview], view: Outlook) -> Headline:
    """What closes it, by the release that is worst off."""
    told = _told(_reason(others[0]))
    because = f"{code(str(others[0].key))}: {told}" if len(others) > 1 else f"{told[:1].upper()}{told[1:]}"
    if view is Outlook.CLOSED:
        return Headline(title="Merging would start nothing", because=because)
    until = "once approved" if view is Outlook.ASKS else "later, by itself"
    return Headline(title=f"Merging would {_together(others)} {until}", because=because)


def _reason(preview: Preview) -> str:
    """What closes it worst; of approvals only how they stand, for the rest of that sentence is below."""
    gate = closed(preview)[0]
    unmet = [asking.quorum.votes for asking in preview.asked if not asking.quorum.met]
    return "; ".join(unmet) if gate.kind == "Approval" and unmet else gate.message


def _together(previews: Sequence[Preview]) -> str:
    """`promote a 1 → 2 in prod on eu-1`, for some; by environments for many."""
    if len(previews) <= NAMED:
        return "; ".join(f"{doing(row)} in {code(row.key.environment)}{_on(row)}" for row in previews)
    found: dict[str, int] = {}
    for row in previews:
        found[row.key.environment] = found.get(row.key.environment, 0) + 1
    where = listed([f"{count:,} in {code(name)}" for name, count in sorted(found.items())])
    words = {row.doing for row in previews}
    verb = words.pop() if len(words) == 1 else "change"
    return f"{verb} {counted(len(previews), 'release')}: {where}"


def _on(preview: Preview) -> str:
    return f" on {listed([code(name) for name in preview.clusters])}" if preview.clusters else ""


def _followed(rows: Sequence[ReleaseProgress]) -> str:
    """How it goes after the merge."""
    failed = [row for row in rows if row.failed]
    if failed:
        return f"Merged, and {listed([code(str(row.key)) for row in failed], NAMED)} failed"
    going = [row for row in rows if not row.ended]
    if len(rows) == 1:
        row = rows[0]
        return f"Merged: {code(str(row.key))} {versions(row.before, row.after)} is {escape(row.phase)}"
    if not going:
        return f"Merged: all {counted(len(rows), 'release')} came to an end"
    return f"Merged: {len(going):,} of {counted(len(rows), 'release')} not at the end yet"


def _told(text: str) -> str:
    """Somebody's sentence within ours."""
    return brief(text.rstrip("."), MOST_SIGNS)
