"""What commands print: plain lines, tables and JSON. No colour and no width to fit when nobody looks at a terminal.

Not what is said. Rule: text from documents is data, so nothing in it is read as markup.
"""

import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

_UNLIMITED = 10_000  # columns: a file or a pipe has no edge, and a cut line could not be searched


class Form(StrEnum):
    """The forms of a report: `-o text` for people, `-o json` for programs."""

    TEXT = "text"
    JSON = "json"


def print_json(data: Any) -> None:
    """Plain data as indented JSON."""
    import orjson

    write(orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def write(data: bytes) -> None:
    """Exactly these bytes to standard output."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table without lines, its first column kept whole."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    for number, header in enumerate(headers):
        table.add_column(header, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(Text(_printable(cell)) for cell in row))
    screen = console()
    with screen.capture() as captured:
        screen.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def console() -> Any:
    """Rich's console on standard output: colours and wrapping only where somebody looks at them."""
    from rich.console import Console

    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, color_system=None, width=_UNLIMITED, soft_wrap=True)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() or char == "\n" else f"\\u{ord(char):04x}" for char in text)
