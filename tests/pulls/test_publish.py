"""Our one comment and our statuses: looked for before they are made, and sent only where they differ."""

import pytest
from fake_forge import FakeForge, a_pull, fails_on

from reconciler.errors import NotFound, Refused, Retry
from reconciler.loop.pulls.publish import Publisher
from reconciler.model.ids import Revision
from reconciler.model.pull import CommitStatus, StatusState
from reconciler.plan.marker import Stage, marker

KEY, REPOSITORY = b"k" * 32, "github.com/acme/models"
HEAD = Revision("7" * 40)
LOST = Retry("the answer is lost", reason="ForgeUnreachable")


def text(said: str, number: int = 7, stage: Stage = Stage.PLANNED) -> str:
    return f"{marker(KEY, REPOSITORY, number, stage)}\n{said}"


def status(said: str, context: str = "reconciler/prod", state: StatusState = StatusState.SUCCESS) -> CommitStatus:
    return CommitStatus(context=context, state=state, description=said)


@pytest.fixture
def forge() -> FakeForge:
    return FakeForge(a_pull(7), a_pull(8))


@pytest.fixture
def publisher(forge) -> Publisher:
    return Publisher(forge, REPOSITORY, KEY)


def test_the_first_comment_is_looked_for_and_then_created(forge, publisher):
    number = publisher.comment(7, None, text("a"))
    assert [call[0] for call in forge.calls] == ["comments", "comment"]
    assert publisher.comment(7, number, text("b")) == number
    assert forge.ours(7) == [text("b")]


def test_a_comment_whose_answer_was_lost_is_found_and_not_made_twice(forge, publisher):
    forge.after = fails_on("comment", error=LOST, times=1)
    with pytest.raises(Retry):
        publisher.comment(7, None, text("a"))
    found = publisher.comment(7, None, text("a"))
    assert forge.ours(7) == [text("a")]
    assert publisher.ours(7, forge.comments(7)).id == found
    assert len(forge.writes()) == 1, "it says the same: no edit either"


def test_an_edit_whose_answer_was_lost_is_made_again_and_makes_no_comment(forge, publisher):
    number = publisher.comment(7, None, text("a"))
    forge.after = fails_on("edit", error=LOST, times=1)
    with pytest.raises(Retry):
        publisher.comment(7, number, text("b"))
    assert publisher.comment(7, number, text("b")) == number
    assert forge.ours(7) == [text("b")]


def test_a_comment_that_somebody_deleted_is_made_again(forge, publisher):
    number = publisher.comment(7, None, text("a"))
    forge.delete(7, number)
    again = publisher.comment(7, number, text("b"))
    assert again != number
    assert forge.ours(7) == [text("b")]


def test_of_two_comments_of_an_old_crash_the_older_goes_on(forge, publisher):
    older = forge.say(7, text("a"), author=forge.me)
    forge.say(7, text("b"), author=forge.me)
    assert publisher.ours(7, forge.comments(7)).id == older
    assert publisher.comment(7, None, text("c")) == older
    assert forge.ours(7) == [text("c"), text("b")]


@pytest.mark.parametrize(
    "body",
    [
        text("approved by all", number=8), "x\n" + text("approved by all"), " " + text("approved by all"),
        text("a").replace("planned", "ended"), text("a").replace("7", "8", 1), "<!-- reconciler:pull v1 -->", "",
    ],
    ids=["another number", "not the first line", "indented", "another stage", "number changed", "bare", "empty"],
)  # fmt: skip
def test_no_other_text_is_our_comment_whoever_wrote_it(forge, publisher, body):
    forge.say(7, body, author=forge.me)
    assert publisher.ours(7, forge.comments(7)) is None


def test_our_first_line_copied_by_somebody_else_is_not_our_comment(forge, publisher):
    forge.say(7, text("approved by all"), author="eve")
    made = publisher.comment(7, None, text("a"))
    assert [row.author for row in forge.comments(7)] == ["eve", forge.me]
    assert publisher.ours(7, forge.comments(7)).id == made


def test_where_the_forge_does_not_say_who_we_are_a_copy_costs_one_refused_edit(forge, publisher):
    copy = forge.say(7, text("approved by all"))
    forge.me = ""
    forge.before = lambda *words: refuse(words, copy)
    made = publisher.comment(7, copy, text("a"))
    assert made != copy
    assert publisher.ours(7, forge.comments(7)).id == made, "and it is known afterwards"
    assert publisher.comment(7, made, text("b")) == made
    assert [call[0] for call in forge.calls].count("comment") == 1


def refuse(words: tuple[object, ...], comment: int) -> None:
    if words[0] == "edit" and words[2] == comment:
        raise Refused("you may not edit it")


def test_a_refused_edit_of_our_own_comment_makes_no_second_one(forge, publisher):
    number = publisher.comment(7, None, text("a"))
    forge.before = fails_on("edit", error=Refused("locked"))
    with pytest.raises(Refused):
        publisher.comment(7, number, text("b"))
    assert len(forge.ours(7)) == 1


def test_statuses_are_asked_for_once_and_sent_on_change_alone(forge, publisher):
    for _ in range(3):
        publisher.statuses(HEAD, [status("a"), status("b", "reconciler/dev")])
    publisher.statuses(HEAD, [status("a", state=StatusState.FAILURE), status("b", "reconciler/dev")])
    assert [call[0] for call in forge.calls].count("statuses") == 1
    assert [(row.context, row.description, row.state) for _, row in forge.told] == [
        ("reconciler/prod", "a", "success"), ("reconciler/dev", "b", "success"), ("reconciler/prod", "a", "failure"),
    ]  # fmt: skip


def test_what_is_there_already_is_not_sent_after_a_restart(forge, publisher):
    publisher.statuses(HEAD, [status("a")])
    Publisher(forge, REPOSITORY, KEY).statuses(HEAD, [status("a")])
    assert len(forge.told) == 1


def test_a_status_whose_answer_was_lost_is_sent_again(forge, publisher):
    forge.after = fails_on("set_status", error=LOST, times=1)
    with pytest.raises(Retry):
        publisher.statuses(HEAD, [status("a")])
    publisher.statuses(HEAD, [status("a")])
    assert forge.status(HEAD, "reconciler/prod") == ("success", "a")


def test_that_it_is_being_planned_is_said_of_a_new_head_only(forge, publisher):
    pending = status("is being planned", state=StatusState.PENDING)
    publisher.first_statuses(HEAD, [pending])
    publisher.statuses(HEAD, [status("a")])
    publisher.first_statuses(HEAD, [pending])
    assert [row.description for _, row in forge.told] == ["is being planned", "a"]


def test_statuses_are_remembered_of_so_many_commits_and_not_of_more(publisher):
    for number in range(1_200):
        publisher.statuses(Revision(f"{number:040x}"), [status("a")])
    assert len(publisher._statuses) == 500


def test_after_another_daemon_led_the_forge_is_asked_anew(forge, publisher):
    publisher.statuses(HEAD, [status("a")])
    forge.told.append((HEAD, status("of the other daemon")))
    publisher.forget()
    publisher.statuses(HEAD, [status("a")])
    assert forge.status(HEAD, "reconciler/prod") == ("success", "a")


def test_a_head_that_the_forge_does_not_have_is_its_answer(forge, publisher):
    forge.before = fails_on("statuses", error=NotFound("no such commit"))
    with pytest.raises(NotFound):
        publisher.statuses(HEAD, [status("a")])
    assert forge.told == []
