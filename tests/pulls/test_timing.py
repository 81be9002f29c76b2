"""When a comment is posted and edited: the budget of writes, as a table."""

from datetime import timedelta

import pytest
from fake_forge import NOW

from reconciler.loop.pulls.timing import EDITS_PER_RELEASE, Posted, Wanted, after, when

COALESCE = timedelta(seconds=15)
NEXT = NOW + COALESCE


def posted(body: str = "a", summary: str = "s", progress: int = 0) -> Posted:
    return Posted(body=body, summary=summary, at=NOW, progress=progress)


def wanted(body: str = "b", summary: str = "t", **more: object) -> Wanted:
    return Wanted(body=body, summary=summary, **more)


ROWS = {
    "nothing was posted yet: at once": (None, wanted(), NOW),
    "nothing was posted yet and it is merged already: at once": (None, wanted(progress=True), NOW),
    "the same text: never": (posted("b"), wanted("b"), None),
    "another plan: when the last edit is long enough ago": (posted(), wanted(), NEXT),
    "another plan with the same summary: that is for progress only": (posted(), wanted(summary="s"), NEXT),
    "progress in other words: never": (posted(), wanted(summary="s", progress=True), None),
    "progress in another stage": (posted(), wanted(progress=True), NEXT),
    "progress, two edits spent": (posted(progress=2), wanted(progress=True), NEXT),
    "progress, three edits spent: never": (posted(progress=3), wanted(progress=True), None),
    "progress of two releases, three spent": (posted(progress=3), wanted(progress=True, releases=2), NEXT),
    "progress of two releases, six spent: never": (posted(progress=6), wanted(progress=True, releases=2), None),
    "progress of no release counts as of one": (posted(progress=3), wanted(progress=True, releases=0), None),
    "an end, three edits spent: always": (posted(progress=3), wanted(progress=True, final=True), NEXT),
    "an end in the same words: never twice": (posted("b", progress=3), wanted("b", progress=True, final=True), None),
}


@pytest.mark.parametrize(("before", "now_wanted", "moment"), ROWS.values(), ids=ROWS)
def test_when_a_comment_is_written(before, now_wanted, moment):
    assert when(before, now_wanted, NOW, COALESCE) == moment


def test_the_time_that_has_passed_counts():
    assert when(posted(), wanted(), NOW + timedelta(minutes=1), COALESCE) == NEXT, "in the past: at once"


@pytest.mark.parametrize(
    ("before", "told", "progress"),
    [
        (None, wanted(), 0),
        (None, wanted(progress=True), 0),
        (posted(progress=1), wanted(), 1),
        (posted(progress=1), wanted(progress=True), 2),
    ],
    ids=["the creation of a plan", "a creation is no edit", "an edit of a plan", "an edit of progress"],
)
def test_what_is_remembered_of_a_post(before, told, progress):
    found = after(before, told, NEXT)
    assert (found.body, found.summary, found.at, found.progress) == ("b", "t", NEXT, progress)


def test_a_release_that_goes_through_thirty_stages_costs_three_edits_and_its_end():
    now, last, edits = NOW, posted(), 0
    for stage in range(30):
        now += timedelta(minutes=1)
        told = wanted(f"b{stage}", f"s{stage}", progress=True, final=stage == 29)
        moment = when(last, told, now, COALESCE)
        if moment is not None and moment <= now:
            last, edits = after(last, told, now), edits + 1
    assert edits == EDITS_PER_RELEASE + 1
    assert last.body == "b29"
