"""The diffs of the comment on a pull request: what is the same on several clusters is one, folded, object by object.

Not the comparing (`diff`). Every value goes through `markdown`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.model.plan import Action
from reconciler.plan.diff import ObjectDiff
from reconciler.plan.markdown import brief, code, counted, details, escape, fence, html, listed
from reconciler.plan.preview import Preview

NAME = 64  # signs of a name

Place = tuple[int, int]
"""A diff: the index of its preview and of its group of clusters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffGroup:
    """Clusters on which exactly the same objects differ in the same way."""

    place: Place
    preview: Preview
    clusters: tuple[str, ...]
    objects: tuple[ObjectDiff, ...]


def diff_groups(previews: Sequence[Preview]) -> list[DiffGroup]:
    """All diffs; those of one release that are the same on several clusters are one."""
    groups = []
    for index, preview in enumerate(previews):
        same: dict[tuple[ObjectDiff, ...], list[str]] = {}
        for diff in preview.diffs:
            if diff.objects:
                same.setdefault(diff.objects, []).append(diff.cluster)
        groups += [
            DiffGroup(place=(index, number), preview=preview, clusters=tuple(names), objects=objects)
            for number, (objects, names) in enumerate(same.items())
        ]
    return groups


def diff_block(group: DiffGroup) -> list[str]:
    """One diff, folded."""
    where = listed([f"<b>{_tag(name)}</b>" for name in group.clusters], 4)
    lines = [line for row in group.objects for line in row.lines]
    added, gone = (sum(line.startswith(sign) for line in lines) for sign in "+-")
    count = f", +{added} −{gone} lines" if added or gone else ""
    summary = f"<code>{_tag(group.preview.key.name)}</code> on {where}: {counted(len(group.objects), 'object')}{count}"
    return details(summary, _objects(group.objects))


def _tag(name: str) -> str:
    return html(name if len(name) <= NAME else f"{name[: NAME - 1]}…")


def _objects(objects: Iterable[ObjectDiff]) -> list[str]:
    lines: list[str] = []
    for row in objects:
        lines += [f"**{escape(_SENTENCES[row.action])}** {_object(row)}", ""]
        if row.action is Action.SCALE:
            lines[-2] += f": {escape(row.lines[0])}"
        elif row.lines:
            lines += [*fence(row.lines, "diff"), ""]
        if row.left_out:
            lines += [f"… {counted(row.left_out, 'more line')}.", ""]
    return lines[:-1]


_SENTENCES: Mapping[Action, str] = {
    Action.CREATE: "Create",
    Action.UPDATE: "Update",
    Action.SCALE: "Scale",
    Action.DELETE: "Delete",
}


def _object(row: ObjectDiff) -> str:
    name = f"{brief(row.ref.kind, NAME)} {code(f'{row.ref.namespace}/{row.ref.name}'.lstrip('/'))}"
    if row.follows is None:
        return name
    old = code(row.follows.name)
    return (
        f"{name}, compared with {old}, which it follows" if row.lines else f"{name}, the same as {old} but for its name"
    )
