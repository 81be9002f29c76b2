# noqa: INP001  # a script beside the pages it draws for, not a package
"""Draws the comment on a pull request as a forge shows it, into docs/screenshots: `python docs/screenshots.py`.

Markdown -> HTML (markdown-it-py, then nh3 as a forge lets no HTML of others through) -> PNG (chromium, headless). The
pull requests are those of the tests (tests/plan/plan_reports.py).
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import nh3
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "plan"))

from plan_reports import CASES, LIMIT, MARKER  # noqa: E402  # the path comes first

from reconciler.plan.comment import render  # noqa: E402

OUT = ROOT / "docs" / "screenshots"
WIDTH, HIGHEST = 852, 2060  # pixels
TAGS = {
    "h3", "h4", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "strong", "em", "b", "br",
    "hr", "sub", "details", "summary",
}  # fmt: skip
_COLOURS = {"+": "add", "-": "gone", "@": "place"}


def page(markdown: str, *, opened: bool) -> str:
    """The comment as a page; `opened` unfolds the first thing that is folded."""
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown)
    html = nh3.clean(html, tags=TAGS, attributes={"code": {"class"}, "details": {"open"}}, link_rel=None)
    html = html.replace("<details>", "<details open>", 1) if opened else html
    head = '<div class="who"><b>acme-reconciler</b> <span>bot</span> commented now · edited</div>'
    body = f'<div class="comment">{head}<div class="text">{_coloured(html)}</div></div>'
    return f"<!doctype html><meta charset=utf-8><style>{(OUT / 'forge.css').read_text()}</style>{body}"


def _coloured(html: str) -> str:
    """Diffs in colours, as forges show them."""
    lines, inside = [], False
    for line in html.split("\n"):
        start = '<pre><code class="language-diff">'
        inside = inside or line.startswith(start)
        prefix, text = (start, line.removeprefix(start)) if line.startswith(start) else ("", line)
        inside = inside and "</code></pre>" not in line
        kind = _COLOURS.get(text[:1]) if inside else None
        lines.append(f'{prefix}<span class="{kind}">{text}</span>' if kind else line)
    return "\n".join(lines)


def draw(name: str, html: str) -> Path:
    """The page as a picture, as high as it is; chromium must be installed."""
    target = OUT / f"{name}.png"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(f"{html}<script>document.title = document.documentElement.scrollHeight</script>")
        seen = _chromium(folder, "--dump-dom", f"--window-size={WIDTH},100", source.as_uri())
        found = re.search(r"<title>(\d+)</title>", seen)
        height = min(int(found.group(1)) if found else HIGHEST, HIGHEST)
        _chromium(folder, f"--screenshot={target}", f"--window-size={WIDTH},{height}", source.as_uri())
    return target


def _chromium(folder: str, *words: str) -> str:
    always = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/profile")
    return subprocess.run(["chromium", *always, *words], check=True, capture_output=True, text=True, timeout=120).stdout


def main() -> None:
    """Draw all of them."""
    for name, case in CASES.items():
        body = render(case(), LIMIT, marker=MARKER).body
        path = draw(name, page(body, opened=name in ("small-change", "hostile-names")))
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KiB")  # noqa: T201  # it is a command


if __name__ == "__main__":
    main()
