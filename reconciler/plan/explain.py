"""One plan, three renderings: text, Markdown and JSON, all from here.

The Markdown is that of the comment on a pull request (`sections`), where every string of a document is escaped; digests
are shortened for people and whole in JSON.
"""

from collections.abc import Iterable
from typing import Any

from reconciler.model.ids import short
from reconciler.model.plan import Action, Change, Plan
from reconciler.model.policy import PolicyVerdict
from reconciler.plan.diff import ClusterDiff
from reconciler.plan.preview import Asking, Preview
from reconciler.plan.sections import MARKS, plan_sections
from reconciler.plan.sections import gate_mark as _mark

_SIGNS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.SCALE: "↕",
    Action.DELETE: "-",
    Action.ORPHAN: "o",
    Action.UNCHANGED: "=",
}


def as_text(previews: Iterable[Preview]) -> str:
    """For a terminal."""
    blocks = ["\n".join(_text(preview)) for preview in previews]
    return "\n\n".join(blocks) if blocks else "Nothing would change."


def as_markdown(previews: Iterable[Preview]) -> str:
    """For a forge: the tables and diffs of the comment on a pull request, whole."""
    rows = tuple(previews)
    return "\n".join(plan_sections(rows)) if rows else "Nothing would change."


def as_data(previews: Iterable[Preview]) -> list[dict[str, Any]]:
    """For programs: whole digests, every change that is not `unchanged`."""
    return [
        {
            "environment": preview.key.environment,
            "name": preview.key.name,
            "path": preview.path,
            "from": preview.before,
            "to": preview.after,
            "message": preview.message,
            "version": preview.version,
            "manifest": preview.manifest,
            "gates": [gate.to_full_data() for gate in preview.gates],
            "policies": [verdict.to_full_data() for verdict in preview.verdicts],
            "clusters": [_plan_data(plan) for plan in preview.plans],
            "doing": preview.doing,
            "approvals": [_asking_data(asking) for asking in preview.asked],
            "diffs": [_diff_data(diff) for diff in preview.diffs],
        }
        for preview in previews
    ]


def headline(preview: Preview) -> str:
    """`prod/fraud-detector: 1.3.0 → 1.4.0`."""
    if preview.before == preview.after:
        return f"{preview.key}: {preview.after or 'nothing'}"
    return f"{preview.key}: {preview.before or 'nothing'} → {preview.after or 'nothing'}"


def _text(preview: Preview) -> list[str]:
    lines = [headline(preview)]
    if preview.version and not all(gate.open for gate in preview.gates):  # a Waiver would have to name them
        lines += [f"  version  {preview.version}", f"  manifest {preview.manifest}"]
    lines += [f"  {_mark(gate)} {gate.kind}: {gate.message or 'open'}" for gate in preview.gates]
    lines += [
        f"  {MARKS[verdict.result]} policy {verdict.name}: {verdict.result}{_because(verdict)}"
        for verdict in preview.verdicts
    ]
    for plan in preview.plans:
        changes = [change for change in plan.changes if change.action is not Action.UNCHANGED]
        count = f"{len(changes)} changes" if changes else "nothing changes"
        lines.append(f"  {plan.key.cluster}: {count} (plan {short(plan.digest)})")
        lines += [f"    {_change(change)}" for change in changes]
    if preview.message:
        lines.append(f"  {preview.message}")
    return lines


def _because(verdict: PolicyVerdict) -> str:
    return f" ({verdict.message})" if verdict.message else ""


def _change(change: Change) -> str:
    sizes = f" {change.before} → {change.after}" if change.action is Action.SCALE else ""
    return f"{_SIGNS[change.action]} {change.action} {change.ref}{sizes} ({change.why})"


def _plan_data(plan: Plan) -> dict[str, Any]:
    return {
        "cluster": plan.key.cluster,
        "digest": plan.digest,
        "changes": [
            {
                "action": change.action,
                "kind": change.ref.kind,
                "namespace": change.ref.namespace,
                "name": change.ref.name,
                "before": change.before,
                "after": change.after,
                "why": change.why,
            }
            for change in plan.changes
            if change.action is not Action.UNCHANGED
        ],
    }


def _asking_data(asking: Asking) -> dict[str, Any]:
    return {
        "of": asking.what,
        "met": asking.quorum.met,
        "rules": [
            {"role": row.rule.role, "count": row.rule.count, "given": list(row.people), "could": list(row.could)}
            for row in asking.quorum.rules
        ],
        "rejected": list(asking.quorum.rejected),
        "statement": asking.statement.text().decode(),
        "namespace": asking.statement.namespace,
    }


def _diff_data(diff: ClusterDiff) -> dict[str, Any]:
    return {
        "cluster": diff.cluster,
        "objects": [
            {
                "action": row.action,
                "kind": row.ref.kind,
                "namespace": row.ref.namespace,
                "name": row.ref.name,
                "follows": row.follows.name if row.follows else None,
                "lines": list(row.lines),
                "leftOut": row.left_out,
            }
            for row in diff.objects
        ],
    }
