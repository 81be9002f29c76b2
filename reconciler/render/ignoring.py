"""Fields that are left to others (`serving.ignore`): taken out of a body before it is sealed.

Not a comparison: what a live object is compared by are the fields that we own, and we own what we send. So a field that
is not sent can neither drift nor be repaired. Rules: a pointer that leads nowhere takes nothing out, and a mapping that
it leaves empty goes as well, because a server does not keep those.
"""

from typing import Any

from reconciler.model.ids import short
from reconciler.model.release import Effective, Ignore
from reconciler.render.identity import Body


def without_ignored(body: Body, effective: Effective) -> Body:
    """The object without the fields that this release leaves to others."""
    for row in effective.spec.serving.ignore:
        if row.kind == body["kind"] and _is_named(row, body["metadata"]["name"], effective):
            body = _without(body, steps(row.path))
    return body


def _is_named(row: Ignore, name: str, effective: Effective) -> bool:
    return row.name is None or name in (row.name, f"{row.name}-{short(effective.version)}")


def steps(pointer: str) -> list[str]:
    """The steps of a JSON pointer, unescaped."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _without(value: Any, path: list[str]) -> Any:
    step, rest = path[0], path[1:]
    if isinstance(value, list) and rest and step.isdecimal() and int(step) < len(value):
        return [*value[: int(step)], _without(value[int(step)], rest), *value[int(step) + 1 :]]
    if not isinstance(value, dict) or step not in value:
        return value
    inner = _without(value[step], rest) if rest else None
    gone = not rest or (inner == {} and value[step] != {})
    return {name: inner if name == step else each for name, each in value.items() if name != step or not gone}
