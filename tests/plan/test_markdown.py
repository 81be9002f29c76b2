"""Whatever a document says, Markdown shows it and does nothing with it."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reconciler.plan.markdown import code, counted, details, escape, fence, html, listed, table, visible

SEEN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
P = "&#8203;"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain 1.4.0", "plain 1.4.0"),
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("ask @team & co", f"ask &#64;{P}team &amp; co"),
        ("a|b", "a\\|b"),
        ("[x](http://e)", f"\\[x\\](http:{P}//e)"),
        ("**bold** _it_ `code` ~s~ {x} \\", f"\\*\\*bold\\*\\* \\_it\\_ \\`code\\` \\~{P}s\\~ \\{{x\\}} \\\\"),
        ("two\n\nlines\tand\u2028more", "two lines and more"),
        ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
        ("see #12 and !3 and GH-4 and acme/m#5", f"see #{P}12 and !{P}3 and GH{P}-4 and acme/m#{P}5"),
        ("www.e.org", f"www{P}.e.org"),
        ("yes :tada: but file.yaml:12:3", f"yes :{P}tada: but file.yaml:12:3"),
        ("$x$ and $5", f"&#36;x&#36; and &#36;{P}5"),
        ("commit 4f2a4f2a and deadbeef", "commit `4f2a4f2a` and deadbeef"),
        ("sha256:" + "a1" * 32, "sha256:" + "a1" * 32),
        ("\u202eevil\u200b\x00", "\ufffdevil\ufffd\ufffd"),
        ("# head", "&#35; head"),
        ("- item", "&#45; item"),
        ("1. item", "1&#46; item"),
        ("1.4.0 waits", "1.4.0 waits"),
        ("/close", "&#47;close"),
        ("", ""),
    ],
)
def test_markdown_shows_what_was_written(text, shown):
    assert escape(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("eu-1", "eu-1"),
        ('<b>& "', "&lt;b&gt;&amp; &quot;"),
        ("@team *x*", f"&#64;{P}team *x*"),
        ("4f2a4f2a", "<code>4f2a4f2a</code>"),
    ],
)
def test_html_shows_what_was_written(text, shown):
    assert html(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("releases/prod/x.yaml", "`releases/prod/x.yaml`"),
        ("feature/@team #1", "`feature/@team #1`"),
        ("a`b", "a\\`b"),
        ("a|b", "a\\|b"),
        (" edge", "edge"),
        ("two  spaces", "two spaces"),
        ("x" * 121, "x" * 119 + "…"),
        ("", ""),
    ],
)
def test_what_looks_like_a_name_is_code_and_nothing_else_is(text, shown):
    assert code(text) == shown


def test_a_fence_is_longer_than_any_run_of_backticks_in_it():
    assert fence(["a\tb", "````", "x ``` y"], "diff") == ["`````diff", "a    b", "````", "x ``` y", "`````"]
    assert fence([]) == ["```", "```"]


def test_tables_and_details():
    assert table(("a", "b"), [("1", "2")]) == ["| a | b |", "|---|---|", "| 1 | 2 |"]
    assert details("more", ["x"]) == ["<details><summary>more</summary>", "", "x", "", "</details>"]
    assert details("more", ["x"], opened=True)[0] == "<details open><summary>more</summary>"


def test_lists_and_numbers_in_sentences():
    assert [listed(list(names)) for names in ("", "a", "ab", "abc", "abcd")] == [
        "",
        "a",
        "a and b",
        "a, b and c",
        "a, b, c and 1 more",
    ]
    assert (counted(1, "row"), counted(12_000, "row")) == ("1 row", "12,000 rows")


@given(
    st.text(max_size=80)
    | st.lists(st.sampled_from([*"@#!$%&~:/<>[]()`*_|\\ \n", "ab", "12", "4f2a4f2a", "www."])).map("".join)
)
def test_whatever_is_said_is_a_paragraph_of_text_alone(text):
    shown = escape(text)
    assert "\n" not in shown
    assert visible(shown) == shown
    tokens = SEEN.parse(shown)
    assert [token.type for token in tokens] in ([], ["paragraph_open", "inline", "paragraph_close"])
    assert {child.type for token in tokens for child in token.children or ()} <= {"text", "text_special", "code_inline"}
    assert not re.search(r"[<>@]|://|(?<!\\)(?:\\\\)*[|*_\[\]~]", shown)


@given(st.text(max_size=80))
def test_whatever_is_said_is_text_in_html(text):
    tokens = SEEN.parseInline(f"<b>{html(text)}</b>")
    assert not re.search(r"<(?!/?code>)", html(text))
    assert tokens


@given(st.lists(st.text(max_size=20), max_size=5))
def test_nothing_ends_a_fence_before_its_end(lines):
    lines = [f"+{' '.join(line.splitlines())}" for line in lines]
    (token,) = SEEN.parse("\n".join(fence(lines, "diff")))
    assert token.type == "fence"
    assert len(token.content.splitlines()) == len(lines)


def test_a_colon_before_a_long_word_costs_no_more_than_the_word():
    before = time.process_time()
    assert escape(":" + "a" * 100_000) == "&#58;" + "a" * 100_000
    assert time.process_time() - before < 5  # it was the square of its length: a dozen seconds


@pytest.mark.parametrize(
    ("text", "parted"),
    [(":tada:", True), (":+1:", True), (":100:", True), (":1234:", True), (":12:", False), (":é:", False),
     (":éa:", True), (":1a:", True), (":a b:", False), ("a::b", False)],
)  # fmt: skip
def test_what_may_be_an_emoji_is_parted(text, parted):
    assert (P in escape(f"x {text}")) == parted
