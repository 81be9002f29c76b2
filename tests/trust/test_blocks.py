"""Armoured blocks in what people write: found whatever is around them, and nothing but a block is one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.trust.blocks import MAX_FOUND, MAX_TEXT, blocks_in
from reconciler.trust.sshsig import BEGIN, END, Signature, armour, read_signatures

BLOCK = armour(bytes(range(200)))
LINES = BLOCK.rstrip("\n").split("\n")


def quoted(mark):
    return "".join(f"{mark}{line}\n" for line in LINES)


FOUND = {
    "alone": BLOCK,
    "in a fence": f"I looked at it.\n\n```\n{BLOCK}```\nbye",
    "quoted": f"Cy wrote:\n{quoted('> ')}\nthanks",
    "quoted twice": quoted("> > "),
    "indented": quoted("    "),
    "quoted with a tab": quoted(">\t"),
    "with CRLF": BLOCK.replace("\n", "\r\n"),
    "with CR": BLOCK.replace("\n", "\r"),
    "with spaces behind": BLOCK.replace("\n", " \t\n"),
    "wrapped otherwise": "\n".join([BEGIN, *("".join(LINES[1:-1])[at : at + 40] for at in range(0, 268, 40)), END]),
    "without a newline at the end": BLOCK.rstrip("\n"),
    "after one that does not end": f"{BEGIN}\nAAAA\n{BLOCK}",
    "after an end without a begin": f"{END}\n{BLOCK}",
    "among other letters": f"\u200bжизнь 🎉\n{BLOCK}\n<script>\x00",
}


@pytest.mark.parametrize("how", FOUND)
def test_a_block_is_found(how):
    found = blocks_in(FOUND[how])
    assert found.found == (BLOCK.encode(),)
    assert not found.cut


NOTHING = {
    "nothing": "",
    "words": "approved, looks good to me",
    "no end": BLOCK.replace(END, ""),
    "no body": f"{BEGIN}\n{END}\n",
    "a line of something else in it": BLOCK.replace("\n", "\nhello there\n", 1),
    "an empty line in it": BLOCK.replace("\n", "\n\n", 1),
    "on one line": BLOCK.replace("\n", " "),
    "words before it on its line": f"here: {BLOCK}",
    "very long": f"{BEGIN}\n" + "AAAA\n" * 2000 + END,
}


@pytest.mark.parametrize("what", NOTHING)
def test_what_is_no_block_is_none(what):
    assert blocks_in(NOTHING[what]).found == ()


def test_no_more_than_so_many_are_looked_at_and_it_is_said():
    found = blocks_in(BLOCK * (MAX_FOUND + 1))
    assert (len(found.found), found.cut) == (MAX_FOUND, True)
    assert not blocks_in(BLOCK * MAX_FOUND).cut


def test_what_stands_beyond_the_limit_is_not_looked_at_and_it_is_said():
    found = blocks_in(BLOCK + "x" * MAX_TEXT + "\n" + BLOCK)
    assert (found.found, found.cut) == ((BLOCK.encode(),), True)


PIECES = st.lists(
    st.sampled_from([BEGIN, END, "AAAA", "\n", "\r\n", "> ", "`", "=", "x y", "\x00", "\u2028", BLOCK]), max_size=40
)


@settings(max_examples=200, deadline=None)
@given(PIECES)
def test_whatever_is_written_each_block_is_one_that_the_parser_reads_by_itself(pieces):
    for block in blocks_in("".join(pieces)).found:
        assert len(read_signatures(block)) == 1
        assert not isinstance(read_signatures(block)[0], Signature)  # nothing here is a signature
