"""An object as plain data with its secrets masked: what may be shown to whoever can read a pull request.

Not the refusal of secrets in documents (documents/secrets). Rules: masked before anything is formatted; in doubt
masked; a mask never tells anything of the text, only whether the other side of a comparison has the same one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from reconciler.documents.secrets import env_secret, secret_shape

MASKED = "(masked)"
MASKED_ANOTHER = "(masked, another value)"

_SECRET_FIELDS = ("data", "stringData")
_SPOKEN = frozenset({"annotations", "data"})
_LAST_APPLIED = "last-applied"
_FLAG = re.compile(r"-{0,2}([A-Za-z][\w.-]*)=(.+)", re.DOTALL)
_OPTION = re.compile(r"-{1,2}([A-Za-z][\w.-]*)")
_HEADER = re.compile(r"authorization|cookie", re.IGNORECASE)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class _Mask:
    """One walk over an object. `others` are the secrets of the other side, None where there is none."""

    others: frozenset[str] | None
    found: set[str] = field(default_factory=set)

    def hide(self, value: Any) -> str:
        """What is shown instead of it."""
        text = str(value)
        self.found.add(text)
        return MASKED if self.others is None or text in self.others else MASKED_ANOTHER

    def object(self, body: dict[str, Any]) -> dict[str, Any]:
        """A whole object."""
        if body.get("kind") != "Secret":
            return self._mapping(body)
        return {
            key: self._hidden(value) if key in _SECRET_FIELDS else self._mapping({key: value})[key]
            for key, value in body.items()
        }

    def _hidden(self, value: Any) -> Any:
        """The same names with every value masked."""
        return {name: self.hide(text) for name, text in value.items()} if isinstance(value, dict) else self.hide(value)

    def _mapping(self, rows: dict[str, Any], *, spoken: bool = False) -> dict[str, Any]:
        """`spoken`: keys are names that people gave, so they say what the value is."""
        called = rows.get("name")
        shown: dict[str, Any] = {}
        for key, value in rows.items():
            if isinstance(value, dict):
                shown[key] = self._mapping(value, spoken=key in _SPOKEN)
            elif isinstance(value, list):
                shown[key] = list(self._items(value))
            elif key == "value" and isinstance(called, str):  # of a variable, or a header
                shown[key] = self._text(value, called)
            else:
                shown[key] = self._text(value, key if spoken else "")
        return shown

    def _items(self, rows: list[Any]) -> Iterator[Any]:
        """An argument may belong to the option before it."""
        before = ""
        for row in rows:
            if isinstance(row, dict):
                yield self._mapping(row)
            else:
                yield list(self._items(row)) if isinstance(row, list) else self._text(row, before)
            option = _OPTION.fullmatch(row) if isinstance(row, str) else None
            before = option.group(1) if option else ""

    def _text(self, value: Any, name: str) -> Any:
        return self.hide(value) if isinstance(value, str) and _is_secret(name, value) else value


def masked(body: dict[str, Any], other: dict[str, Any] | None = None) -> dict[str, Any]:
    """The object without its secrets; those that `other`, what it is compared with, has not are shown as another."""
    if other is None:
        return _Mask(None).object(body)
    mask = _Mask(None)
    mask.object(other)
    return _Mask(frozenset(mask.found)).object(body)


def masked_line(line: str) -> str:
    """A line of text, or nothing of it when a known secret is in it after all: in a key, say."""
    return f"{line[: len(line) - len(line.lstrip())]}{MASKED}" if secret_shape(line) else line


def _is_secret(name: str, value: str) -> bool:
    """Whether a text is one; `name` says what it is, empty where nothing does."""
    if secret_shape(value) or _LAST_APPLIED in name or (value and _HEADER.search(name)):
        return True
    flag = _FLAG.fullmatch(value)
    if flag and env_secret(_as_variable(flag.group(1)), flag.group(2)):
        return True
    return bool(name) and "\n" not in value and bool(env_secret(_as_variable(name), value))


def _as_variable(name: str) -> str:
    """`example.com/api-token` as a variable would be called."""
    return _NOT_IN_NAMES.sub("_", name)
