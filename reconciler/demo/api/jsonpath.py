"""The part of Kubernetes' JSONPath that printer columns use: fields, indices, `[*]` and filters by equality."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

_TOKEN = re.compile(
    r"""\.(?P<field>(?:\\.|[^.\[\\])+)            # .name, with \. inside
      | \[\s*'(?P<quoted>(?:\\.|[^'\\])+)'\s*\]   # ['name']
      | \[\s*(?P<index>-?\d+)\s*\]
      | \[\s*(?P<star>\*)\s*\]
      | \[\?\(\s*@(?P<path>(?:\.(?:\\.|[\w-])+)+)\s*(?P<sign>==|!=)\s*(?P<value>"[^"]*"|'[^']*'|[\w.-]+)\s*\)\]
    """,
    re.VERBOSE,
)
_Step = Callable[[Any], Iterator[Any]]


def find(path: str, data: Any) -> list[Any]:
    """Every value at the path; nothing for a path that is not understood."""
    values = [data]
    for step in _steps(path):
        values = [found for value in values for found in step(value)]
    return values


@lru_cache(maxsize=512)
def _steps(path: str) -> tuple[_Step, ...]:
    text, place, steps = path.strip().removeprefix("{").removesuffix("}").removeprefix("$"), 0, []
    text = text if text.startswith((".", "[")) else f".{text}"
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            return (lambda _value: iter(()),)
        steps.append(_step(token))
        place = token.end()
    return tuple(steps)


def _step(token: re.Match[str]) -> _Step:
    name = token["field"] or token["quoted"]
    if name:
        return _field(name.replace("\\", ""))
    if token["index"]:
        return _index(int(token["index"]))
    if token["star"]:
        return _all
    return _filter(token["path"], token["sign"] == "==", token["value"])


def _field(name: str) -> _Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _index(number: int) -> _Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= number < len(value):
            yield value[number]

    return step


def _all(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()


def _filter(path: str, equal: bool, literal: str) -> _Step:
    wanted = literal.strip("\"'")

    def step(value: Any) -> Iterator[Any]:
        for item in value if isinstance(value, list) else ():
            found = find(path, item)
            told = [str(each).lower() if isinstance(each, bool) else str(each) for each in found]
            if (wanted in told) == equal:
                yield item

    return step
