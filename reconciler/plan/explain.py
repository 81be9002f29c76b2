"""One plan, three renderings: text, Markdown and JSON, all from here.

Every string that comes from a document is escaped where it is put into Markdown; digests are shortened for people and
whole in JSON.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from reconciler.model.ids import ReleaseKey, short
from reconciler.model.plan import BREAK_GLASS, Action, Change, Gate, Plan
from reconciler.model.policy import PolicyResult, PolicyVerdict

_MARKS = {
    PolicyResult.PASS: "✓",
    PolicyResult.FAIL: "✗",
    PolicyResult.ERROR: "✗",
    PolicyResult.WARN: "!",
    PolicyResult.SKIP: "·",
}
_SIGNS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.SCALE: "↕",
    Action.DELETE: "-",
    Action.ORPHAN: "o",
    Action.UNCHANGED: "=",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What merging would do to one release: its gates, its verdicts and one plan per cluster.

    `before` and `after` are model versions for people (empty: nothing runs yet). `version` and `manifest` are the
    digests (`sha256:…`) of what the trunk asks for: what a Waiver names; empty when that does not resolve.
    """

    key: ReleaseKey
    path: str
    before: str
    after: str
    gates: tuple[Gate, ...]
    verdicts: tuple[PolicyVerdict, ...]
    plans: tuple[Plan, ...]
    message: str
    version: str = ""
    manifest: str = ""

    @property
    def is_empty(self) -> bool:
        """True when nothing would change and no gate is closed, or would be without a break-glass."""
        quiet = all(gate.open and gate.reason != BREAK_GLASS for gate in self.gates)
        return quiet and all(plan.is_empty for plan in self.plans)


def as_text(previews: Iterable[Preview]) -> str:
    """For a terminal."""
    blocks = ["\n".join(_text(preview)) for preview in previews]
    return "\n\n".join(blocks) if blocks else "Nothing would change."


def as_markdown(previews: Iterable[Preview]) -> str:
    """For a forge: every value escaped."""
    blocks = ["\n".join(_markdown(preview)) for preview in previews]
    return "\n\n".join(blocks) if blocks else "Nothing would change."


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
        }
        for preview in previews
    ]


def escape(text: str) -> str:
    """Text that Markdown and HTML show as it is, on one line."""
    table = {ord(sign): f"\\{sign}" for sign in "\\`*_{}[]|~"} | {
        ord("<"): "&lt;",
        ord(">"): "&gt;",
        ord("&"): "&amp;",
        ord("@"): "&#64;",
    }
    return " ".join(text.translate(table).split())


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
        f"  {_MARKS[verdict.result]} policy {verdict.name}: {verdict.result}{_because(verdict)}"
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


def _markdown(preview: Preview) -> list[str]:
    lines = [f"### {escape(headline(preview))}", "", "| gate | | |", "|---|---|---|"]
    lines += [f"| {escape(gate.kind)} | {_mark(gate)} | {escape(gate.message)} |" for gate in preview.gates]
    lines += [
        f"| policy {escape(verdict.name)} | {verdict.result} | {escape(verdict.message)} |"
        for verdict in preview.verdicts
    ]
    for plan in preview.plans:
        changes = [change for change in plan.changes if change.action is not Action.UNCHANGED]
        lines += ["", f"**{escape(plan.key.cluster)}**: {len(changes)} changes"]
        lines += [f"- {escape(_change(change))}" for change in changes]
    if preview.message:
        lines += ["", escape(preview.message)]
    return lines


def _mark(gate: Gate) -> str:
    """Open, closed, or closed and opened by a break-glass all the same."""
    if gate.open:
        return "!" if gate.reason == BREAK_GLASS else "✓"
    return "✗"


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
