"""All that one comment on a pull request tells, as a value, and its first sentence.

Nothing is formatted but that sentence. Rules: the sentence says what merging would do, or what closes it, and nothing
of what it does not know.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciler.model.ids import EnvironmentName, PlanDigest, Revision
from reconciler.plan.following import ReleaseProgress
from reconciler.plan.markdown import code, counted, escape, listed
from reconciler.plan.marker import Stage
from reconciler.plan.outlook import Outlook, closed, outlook
from reconciler.plan.preview import Doing, Preview

NAMED = 3  # releases that the first sentence names one by one
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
    release once it is merged. `ledger` is where people find what was cut here; empty where nothing is kept.
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
    ledger: str = ""

    @property
    def digest(self) -> PlanDigest:
        """sha256 over the plans of all releases: shown and kept for the audit."""
        rows = sorted(f"{plan.key} {plan.digest}\n" for preview in self.previews for plan in preview.plans)
        return PlanDigest("sha256:" + hashlib.sha256("".join(rows).encode()).hexdigest())


def headline(report: PullReport) -> str:
    """The first sentence, as Markdown."""
    if report.progress:
        return _followed(report)
    if report.merge.unplanned:
        return f"Not planned: {_told(report.merge.unplanned)}"
    if report.merge.conflicts:
        return f"Merging is not possible: conflicts in {listed([code(path) for path in report.merge.conflicts])}"
    return _planned(report)


def doing(preview: Preview) -> str:
    """`promote fraud-detector 1.3.0 → 1.4.0`, as Markdown."""
    name = code(preview.key.name)
    if preview.doing is Doing.CHANGE:
        return f"change {name} {escape(preview.after)} in place".replace("  ", " ")
    if preview.doing in (Doing.RETIRE, Doing.REMOVE):
        return f"{preview.doing} {name} {escape(preview.before)}".rstrip()
    return f"{preview.doing} {name} {versions(preview.before, preview.after)}"


def versions(before: str, after: str) -> str:
    """`1.3.0 → 1.4.0`, or the one that there is."""
    if before == after or not before:
        return escape(after) if after else "nothing"
    return f"{escape(before)} → {escape(after) if after else 'nothing'}"


def _planned(report: PullReport) -> str:
    views = {preview.key: outlook(preview) for preview in report.previews}
    starts = [row for row in report.previews if views[row.key] is Outlook.STARTS]
    others = [row for row in report.previews if views[row.key] > Outlook.STARTS]
    if starts:
        rest = f"; {counted(len(others), 'other release')} would not start yet" if others else ""
        return f"Merging would {_together(starts)}{rest}"
    refused = [row for row in report.governing if not row.in_force]
    if others:
        return _nothing_yet(sorted(others, key=lambda row: -views[row.key]), max(views.values()))
    if refused:
        return f"Merging would start nothing: {_told(refused[0].sentence)}"
    if report.governing:
        names = listed([code(row.path) for row in report.governing])
        return f"Merging would start nothing; it changes what governs: {names}"
    return "Merging would change nothing that runs"


def _nothing_yet(others: Sequence[Preview], view: Outlook) -> str:
    """What closes it, by the release that is worst off."""
    first = others[0]
    told = _told(_reason(first))
    more = f" ({counted(len(others) - 1, 'other release')} would not start either)" if len(others) > 1 else ""
    if view is Outlook.CLOSED:
        return f"Merging would start nothing: {told}{more}"
    until = "once it is approved" if view is Outlook.ASKS else "later"
    return f"Merging would {_together(others[:1])} {until}: {told}{more}"


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


def _followed(report: PullReport) -> str:
    """How it goes after the merge."""
    rows = report.progress
    failed = [row for row in rows if row.failed]
    if failed:
        first = failed[0]
        more = f" ({counted(len(failed) - 1, 'other release')} failed as well)" if len(failed) > 1 else ""
        return f"Merged, and {code(str(first.key))} failed: {_told(first.sentence)}{more}"
    going = [row for row in rows if not row.ended]
    if len(rows) == 1:
        row = rows[0]
        words = f"{code(str(row.key))} {versions(row.before, row.after)}"
        return f"Merged: {words} is {row.phase}" if row.ended else f"Merged: {words} is {row.phase}, and goes on"
    if not going:
        return f"Merged: all {counted(len(rows), 'release')} came to an end"
    return f"Merged: {len(going):,} of {counted(len(rows), 'release')} not at the end yet"


def _told(text: str) -> str:
    """Somebody's sentence within ours."""
    short = text if len(text) <= MOST_SIGNS else f"{text[: MOST_SIGNS - 1]}…"
    return escape(short.rstrip("."))
