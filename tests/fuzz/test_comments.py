"""Comments of strangers: the signatures in them, the line by which we know our own, and text that becomes Markdown."""

import re

from fuzz_room import mutated, over, steps
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from test_signatures import FILES, LINES, MESSAGE, NAMESPACE

from reconciler.plan.markdown import code, escape, fence, html, visible
from reconciler.plan.marker import Stage, find, marker
from reconciler.trust.blocks import MAX_FOUND, MAX_TEXT, blocks_in
from reconciler.trust.sshsig import BEGIN, END, Check, Signature, check, read_signatures

TEXTS = [text.decode() for text in FILES]
COMMENTS = tuple(
    comment.encode()
    for text in TEXTS[:2]
    for comment in (
        f"Fine by me.\n\n```\n{text}```\n",
        "> " + text.replace("\n", "\n> ") + "\n\nSee above.",
        f"{text}{text}",
        f"- one\n\n      {text.replace(chr(10), chr(10) + '      ')}\n",
    )
)
AROUND = [*LINES, b"```\n", b"> ", b">> ", b"    ", b"\t", b"<!-- ", b" -->", b"<details>\n", b"-----", b"\xe2\x80\x8b"]


@over(data=mutated([*COMMENTS, *FILES], AROUND))
def test_every_block_of_a_comment_is_a_signature_file_of_its_own(data):
    text = data.decode("utf-8", "replace")
    with steps(2000 + 20 * len(text)):
        blocks = blocks_in(text)
    assert len(blocks.found) <= MAX_FOUND
    for block in blocks.found:
        (one,) = read_signatures(block)
        assert one.block == 1
        if not isinstance(one, Signature):
            continue
        assert blocks_in(block.decode("ascii")).found == (block,)
        if check(one, message=MESSAGE, namespace=NAMESPACE) is Check.VALID:
            assert block in FILES  # byte for byte what was signed, whatever stood around it


PROSE = st.lists(
    st.sampled_from(("", "hello", "```", "~~~sh", "> quoted", "---", "    code", "| a | b |", BEGIN[:-1])), max_size=5
)


@over(
    which=st.integers(0, len(TEXTS) - 1),
    before=PROSE,
    after=PROSE,
    mark=st.sampled_from(("", "> ", ">> ", "    ", "\t", " > ")),
    end=st.sampled_from(("\n", "\r\n", "\r", " \n")),
)
def test_a_signature_is_found_wherever_it_stands(which, before, after, mark, end):
    lines = [*before, *(mark + line for line in TEXTS[which].splitlines()), *after]
    assert blocks_in(end.join(lines)).found == (FILES[which],)


@over(share=0.3, line=st.sampled_from((BEGIN, END, "A" * 64, "A", ">" * 200, " " * 300, "", f"{BEGIN}\nAAAA\n{END}")))
def test_the_same_line_for_ever_costs_no_more_than_its_length(line):
    text = f"{line}\n" * (2 * MAX_TEXT // (len(line) + 1))
    with steps(2000 + 20 * len(text)):
        assert blocks_in(text).cut


KEY, REPOSITORY = b"a key of ours", "github.com/acme/models"
MARKERS = tuple(marker(KEY, REPOSITORY, number, stage) for number in (7, 70) for stage in Stage)
MARKED = (
    *(f"{line}\n## Plan\n".encode() for line in MARKERS),
    f"{marker(b'another key', REPOSITORY, 7, Stage.ENDED)}\n".encode(),
    f"{marker(KEY, 'github.com/acme/other', 7, Stage.ENDED)}\n".encode(),
)
PARTS = [b"planned", b"merged", b"ended", b" 7 ", b" 70 ", b" 07 ", "٧".encode(), b"-->", b"<!--", b"v1", b"0" * 64]


@over(data=mutated(MARKED, PARTS), number=st.sampled_from((7, 70, 0, 1)))
def test_only_the_line_that_we_wrote_for_this_pull_request_is_ours(data, number):
    body = data.decode("utf-8", "replace")
    with steps(200):
        stage = find(body, KEY, REPOSITORY, number)
    first = body.partition("\n")[0].rstrip("\r")
    ours = {marker(KEY, REPOSITORY, number, one): one for one in Stage}
    assert stage == ours.get(first)


SEEN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
SIGNS = [
    b"<script>", b"<!--", b"-->", b"&lt;", b"&#60;", b"@team", b"#12", b"!3", b"GH-4", b"![x](http://e)", b"[x]: y",
    b"| a |", b"**", b"__", b"~~", b"``", b"$$", b"\\", b"\n", b"\n\n", b"1. ", b"- ", b"> ", b"# ", b"===",
    b":tada:", b":+1:", b"::", b"www.", b"https://", b"mailto:", b"4f2a4f2a", b"\xe2\x80\xae", b"\xe2\x80\xa8",
    b"\xc2\xa0", b"/close", b"&nbsp;", b"\t",
]  # fmt: skip
SAID = mutated([b"fraud-detector 1.4.0 waits for ada", b"a:b::c", b""], SIGNS, most=8).map(
    lambda one: one.decode("utf-8", "replace")
)


@over(text=SAID)
def test_whatever_is_said_is_text_and_nothing_else(text):
    with steps(500 + 50 * len(text)):
        shown, name, inside = escape(text), code(text), html(text)
    for one in (shown, name):
        assert "\n" not in one
        assert visible(one) == one
        tokens = SEEN.parse(one)
        assert [token.type for token in tokens] in ([], ["paragraph_open", "inline", "paragraph_close"])
        kinds = {child.type for token in tokens for child in token.children or ()}
        assert kinds <= {"text", "text_special", "code_inline"}
    assert not re.search(r"<(?!/?code>)|@|://", inside)
    assert not re.search(r":(?=[A-Za-z0-9_+-]*[A-Za-z+-][A-Za-z0-9_+-]*:)", shown)


@over(text=SAID, language=st.sampled_from(("", "diff")))
def test_no_line_ends_its_fence(text, language):
    lines = [f"+{line}" for line in text.split("\n")]
    (token,) = SEEN.parse("\n".join(fence(lines, language)))
    assert token.type == "fence"
    assert len(token.content.removesuffix("\n").split("\n")) == len(lines)


UNITS = (":a", ":", "a", "1", "abcdef1-", "www.", "@", "`", " ", "\u202e", "~", "|", "<", "# ")


@over(unit=st.sampled_from(UNITS), before=st.sampled_from(("", ":", ":1", "#", "www")))
def test_the_same_sign_for_ever_costs_no_more_than_its_length(unit, before):
    text = before + unit * (20_000 // len(unit))
    with steps(500 + 50 * len(text)):
        assert len(escape(text)) <= 20 * len(text)
