"""Pages of pieces: everything that is put into one is escaped unless it is a piece itself."""

from collections.abc import Iterable
from html import escape


class Html(str):
    """HTML that may stand in a page as it is: made by `piece`, or cleaned by `markdown`."""

    __slots__ = ()


def piece(template: str, /, **values: object) -> Html:
    """The template, which is ours, with `{name}` filled in: text is escaped, pieces are not."""
    return Html(template.format_map({name: _safe(value) for name, value in values.items()}))


def row(pieces: Iterable[Html]) -> Html:
    """One after the other."""
    return Html("".join(pieces))


def _safe(value: object) -> str:
    return value if isinstance(value, Html) else escape(str(value), quote=True)
