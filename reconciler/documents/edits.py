"""A text becomes another tree by the smallest edits: a value, then the entry around it, then what is around that.

Pure, and no judge of what it means. Rules: every line and comment that need not change stays, byte for byte; what
comes out is read again and must be exactly the tree that was wanted; where that cannot be had, the answer is a sentence
with its place.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from reconciler.documents.load import load
from reconciler.documents.nodes import Node, packed
from reconciler.documents.spelling import Spelling
from reconciler.documents.words import field_name
from reconciler.errors import Refused

_REST = re.compile(r"[ \t]*(#[^\n]*)?\r?")
_COLON = re.compile(r"\s*:")
_COMMENT = re.compile(r"[ \t]*#")


class _Whole(Exception):
    """Nothing can be changed piece by piece: what is around it is written anew."""


def changed(path: str, data: bytes, old: Node, new: Node, *, comments: bool = False) -> bytes:
    """The text in which the old tree is the new one; what comes out is read again and compared."""
    text = data.decode()
    newline = "\r\n" if "\r\n" in text else "\n"
    whole = text if text.endswith("\n") else text + newline
    wanted, place = packed(new.data), (old.line, old.column)
    for careful in (False, True):
        spelling = Spelling(newline=newline, step=_step(old), careful=careful)
        editor = _Editor(path=path, text=whole, spelling=spelling, comments=comments)
        try:
            editor.change(old, new)
            result = editor.result()
        except _Whole:
            continue
        place = editor.place()
        result = result if whole == text else result.removesuffix(newline)
        if _reads_as(path, result.encode(), wanted):
            return result.encode()
    raise Refused(
        f"{path}:{place[0]}:{place[1]}: this cannot be changed without writing other lines anew: "
        "write the field on lines of its own, and try again"
    )


def _reads_as(path: str, data: bytes, wanted: bytes) -> bool:
    try:
        return packed(load(path, data).data) == wanted
    except Refused:
        return False


def _step(root: Node) -> int:
    """By how much the text indents."""
    spec = root.get("spec")
    if root.flow or spec is None or spec.flow or not spec.entries:
        return 2
    return max(spec.column - root.column, 1)


@dataclass(slots=True, kw_only=True)
class _Editor:
    """Collects edits of one text. `comments`: those right above an entry that goes away go with it."""

    path: str
    text: str
    spelling: Spelling
    comments: bool
    edits: list[tuple[int, int, str]] = field(default_factory=list)

    def place(self) -> tuple[int, int]:
        """Line and column of the first edit."""
        start = min((edit[0] for edit in self.edits), default=0)
        return self.text.count("\n", 0, start) + 1, start - self.text.rfind("\n", 0, start)

    def result(self) -> str:
        """The text with every edit; raises _Whole where two of them meet."""
        done, at = [], 0
        for start, end, words in sorted(self.edits, key=lambda edit: edit[:2]):
            if start < at:
                raise _Whole
            done += [self.text[at:start], words]
            at = end
        return "".join([*done, self.text[at:]])

    def change(self, old: Node, new: Node) -> None:
        """Make the one the other inside of it; raises _Whole where only all of it could be replaced."""
        if old.same(new):
            return
        if old.entries and new.entries:
            (self._flow if old.flow else self._block)(old, new)
        elif old.items and new.items and len(old.items) == len(new.items):
            for before, after in zip(old.items, new.items, strict=True):
                self._item(before, after, flow=old.flow)
        else:
            raise _Whole

    def _item(self, old: Node, new: Node, *, flow: bool) -> None:
        """An entry of a list that stays as long as it is."""
        if old.same(new):
            return
        if not old.scalar and not (flow or old.flow):
            self.change(old, new)
        elif (flow or old.flow or old.style not in ("|", ">")) and not self._change_within(old, new):
            self._edit(old.start, old.end, self.spelling.inline(new, flow=flow))
        elif old.style in ("|", ">"):
            raise _Whole

    def _change_within(self, old: Node, new: Node) -> bool:
        """Whether it could be changed piece by piece; where not, no edit of the attempt stays."""
        before = len(self.edits)
        try:
            self.change(old, new)
        except _Whole:
            del self.edits[before:]
            return False
        return True

    def _edit(self, start: int, end: int, words: str) -> None:
        self.edits.append((start, end, words))

    # -- a mapping in brackets

    def _flow(self, old: Node, new: Node) -> None:
        entries = old.entries or ()
        kept = [new.get(key.value) is not None for key, _ in entries]
        if not any(kept) or self.text[old.start] != "{":
            raise _Whole
        last = max(at for at, stays in enumerate(kept) if stays)
        for at, (key, value) in enumerate(entries):
            wanted = new.get(key.value)
            if wanted is None and at < last:
                self._edit(key.start, entries[at + 1][0].start, "")
            elif wanted is not None and not value.same(wanted):
                if value.scalar and not value.token:
                    raise _Whole
                if not self._change_within(value, wanted):
                    self._edit(value.start, value.end, self.spelling.inline(wanted, flow=True))
        if last + 1 < len(entries):
            self._edit(entries[last][1].end, entries[-1][1].end, "")
        for anchor, added in _added(old, new):
            words = [f"{self.spelling.scalar(key, flow=True)}: {self.spelling.inline(value, flow=True)}"
                     for key, value in added]  # fmt: skip
            if anchor is None:
                start = entries[kept.index(True)][0].start
                self._edit(start, start, "".join(f"{one}, " for one in words))
            else:
                self._edit(anchor[1].end, anchor[1].end, "".join(f", {one}" for one in words))

    # -- a mapping on lines of its own

    def _block(self, old: Node, new: Node) -> None:
        entries = old.entries or ()
        kept = [entry for entry in entries if new.get(entry[0].value) is not None]
        if not kept:
            raise _Whole
        for key, value in entries:
            wanted = new.get(key.value)
            if wanted is None:
                self._remove(key, value)
            elif not value.same(wanted) and not self._change_within(value, wanted):
                self._replace(key, value, wanted)
        indent = old.column - 1
        for anchor, added in _added(old, new):
            lines = [line for key, value in added for line in self.spelling.entry(key, value, indent)]
            if anchor is not None:
                at = self._after(self._content_end(*anchor))
                self._edit(at, at, "".join(f"{line}{self.spelling.newline}" for line in lines))
                continue
            start = kept[0][0].start
            self._edit(
                start, start, f"{self.spelling.newline.join(lines)}{self.spelling.newline}{' ' * indent}".lstrip(" ")
            )

    def _remove(self, key: Node, value: Node) -> None:
        start = self._line_start(key)
        while self.comments and start and _COMMENT.match(self.text, self.text.rfind("\n", 0, start - 1) + 1):
            start = self.text.rfind("\n", 0, start - 1) + 1
        self._edit(start, self._after(self._content_end(key, value)), "")

    def _replace(self, key: Node, old: Node, new: Node) -> None:
        """Another value for a key on a line of its own."""
        colon, indent = self._colon(key), key.column - 1
        if old.scalar and not old.token:
            self._edit(colon, colon, f" {self.spelling.inline(new, flow=False)}")
        elif not old.scalar and not old.flow:
            begin, end = self._line_start(old), self._after(self._content_end(key, old))
            if self.spelling.short(new, colon - key.start + key.column):
                self._edit(colon, colon, f" {self.spelling.inline(new, flow=False)}")
                self._edit(begin, end, "")
            elif new.scalar:
                raise _Whole
            else:
                deep = old.column - 1 if new.items or old.column > key.column else indent + self.spelling.step
                self._edit(begin, end, self._lines(self.spelling.below(new, deep)))
        else:
            self._replace_inline(key, old, new, colon, indent)

    def _replace_inline(self, key: Node, old: Node, new: Node, colon: int, indent: int) -> None:
        """In place of a scalar, or of a list or mapping in brackets; a comment behind it stays on its line."""
        end = self._content_end(key, old)
        behind = self.text[end : self._after(end)].rstrip("\r\n")
        beside = "\n" not in self.text[colon : old.start]
        first, *rest = self.spelling.beside(new, indent)
        if not rest or not beside or (first.strip() and behind.strip()):
            self._edit(old.start, end, self.spelling.inline(new, flow=False))
            return
        self._edit(colon, end if behind.strip() else end + len(behind), first)
        at = self._after(end)
        self._edit(at, at, self._lines(rest))

    def _lines(self, lines: list[str]) -> str:
        return "".join(f"{line}{self.spelling.newline}" for line in lines)

    def _colon(self, key: Node) -> int:
        """The character behind the colon of an entry."""
        found = _COLON.match(self.text, key.end)
        if found is None or "\n" in found[0]:
            raise self._refused(key, "its colon is on another line")
        return found.end()

    def _line_start(self, node: Node) -> int:
        """The start of the line that a key or value is the first thing on; raises _Whole when it is not."""
        start = self.text.rfind("\n", 0, node.start) + 1
        if self.text[start : node.start].strip(" "):
            raise _Whole
        return start

    def _content_end(self, key: Node, value: Node) -> int:
        """Where an entry ends: not its comments, and not the lines without anything behind it."""
        while not value.scalar and not value.flow:
            if value.entries:
                key, value = value.entries[-1]
            else:
                value = (value.items or ())[-1]
                key = value
        if value.style in ("|", ">"):
            return value.start + len(value.token.rstrip())
        return value.end if value.token or not value.scalar else max(value.end, key.end)

    def _after(self, end: int) -> int:
        """The start of the line behind a value that ends there; only a comment may stand between."""
        stop = self.text.find("\n", end)
        if not _REST.fullmatch(self.text, end, stop):
            raise _Whole
        return stop + 1

    def _refused(self, node: Node, why: str) -> Refused:
        return Refused(
            f"{self.path}:{node.line}:{node.column}: {field_name((str(node.value),))} cannot be changed: {why}"
        )


def _added(old: Node, new: Node) -> Iterator[tuple[tuple[Node, Node] | None, list[tuple[Node, Node]]]]:
    """What is new in a mapping, with the entry of the old one that it stands behind (None: in front of all)."""
    anchor: tuple[Node, Node] | None = None
    added: list[tuple[Node, Node]] = []
    for key, value in new.entries or ():
        there = next((entry for entry in old.entries or () if entry[0].value == key.value), None)
        if there is None:
            added.append((key, value))
            continue
        if added:
            yield anchor, added
        anchor, added = there, []
    if added:
        yield anchor, added
