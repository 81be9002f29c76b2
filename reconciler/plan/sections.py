"""The parts of the comment on a pull request as lines of Markdown: tables, what holds, diffs, approvals, progress.

No part knows how long the whole is: a `Room` says how much of it there is place for, and each says what it left out.
Every value goes through `markdown.escape`, `html` or `code`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from reconciler.model.plan import BREAK_GLASS, Gate
from reconciler.model.policy import PolicyResult
from reconciler.plan.diff_page import NAME, DiffGroup, Place, diff_block, diff_groups
from reconciler.plan.following import FAILED, ClusterProgress, ReleaseProgress
from reconciler.plan.markdown import brief, code, counted, details, escape, fence, listed, table
from reconciler.plan.outlook import Outlook, closed, outlook
from reconciler.plan.preview import Asking, Preview
from reconciler.plan.report import GoverningChange, versions

MARKS = {
    PolicyResult.PASS: "✓",
    PolicyResult.FAIL: "✗",
    PolicyResult.ERROR: "✗",
    PolicyResult.WARN: "!",
    PolicyResult.SKIP: "·",
}
EVERYTHING = 1_000_000_000
_WHO = 3  # names of one sentence
_FOLDED = 4  # more diffs than these are folded together
_HEAD = ("release", "from → to", "gates", "clusters", "approvals", "policies", "changes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much of a page there is place for. `dropped` are diffs; `rows` is a number per table and list."""

    dropped: frozenset[Place] = frozenset()
    diffs: bool = True
    detail: bool = True
    rows: int = EVERYTHING
    signs: int = EVERYTHING
    """Of one sentence."""


def plan_sections(previews: Sequence[Preview], room: Room | None = None) -> list[str]:
    """What merging would do, environment by environment."""
    room = room or Room()
    lines: list[str] = []
    groups = diff_groups(previews)
    touched = [row for row in previews if not _is_quiet(row)]
    by_environment = groupby(sorted(touched, key=lambda row: row.key), key=lambda row: row.key.environment)
    shown = [(name, list(rows)) for name, rows in by_environment]
    most = max(room.rows, _WHO)
    if len(shown) > most:
        shown.sort(key=lambda pair: -max(map(outlook, pair[1])))
    for name, rows in shown[:most]:
        lines += [f"#### {brief(name, NAME)}", "", *_notes(rows, room), *_table(rows, room), ""]
        lines += _diffs([group for group in groups if group.preview.key.environment == name], room)
        lines += _open(rows) if room.detail else []
    if len(shown) > most:
        lines += [f"… and {counted(len(shown) - most, 'more environment')}.", ""]
    quiet = len(previews) - len(touched)
    if quiet:
        lines += [f"{counted(quiet, 'release')} would stay as {'it is' if quiet == 1 else 'they are'}.", ""]
    return lines


def gate_mark(gate: Gate) -> str:
    """Open, closed, or closed and opened by a break-glass all the same."""
    if gate.open:
        return "!" if gate.reason == BREAK_GLASS else "✓"
    return "✗"


def governing_section(rows: Sequence[GoverningChange], room: Room) -> list[str]:
    """Governing documents that the pull request changes."""
    if not rows:
        return []
    ranked = sorted(rows, key=lambda row: (row.in_force, row.path))
    cells = [
        (
            code(row.path, NAME),
            f"{brief(row.kind, NAME)} {code(row.name, NAME)}",
            "removed" if row.removed else "changed",
            f"{'✓' if row.in_force else '✗'} {_short(row.sentence, room)}",
            listed([brief(name, NAME) for name in row.signers], _WHO) or "nobody",
        )
        for row in ranked[: room.rows]
    ]
    head = ("document", "what", "change", "in force after the merge", "signed by")
    return ["#### What governs", "", *table(head, cells), *_more(len(rows), room, "document"), ""]


def uncounted_section(sentences: Sequence[str], room: Room) -> list[str]:
    """Signatures of comments that did not count, and why."""
    if not sentences:
        return []
    rows = [f"- {_short(sentence, room)}" for sentence in sentences[: room.rows]]
    return ["#### Signatures that do not count", "", *rows, *_more(len(sentences), room, "signature"), ""]


def approving_section(number: int, previews: Sequence[Preview], room: Room, *, opened: bool) -> list[str]:
    """How to give the approvals that are missing: the statements, and the two ways to sign them."""
    asked = [(row, asking) for row in previews for asking in row.asked if not asking.quorum.met]
    if not asked:
        return []
    lines = [
        "With the command line, which shows what you sign before you sign it:",
        "",
        *fence([f"reconciler approve {number}"], "sh"),
        "",
        "Or with nothing but the SSH key that you have; paste what it prints here, as a comment:",
        "",
    ]
    for preview, asking in asked[: room.rows]:
        lines += [*_to_sign(preview, asking), ""]
    lines += [*_more(len(asked), room, "statement")]
    title = f"<b>How to approve</b>: {counted(len(asked), 'statement')} to sign"
    return [*details(title, lines, opened=opened), ""]


def progress_section(rows: Sequence[ReleaseProgress], room: Room) -> list[str]:
    """The table that stands on top after the merge."""
    ranked = sorted(rows, key=lambda row: (not row.failed, row.ended, row.key))
    cells = [
        (
            code(str(row.key)),
            versions(row.before, row.after),
            f"{_outcome(row)}&nbsp;**{escape(row.phase)}**",
            _states(row.clusters),
            f"record {row.record}" if row.record is not None else "–",
        )
        for row in ranked[: room.rows]
    ]
    head = ("release", "from → to", "phase", "clusters", "ledger")
    lines = [*table(head, cells), *_more(len(rows), room, "release"), ""]
    kept = ranked[: max(room.rows, _WHO)]
    for row in kept:
        lines += [f"- {_outcome(row)} {code(str(row.key))}: {_short(row.sentence, room)}", *_unwell(row, room)]
    return [*lines, ""]


def _outcome(row: ReleaseProgress) -> str:
    if row.failed:
        return "✗"
    return "✓" if row.ended else "…"


def _states(clusters: Sequence[ClusterProgress]) -> str:
    """`18 Healthy, 2 Waiting`; the names where they are few."""
    if len(clusters) <= _WHO:
        return "<br>".join(f"{code(row.name, NAME)}&nbsp;{escape(row.state)}" for row in clusters) or "–"
    found = Counter(row.state for row in clusters)
    return ", ".join(f"{count} {escape(state)}" for state, count in found.most_common())


def _unwell(row: ReleaseProgress, room: Room) -> Iterator[str]:
    """Clusters that are not where they should be, those that failed first."""
    rows = [each for each in row.clusters if each.state not in ("Healthy", "Settled")]
    ranked = sorted(rows, key=lambda each: (each.state != FAILED, each.name))
    for each in ranked[: min(room.rows, 10)]:
        mark = "✗" if each.state == FAILED else "…"
        yield f"  - {mark} {code(each.name)} {escape(each.state)}: {_short(each.sentence, room)}"


def _is_quiet(preview: Preview) -> bool:
    return outlook(preview) is Outlook.NOTHING and preview.is_empty and not any(row.objects for row in preview.diffs)


def _table(rows: Sequence[Preview], room: Room) -> list[str]:
    """Those that are worst off first."""
    ranked = sorted(rows, key=lambda row: (-outlook(row), row.key))
    return [*table(_HEAD, (_cells(row) for row in ranked[: room.rows])), *_more(len(rows), room, "release")]


def _cells(preview: Preview) -> tuple[str, ...]:
    return (
        code(preview.key.name, NAME),
        _from_to(preview),
        _gates(preview),
        _where(preview.clusters),
        _approvals(preview),
        _policies(preview),
        _changes(preview),
    )


def _from_to(preview: Preview) -> str:
    if not preview.before and preview.after:
        return f"→&nbsp;{versions('', preview.after)}"
    return versions(preview.before, preview.after)


def _where(clusters: Sequence[str]) -> str:
    most = 2
    shown = ", ".join(code(name, NAME) for name in clusters[:most]) or "–"
    return f"{shown} and {len(clusters) - most} more" if len(clusters) > most else shown


def _gates(preview: Preview) -> str:
    """The closed ones by name; how many are open."""
    kinds = dict.fromkeys(gate.kind for gate in closed(preview))
    opened = sum(gate.open for gate in preview.gates)
    shut = [f"✗&nbsp;{brief(kind, NAME)}" for kind in kinds]
    return "<br>".join([*shut, *([f"✓&nbsp;{opened}"] if opened else [])]) or "–"


def _approvals(preview: Preview) -> str:
    rules = [rule for asking in preview.asked for rule in asking.quorum.rules]
    if not rules:
        return "–"
    return "<br>".join(
        f"{'✗' if row.missing else '✓'}&nbsp;{len(row.people)}/{row.rule.count}"
        f"{f'&nbsp;{brief(row.rule.role, NAME)}' if row.rule.role else ''}"
        for row in rules
    )


def _policies(preview: Preview) -> str:
    found = Counter(MARKS[row.result] for row in preview.verdicts)
    return "<br>".join(f"{mark}&nbsp;{found[mark]}" for mark in ("✗", "!", "✓") if found[mark]) or "–"


def _changes(preview: Preview) -> str:
    """How many objects, on each cluster."""
    counts = [len(row.objects) for row in preview.diffs if row.objects]
    if not counts:
        return str(sum(not row.is_unchanged for plan in preview.plans for row in plan.changes))
    if len(set(counts)) > 1:
        return f"{sum(counts)} in all"
    return f"{counts[0]} each" if len(counts) > 1 else str(counts[0])


def _notes(rows: Sequence[Preview], room: Room) -> list[str]:
    """What holds or warns, each sentence once, with the releases that it is said of."""
    said: dict[tuple[int, str, str, str], list[str]] = {}
    for preview in rows:
        for rank, mark, kind, sentence in _said(preview):
            said.setdefault((rank, mark, kind, sentence), []).append(preview.key.name)
    ranked = sorted(said.items(), key=lambda row: (row[0][0], -len(row[1])))
    kept = ranked[: max(room.rows, _WHO)]
    lines = [
        f"- {mark} **{brief(kind, NAME)}** {_names(names)}: {_short(sentence, room)}"
        for (_, mark, kind, sentence), names in kept
    ]
    if len(ranked) > len(kept):
        rest = Counter(kind for (rank, _, kind, _), names in ranked[len(kept) :] if rank < 2 for _ in names)  # noqa: PLR2004
        counts = ", ".join(f"{count:,} by {escape(kind)}" for kind, count in rest.most_common())
        lines.append(f"- … and {counted(len(ranked) - len(kept), 'more sentence')}{f': {counts}' if counts else ''}")
    return [*lines, ""] if lines else []


def _names(names: Sequence[str]) -> str:
    return listed([code(name, NAME) for name in names], _WHO)


def _said(preview: Preview) -> Iterator[tuple[int, str, str, str]]:
    """Rank, mark, kind and sentence of everything that is not simply well."""
    for gate in preview.gates:
        if gate.holds:
            yield 0, "✗", gate.kind, gate.message
        elif not gate.open:
            yield 1, "✗", gate.kind, gate.message
        elif gate.reason == BREAK_GLASS:
            yield 1, "!", gate.kind, gate.message
    told = any(gate.kind == "Policy" for gate in preview.gates)
    for verdict in preview.verdicts:
        if verdict.result is PolicyResult.WARN:
            yield 2, "!", f"Policy {verdict.name}", verdict.message
        elif verdict.result in (PolicyResult.FAIL, PolicyResult.ERROR) and not told:
            yield 1, "✗", f"Policy {verdict.name}", verdict.message
    for asking in preview.asked:
        for note in asking.quorum.notes:
            yield 3, "·", "Signature that does not count", note


def _diffs(groups: Sequence[DiffGroup], room: Room) -> list[str]:
    kept = [group for group in groups if room.diffs and group.place not in room.dropped]
    lines = [line for group in kept for line in [*diff_block(group), ""]]
    if len(kept) > _FOLDED:
        lines = [
            *details(f"<b>Diffs</b> of {counted(len({group.preview.key for group in kept}), 'release')}", lines[:-1]),
            "",
        ]
    if len(kept) < len(groups):
        names = [group.preview.key.name for group in groups if group not in kept]
        left = counted(len(groups) - len(kept), "diff")
        verb = "is" if len(names) == 1 else "are"
        lines += [f"{left} of {listed([code(name) for name in dict.fromkeys(names)], _WHO)} {verb} left out here.", ""]
    return lines


def _open(rows: Sequence[Preview]) -> list[str]:
    """Everything that is well, for whoever wants to see it."""
    lines = []
    for preview in rows:
        wells = [f"- ✓ {escape(gate.kind)}: {escape(gate.message or 'open')}" for gate in _wells(preview)]
        passed = [row.name for row in preview.verdicts if row.result is PolicyResult.PASS]
        if passed:
            wells.append(f"- ✓ policies: {', '.join(map(code, passed))}")
        digests = f" (plan {_digests(preview)})" if preview.plans else ""
        lines += [f"**{code(preview.key.name)}**{digests}", "", *wells, ""]
    gates = sum(1 for row in rows for _ in _wells(row))
    passes = sum(verdict.result is PolicyResult.PASS for row in rows for verdict in row.verdicts)
    noun = "policy" if passes == 1 else "policies"
    title = f"<b>What is well</b>: {counted(gates, 'open gate')}, {passes:,} {noun} passed"
    return [*details(title, lines[:-1]), ""]


def _wells(preview: Preview) -> Iterator[Gate]:
    return (gate for gate in preview.gates if gate.open and gate.reason != BREAK_GLASS)


def _digests(preview: Preview) -> str:
    return listed([f"{code(plan.digest[7:17])} on {code(plan.key.cluster)}" for plan in preview.plans])


def _to_sign(preview: Preview, asking: Asking) -> list[str]:
    text = asking.statement.text().decode().splitlines()
    command = f"ssh-keygen -Y sign -n {asking.statement.namespace} -f ~/.ssh/id_ed25519 <<'STATEMENT'"
    head = f"For {code(str(preview.key))}, which is asked of {code(asking.what)}: {escape(asking.quorum.votes)}"
    return [head, "", *fence([command, *text, "STATEMENT"], "sh")]


def _short(sentence: str, room: Room) -> str:
    return escape(sentence if len(sentence) <= room.signs else f"{sentence[: room.signs - 1]}…")


def _more(count: int, room: Room, noun: str) -> list[str]:
    return ["", f"… and {counted(count - room.rows, f'more {noun}')}."] if count > room.rows else []
