"""The commit statuses of a pull request: one per environment, each with one sentence.

Pure. Rules: success means that merging would be acted upon, by itself and without anybody; pending, that people whom
the environment asks for have not said yes, or that something is not known yet; failure, that another commit is needed.
"""

from collections.abc import Sequence

from reconciler.model.pull import CommitStatus, StatusState
from reconciler.plan.markdown import counted, listed, visible
from reconciler.plan.outlook import Outlook, closed, outlook
from reconciler.plan.preview import Doing, Preview
from reconciler.plan.report import GoverningChange, PullReport

PREFIX = "reconciler/"
_NOTHING = "nothing changes"


def planning(environment: str, *, limit: int) -> CommitStatus:
    """While it is being planned."""
    return _status(environment, StatusState.PENDING, "is being planned", "", limit)


def statuses(report: PullReport, *, limit: int, url: str = "") -> tuple[CommitStatus, ...]:
    """One per environment, by name; `limit` is how many characters a description may have, `url` the comment's."""
    found: dict[str, list[Preview]] = {str(name): [] for name in report.environments}
    for preview in report.previews:
        found.setdefault(preview.key.environment, []).append(preview)
    rows = []
    for name, previews in sorted(found.items()):
        state, sentence = _judged(report, name, previews)
        rows.append(_status(name, state, sentence, url, limit))
    return tuple(rows)


def nothing_changes(status: CommitStatus) -> bool:
    """Whether a status says no more than that its environment is as it was."""
    return status.description.startswith(_NOTHING)


def _judged(report: PullReport, environment: str, previews: Sequence[Preview]) -> tuple[StatusState, str]:
    if report.merge.unplanned:
        return StatusState.PENDING, f"not planned: {report.merge.unplanned}"
    if report.merge.conflicts:
        return StatusState.FAILURE, f"conflicts with {report.base_branch} in {listed(report.merge.conflicts)}"
    held = [row for row in previews if outlook(row) is Outlook.CLOSED]
    if held:
        return StatusState.FAILURE, _first(held, "is held")
    refused = [row for row in report.governing if not row.in_force and row.environment in ("", environment)]
    if refused:
        return StatusState.FAILURE, _refused(refused)
    asked = [row for row in previews if outlook(row) is Outlook.ASKS]
    if asked or report.unseen:
        return StatusState.PENDING, _asks(asked) if asked else _unseen(report.unseen)
    return StatusState.SUCCESS, _acts(environment, previews)


def _unseen(count: int) -> str:
    return f"{counted(count, 'further release')} not planned; split the pull request"


def _refused(rows: Sequence[GoverningChange]) -> str:
    more = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
    return f"{rows[0].path} would not be in force: {rows[0].sentence}{more}"


def _asks(previews: Sequence[Preview]) -> str:
    """How many approvals are there, of how many."""
    rules = [rule for row in previews for asking in row.asked for rule in asking.quorum.rules]
    wanted, given = sum(rule.rule.count for rule in rules), sum(min(len(row.people), row.rule.count) for row in rules)
    names = listed([row.key.name for row in previews])
    if not rules:
        return _first(previews, "waits")
    who = listed(list(dict.fromkeys(row.rule.role or "anybody who may" for row in rules if row.missing)))
    return f"{names}: {given} of {wanted} approvals; still to come from {who}"


def _acts(environment: str, previews: Sequence[Preview]) -> str:
    """What merging would do without anybody."""
    waits = [row for row in previews if outlook(row) is Outlook.WAITS]
    starts = [row for row in previews if outlook(row) is Outlook.STARTS]
    if waits and not starts:
        return _first(waits, "starts by itself later")
    if not starts:
        return f"{_NOTHING} in {environment}"
    rest = f"; {counted(len(waits), 'release')} later" if waits else ""
    if len(starts) > 1:
        return f"merging starts {counted(len(starts), 'release')}: {listed([row.key.name for row in starts])}{rest}"
    row = starts[0]
    where = f" on {listed(row.clusters)}" if row.clusters else ""
    return f"merging would {row.doing} {row.key.name} {_versions(row)}".rstrip() + where + rest


def _versions(preview: Preview) -> str:
    if preview.doing in (Doing.RETIRE, Doing.REMOVE):
        return preview.before
    after = preview.after
    return f"{preview.before} → {after}" if preview.before not in ("", after) else after


def _first(previews: Sequence[Preview], what: str) -> str:
    """The first one's gate, which says how many others there are."""
    row = previews[0]
    more = f" and {len(previews) - 1:,} more" if len(previews) > 1 else ""
    return f"{row.key.name}{more} {what}: {closed(row)[0].message}"


def _status(environment: str, state: StatusState, sentence: str, url: str, limit: int) -> CommitStatus:
    line = visible(" ".join(sentence.split())).rstrip(".")
    if len(line) > limit:
        line = f"{line[: limit - 1]}…"
    return CommitStatus(context=f"{PREFIX}{environment}", state=state, description=line, url=url)
