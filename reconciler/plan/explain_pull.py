"""The plan of a pull request for a terminal and for programs; its Markdown is the comment itself (`comment`). Pure.

Nothing is escaped here: text goes to a terminal through whoever prints it, and JSON is data.
"""

from collections.abc import Iterator
from typing import Any

from reconciler.model.wire import format_time
from reconciler.plan.explain import as_data, as_text
from reconciler.plan.report import PullReport


def pull_as_text(report: PullReport) -> str:
    """What merging would do, release by release, and what governs from then on."""
    head = f"#{report.number}: {report.head[:10]} into {report.base_branch} at {report.base[:10]}"
    return "\n".join([head, *(_no_plan(report) or ["", *_lines(report)])])


def pull_as_data(report: PullReport) -> dict[str, Any]:
    """For programs: the same, with whole digests."""
    return {
        "pull": report.number,
        "head": report.head,
        "base": report.base,
        "branch": report.base_branch,
        "at": format_time(report.at),
        "conflicts": list(report.merge.conflicts),
        "unplanned": report.merge.unplanned,
        "digest": report.digest,
        "releases": as_data(report.previews),
        "governing": [
            {
                "path": row.path,
                "kind": row.kind,
                "name": row.name,
                "inForce": row.in_force,
                "removed": row.removed,
                "signers": list(row.signers),
                "sentence": row.sentence,
            }
            for row in report.governing
        ],
        "uncounted": list(report.uncounted),
    }


def is_quiet(report: PullReport) -> bool:
    """True where merging would change nothing and nothing stands against it."""
    quiet = not report.merge.conflicts and not report.merge.unplanned and not report.governing
    return quiet and all(row.is_empty for row in report.previews)


def _no_plan(report: PullReport) -> list[str]:
    """Why there is none; empty when there is one."""
    if report.merge.unplanned:
        return [f"not planned: {report.merge.unplanned}"]
    return [f"conflicts with {report.base_branch} in {path}" for path in report.merge.conflicts]


def _lines(report: PullReport) -> Iterator[str]:
    for row in report.governing:
        mark, what = ("✓" if row.in_force else "✗"), "removed" if row.removed else "changed"
        signed = f", signed by {' and '.join(row.signers)}" if row.signers else ""
        yield f"{mark} {row.kind} {row.path} is {what}{signed}{f': {row.sentence}' if row.sentence else ''}"
    yield from [""] if report.governing else []
    yield as_text(row for row in report.previews if not row.is_empty)
    yield from ("", *(f"· {sentence}" for sentence in report.uncounted)) if report.uncounted else ()
