"""A comment's Markdown as the HTML that a forge would show: tables, folds, code; nothing that acts.

Anybody may have written it. Rules: what is allowed is listed here, everything else goes; no script, style, form,
image, class, id or event handler; links leave with `nofollow noopener noreferrer` and only to http, https and mail.
"""

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

_TAGS = {
    "a", "b", "blockquote", "br", "caption", "code", "dd", "del", "details", "div", "dl", "dt", "em", "h1", "h2", "h3",
    "h4", "h5", "h6", "hr", "i", "ins", "kbd", "li", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strike",
    "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "ul", "var",
}  # fmt: skip
_ATTRIBUTES = {
    "a": {"href", "title"}, "details": {"open"}, "ol": {"start"}, "th": {"align", "colspan", "rowspan"},
    "td": {"align", "colspan", "rowspan"}, "div": {"align"}, "p": {"align"},
}  # fmt: skip
_DROPPED = {"script", "style", "title", "textarea", "noscript", "iframe", "object", "template"}  # with what is in them
_SCHEMES = {"http", "https", "mailto"}
_PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def render_comment(markdown: str) -> str:
    """HTML that may stand in a page as it is."""
    tokens = _PARSER.parse(markdown)
    for token in tokens:
        _align(token)
    return nh3.clean(
        _PARSER.renderer.render(tokens, _PARSER.options, {}),
        tags=_TAGS,
        clean_content_tags=_DROPPED,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="nofollow noopener noreferrer",
        strip_comments=True,
    )


def _align(token: Token) -> None:
    """A column's alignment as an attribute: styles do not pass."""
    style = str(token.attrs.pop("style", "")) if token.type in {"th_open", "td_open"} else ""
    if style:
        token.attrs["align"] = style.removeprefix("text-align:")
