"""The hidden first line: what counts as ours and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.plan.marker import Stage, find, marker

KEY, REPOSITORY = b"k" * 32, "github.com/acme/models"
LINE = marker(KEY, REPOSITORY, 12, Stage.PLANNED)

ROWS = {
    "our first line": (f"{LINE}\n### Merging", Stage.PLANNED),
    "alone": (LINE, Stage.PLANNED),
    "with the line end of a forge that rewrites them": (f"{LINE}\r\ntext", Stage.PLANNED),
    "in the second line": (f"hello\n{LINE}", None),
    "behind a space": (f" {LINE}", None),
    "quoted": (f"> {LINE}", None),
    "with something after it": (f"{LINE} x", None),
    "of another stage": (LINE.replace("planned", "merged"), None),
    "of no stage": (LINE.replace("planned", "deleted"), None),
    "of another pull request": (marker(KEY, REPOSITORY, 13, Stage.PLANNED), None),
    "with another number written in": (LINE.replace(" 12 ", " 13 "), None),
    "of another repository": (marker(KEY, "github.com/acme/other", 12, Stage.PLANNED), None),
    "made with another key": (marker(b"x", REPOSITORY, 12, Stage.PLANNED), None),
    "with a number in other digits": (LINE.replace(" 12 ", " ١٢ "), None),
    "with a leading zero": (LINE.replace(" 12 ", " 012 "), None),
    "nothing": ("", None),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_a_comment_is_ours_when_it_begins_with_our_marker(row):
    body, stage = row
    assert find(body, KEY, REPOSITORY, 12) is stage


@pytest.mark.parametrize("stage", Stage)
def test_it_says_how_far_we_told(stage):
    assert find(marker(KEY, REPOSITORY, 1, stage), KEY, REPOSITORY, 1) is stage


@given(st.text())
def test_no_text_passes_for_it(text):
    assert find(text, KEY, REPOSITORY, 12) is None
