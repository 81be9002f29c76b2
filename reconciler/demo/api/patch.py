"""JSON patch (RFC 6902) and JSON merge patch (RFC 7386). Values are never changed in place."""

from collections.abc import Callable
from typing import Any

import orjson

from reconciler.demo.api.fields import same
from reconciler.demo.api.status import bad_request, rejected

_MAX_OPERATIONS = 10000


def merge_patch(target: Any, change: Any) -> Any:
    """The target with the change; null removes."""
    if not isinstance(change, dict):
        return change
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """The target after all operations; raises ApiError 400 when they are malformed, 422 when one cannot be done."""
    if not isinstance(operations, list) or not all(isinstance(each, dict) for each in operations):
        raise bad_request("error decoding patch: a JSON patch is a list of operations")
    if len(operations) > _MAX_OPERATIONS:
        raise bad_request(f"The allowed maximum operations in a JSON patch is {_MAX_OPERATIONS}")
    document = orjson.loads(orjson.dumps(target))
    for operation in operations:
        act = _ACTS.get(operation.get("op", ""))
        if act is None or not isinstance(operation.get("path"), str):
            raise bad_request(f"error decoding patch: {operation.get('op')!r} with that path is not an operation")
        document = act(document, operation)
    return document


def _steps(pointer: str) -> list[str]:
    if pointer and not pointer.startswith("/"):
        raise rejected()
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _parent(document: Any, steps: list[str]) -> tuple[Any, str]:
    place = document
    for step in steps[:-1]:
        place = _step(place, step)
    return place, steps[-1]


def _step(place: Any, step: str) -> Any:
    if isinstance(place, dict) and step in place:
        return place[step]
    if isinstance(place, list):
        return place[_index(place, step, len(place) - 1)]
    raise rejected()


def _index(items: list[Any], step: str, last: int) -> int:
    if step == "-" and last == len(items):
        return len(items)
    if not step.isdecimal() or int(step) > last:
        raise rejected()
    return int(step)


def _get(document: Any, pointer: str) -> Any:
    place = document
    for step in _steps(pointer):
        place = _step(place, step)
    return place


def _add_at(document: Any, pointer: str, value: Any) -> Any:
    steps = _steps(pointer)
    if not steps:
        return value
    place, last = _parent(document, steps)
    if isinstance(place, list):
        place.insert(_index(place, last, len(place)), value)
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise rejected()
    return document


def _remove_at(document: Any, pointer: str) -> Any:
    steps = _steps(pointer)
    if not steps:
        raise rejected()
    place, last = _parent(document, steps)
    _step(place, last)
    del place[_index(place, last, len(place) - 1) if isinstance(place, list) else last]
    return document


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise rejected()
    return operation["value"]


def _add(document: Any, operation: dict[str, Any]) -> Any:
    return _add_at(document, operation["path"], _value(operation))


def _remove(document: Any, operation: dict[str, Any]) -> Any:
    return _remove_at(document, operation["path"])


def _replace(document: Any, operation: dict[str, Any]) -> Any:
    value = _value(operation)
    if not _steps(operation["path"]):
        return value
    return _add_at(_remove_at(document, operation["path"]), operation["path"], value)


def _test(document: Any, operation: dict[str, Any]) -> Any:
    if not same(_get(document, operation["path"]), operation.get("value")):
        raise rejected()
    return document


def _move(document: Any, operation: dict[str, Any]) -> Any:
    source = str(operation.get("from"))
    value = _get(document, source)
    return _add_at(_remove_at(document, source), operation["path"], value)


def _copy(document: Any, operation: dict[str, Any]) -> Any:
    value = orjson.loads(orjson.dumps(_get(document, str(operation.get("from")))))
    return _add_at(document, operation["path"], value)


_ACTS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "add": _add, "remove": _remove, "replace": _replace, "test": _test, "move": _move, "copy": _copy,
}  # fmt: skip
