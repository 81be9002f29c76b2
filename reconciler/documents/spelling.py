"""How a value is written into somebody else's text: in the spelling that it had, where that means the same there.

Pure. Rules: what may mean something else in its new place is put into double quotes; `careful` puts all text there.
"""

import json
from dataclasses import dataclass

from reconciler.documents.nodes import Node

LINE = 120  # characters that a list or mapping in brackets may fill
_FLOW = frozenset(",[]{}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """Writes nodes: `newline` and `step` (of indentation) are the text's."""

    newline: str
    step: int
    careful: bool = False

    def inline(self, node: Node, *, flow: bool) -> str:
        """On one line; `flow`: inside brackets."""
        if node.entries is not None:
            pairs = (
                f"{self.scalar(key, flow=True)}: {self.inline(value, flow=True)}".rstrip()
                for key, value in node.entries
            )
            return f"{{{', '.join(pairs)}}}"
        if node.items is not None:
            return f"[{', '.join(self.inline(item, flow=True) for item in node.items)}]"
        return self.scalar(node, flow=flow)

    def scalar(self, node: Node, *, flow: bool) -> str:
        """A scalar on one line: as it was spelt, or in double quotes."""
        if not isinstance(node.value, str):
            return node.token or "null"
        spelt = node.token and "\n" not in node.token and node.style in ("", "'", '"')
        if self.careful or not spelt or (flow and not node.style and _FLOW & set(node.token)):
            return json.dumps(node.value, ensure_ascii=False)
        return node.token

    def short(self, node: Node, column: int) -> bool:
        """Whether a value is best written on one line that has `column` characters already."""
        if node.scalar:
            return not self._literal(node, column)
        return node.empty or (node.flow and column + len(self.inline(node, flow=False)) <= LINE)

    def beside(self, node: Node, indent: int) -> list[str]:
        """The lines of a value whose key or dash stands at `indent`; the first one goes beside it."""
        literal = self._literal(node, indent) if node.scalar else []
        if literal:
            return literal
        if node.scalar or self.short(node, indent):
            return [f" {self.inline(node, flow=False)}"]
        return ["", *self.below(node, indent + self.step)]

    def below(self, node: Node, indent: int) -> list[str]:
        """The whole lines of a list or mapping that begins at `indent`."""
        space = " " * indent
        lines: list[str] = []
        for key, value in node.entries or ():
            first, *rest = self.beside(value, indent)
            lines += [f"{space}{self.scalar(key, flow=False)}:{first}", *rest]
        for item in node.items or ():
            if item.scalar or item.items is not None or item.flow or item.empty:
                lines.append(f"{space}- {self.inline(item, flow=False)}")
                continue
            first, *rest = self.below(item, indent + 2)
            lines += [f"{space}- {first.lstrip(' ')}", *rest]
        return lines

    def entry(self, key: Node, value: Node, indent: int) -> list[str]:
        """The whole lines of one entry of a mapping."""
        first, *rest = self.beside(value, indent)
        return [f"{' ' * indent}{self.scalar(key, flow=False)}:{first}", *rest]

    def _literal(self, node: Node, indent: int) -> list[str]:
        """Text of several lines as such; nothing where it cannot be written so."""
        text = node.value
        if self.careful or not isinstance(text, str) or "\n" not in text.rstrip("\n"):
            return []
        lines = text.removesuffix("\n").split("\n")
        if text.endswith("\n\n") or not lines[0] or any(line != line.strip(" \t") for line in lines[:1]):
            return []
        if any(line and not line.strip() for line in lines):
            return []
        space = " " * (indent + self.step)
        return [" |" if text.endswith("\n") else " |-", *(f"{space}{line}" if line else "" for line in lines)]
