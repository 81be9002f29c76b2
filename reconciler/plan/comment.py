"""The whole comment of one pull request, as Markdown that a forge takes.

Pure: one value in, one text out. Rules: the first line is the hidden marker, and no value can write another one; the
headline, closed gates and failures are never cut; what is cut goes in this order, until the rest fits: diffs, the
largest first; what is open; rows of tables, the best off first. The page says what it left out and where all of it is.

A forge counts characters; we count UTF-16 units, of which no text has fewer. Bytes of UTF-8 are at most three a unit.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.model.ids import Revision, short
from reconciler.model.wire import format_time
from reconciler.plan.diff_page import diff_block, diff_groups
from reconciler.plan.markdown import code, counted, details, escape
from reconciler.plan.report import PullReport, headline
from reconciler.plan.sections import (
    Room,
    approving_section,
    governing_section,
    plan_sections,
    progress_section,
    uncounted_section,
)

_FEWER_ROWS = (200, 100, 50, 25, 10, 5, 1)
_SIGNS = 400  # of a sentence, once rows are cut
_STAMP = re.compile(
    r"<sub>Plan `[0-9a-f]{10}` of `(?P<head>[0-9a-f]{10})` on `[^`]+` `(?P<base>[0-9a-f]{10})`"
    r"(?:, merged tree `(?P<tree>[0-9a-f]{10})`)?, (?P<at>[0-9TZ:-]{20})[.] "
)
_WORDS_OF_CUT = 400  # what telling of it takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What is posted, and the whole of it for the ledger; `cut` says in words what `body` lacks, empty when nothing."""

    body: str
    full: str
    cut: str = ""


def render(report: PullReport, limit: int, *, marker: str) -> Rendered:
    """The comment within `limit` characters; `marker` is its first line (see `marker.marker`)."""
    full = _page(report, marker, Room(), "")
    if size(full) <= limit:
        return Rendered(body=full, full=full)
    for room, cut in _smaller(report, size(full), limit):
        body = _page(report, marker, room, cut)
        if size(body) <= limit:
            return Rendered(body=body, full=full, cut=cut)
    cut = "everything but the first sentence"
    return Rendered(body="\n".join([marker, *_head(report), *_foot(report, cut)]), full=full, cut=cut)


def written(body: str, report: PullReport) -> PullReport | None:
    """The report with the base, the merged tree (both shortened) and the time that a comment of ours tells.

    None when it tells of another head, or was written in another form.
    """
    found = _STAMP.search(body)
    if found is None or not report.head.startswith(found["head"]):
        return None
    at = datetime.fromisoformat(found["at"])
    return replace(report, base=Revision(found["base"]), at=at, merge=replace(report.merge, tree=found["tree"] or ""))


def size(text: str) -> int:
    """How long a forge may find a text: in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _smaller(report: PullReport, whole: int, limit: int) -> Iterable[tuple[Room, str]]:
    """Less and less room, and what each leaves out."""
    groups = [(size("\n".join(diff_block(group))), group.place) for group in diff_groups(report.previews)]
    over, dropped = whole + _WORDS_OF_CUT - limit, set()
    for length, place in sorted(groups, key=lambda row: (-row[0], row[1])):
        if over > 0:
            dropped.add(place)
            over -= length
    some = counted(len(dropped), "diff")
    if len(dropped) < len(groups):
        yield Room(dropped=frozenset(dropped)), f"the largest diffs ({some})"
    yield Room(diffs=False), "all diffs"
    small = Room(diffs=False, detail=False)
    yield small, "all diffs and what is open"
    for rows in _FEWER_ROWS:
        cut = f"all diffs, what is open, and of every list all but the first {counted(rows, 'row')}"
        yield replace(small, rows=rows, signs=_SIGNS), cut


def _page(report: PullReport, marker: str, room: Room, cut: str) -> str:
    plan = [
        *governing_section(report.governing, room),
        *plan_sections(report.previews, room),
        *uncounted_section(report.uncounted, room),
    ]
    if report.progress:
        title = f"The plan as it was merged, of {format_time(report.at)}"
        body = [*progress_section(report.progress, room), *(details(title, plan[:-1]) if plan else []), ""]
    else:
        body = [*plan, *approving_section(report.number, report.previews, room, opened=report.asked)]
    return "\n".join([marker, *_head(report), *body, *_foot(report, cut)])


def _head(report: PullReport) -> list[str]:
    first = headline(report)
    end = r"\." if first.because.isdecimal() else "."  # a number and a full stop alone begin a list
    lines = [f"### {first.title}", "", *([f"{first.because}{end}", ""] if first.because else [])]
    if report.unseen:
        lines += [_unplanned(report.unseen, ". Split the pull request."), ""]
    if report.beside:
        lines += [_unplanned(report.beside, ", whose own files do not change."), ""]
    return lines


def _unplanned(count: int, what: str) -> str:
    return f"**Not planned, for there are too many:** {counted(count, 'further release')}{what}"


def _foot(report: PullReport, cut: str) -> list[str]:
    """Of what and when this is, what is missing, and what one can say to us."""
    lines = []
    if cut:
        where = f"all of it is in the ledger: {code(report.ledger)}" if report.ledger else "`reconciler plan` shows it"
        lines += [f"**Left out, for a comment has its limit:** {escape(cut)}; {where}.", ""]
    tree = f", merged tree {code(report.merge.tree[:10])}" if report.merge.tree else ""
    told = (
        f"Plan {code(short(report.digest))} of {code(report.head[:10])} on {code(report.base_branch)} "
        f"{code(report.base[:10])}{tree}, {format_time(report.at)}."
    )
    asks = "`/reconciler plan` plans anew, `/reconciler approve` shows what to sign. "
    words = "" if report.progress else asks
    return [*lines, "---", "", f"<sub>{told} {words}Nothing that this comment says approves anything.</sub>", ""]
