"""Draws the comment on a pull request as a forge shows it, into docs/screenshots: `python docs/screenshots.py`.

Markdown -> HTML (markdown-it-py, then nh3 as a forge lets no HTML of others through) -> PNG (chromium, headless). The
pull requests are those of the tests (tests/plan/plan_reports.py).
"""

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
WIDTH, HEIGHTS = 900, {"small-change": 830, "forty-releases": 1600, "failure": 560, "twenty-clusters": 700}
DRAWN = 1200  # pixels of the others
STYLE = """
body { margin: 0; background: #fff; color: #1f2328; font: 14px/1.5 -apple-system, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif; }
.comment { border: 1px solid #d1d9e0; border-radius: 6px; margin: 16px; width: 820px; overflow-wrap: break-word; }
.who { background: #f6f8fa; border-bottom: 1px solid #d1d9e0; padding: 8px 16px; color: #59636e; border-radius: 6px 6px 0 0; }
.who b { color: #1f2328; } .who span { border: 1px solid #d1d9e0; border-radius: 2em; font-size: 12px; padding: 0 7px; }
.text { padding: 16px; } .text > :first-child { margin-top: 0; }
h3 { font-size: 1.25em; margin: 0 0 16px; line-height: 1.25; } h4 { font-size: 1em; margin: 24px 0 16px; line-height: 1.25; }
p, ul, table, pre, details { margin: 0 0 16px; } ul { padding-left: 2em; } ul ul { margin: 0; } li + li { margin-top: .25em; }
table { border-collapse: collapse; display: block; width: max-content; max-width: 100%; overflow: auto; }
th, td { border: 1px solid #d1d9e0; padding: 6px 13px; } th { font-weight: 600; } tr:nth-child(2n) td { background: #f6f8fa; }
code { background: #818b981f; border-radius: 6px; font: 85%/1 ui-monospace, 'Liberation Mono', 'DejaVu Sans Mono', monospace; padding: .2em .4em; white-space: break-spaces; }
h3 code, h4 code { font-size: 90%; }
pre { background: #f6f8fa; border-radius: 6px; padding: 16px; overflow: auto; line-height: 1.45; }
pre code { background: none; padding: 0; white-space: pre; font-size: 85%; line-height: 1.45; }
.add { color: #116329; background: #dafbe1; } .gone { color: #82071e; background: #ffebe9; } .place { color: #8250df; }
hr { border: 0; height: .25em; background: #d1d9e0; margin: 24px 0; } sub { font-size: 75%; } summary { cursor: pointer; }
"""
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
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{body}"


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
    """The page as a picture; chromium must be installed."""
    target = OUT / f"{name}.png"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(html)
        subprocess.run(
            [
                "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                f"--user-data-dir={folder}/profile", f"--window-size={WIDTH},{HEIGHTS.get(name, DRAWN)}",
                f"--screenshot={target}", source.as_uri(),
            ],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
    return target


def main() -> None:
    """Draw all of them."""
    OUT.mkdir(exist_ok=True)
    for name, case in CASES.items():
        body = render(case(), LIMIT, marker=MARKER).body
        path = draw(name, page(body, opened=name in ("small-change", "hostile-names")))
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KiB")  # noqa: T201  # it is a command


if __name__ == "__main__":
    main()
