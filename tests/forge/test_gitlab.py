"""What only GitLab does: notes of its own, approvals without a commit, transitions, and refs of pipelines."""

import pytest
from forge_fake import START, Scripted, sha

from reconciler.errors import Refused, Retry
from reconciler.model.pull import CommitStatus, Opinion, StatusState

MR = "/api/v4/projects/{id}/merge_requests"
STATUS = "/api/v4/projects/{id}/statuses/{sha}"
PENDING = CommitStatus(context="reconciler/prod", state=StatusState.PENDING, description="planning")


@pytest.fixture
def fake(start):
    return start("gitlab")


@pytest.fixture
def forge(fake, connect):
    return connect(fake)


def test_what_gitlab_notes_itself_is_no_comment(fake, forge):
    fake.add()
    fake.say(1, "alice", "please")
    fake.comments[1].append({"id": 900, "author": "alice", "body": "added 1 commit", "system": True})
    assert [one.body for one in forge.comments(1)] == ["please"]


def test_approvals_are_reviews_that_name_no_commit(fake, forge):
    fake.add()
    assert list(forge.reviews(1)) == []
    fake.reviews[1] = [{"id": 5, "login": "bob"}, {"id": 6, "login": "carol"}]
    assert [(one.login, one.opinion, one.commit, one.counts) for one in forge.reviews(1)] == [
        ("bob", Opinion.APPROVE, "", True), ("carol", Opinion.APPROVE, "", True),
    ]  # fmt: skip


def test_the_same_status_again_counts_as_done(fake, forge):
    forge.set_status(sha("x"), PENDING)
    forge.set_status(sha("x"), PENDING)
    assert [one.answered for one in fake.seen] == [201, 400]


def test_another_400_of_a_status_is_refused_and_a_concurrent_one_is_asked_again(fake, forge):
    fake.script("POST", STATUS, Scripted(400, {"message": "target_url is blocked"}))
    with pytest.raises(Refused, match="target_url is blocked"):
        forge.set_status(sha("x"), PENDING)
    fake.script("POST", STATUS, Scripted(409, {"message": "Another update to this commit status is in progress"}))
    with pytest.raises(Retry) as caught:
        forge.set_status(sha("x"), PENDING)
    assert caught.value.reason == "ForgeUnreachable"


def test_a_status_is_sent_with_the_ref_that_the_merge_request_shows(fake, forge):
    ours, theirs = fake.add(branch="promote/fraud"), fake.add(fork=True)
    forge.pulls()
    for commit in (ours.head, theirs.head, sha("trunk")):
        forge.set_status(commit, PENDING)
    assert [one.body.get("ref") for one in fake.asked("POST")] == ["promote/fraud", "refs/merge-requests/2/head", None]


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("success", "success"), ("skipped", "success"), ("failed", "failure"), ("canceled", "failure"),
        ("running", "pending"), ("manual", "pending"), ("pending", "pending"),
    ],
)  # fmt: skip
def test_the_states_of_pipelines_are_read_as_ours(said, state, fake, forge):
    fake.statuses[sha("x")] = [{"id": 1, "context": "build", "state": said, "description": None, "url": ""}]
    assert [one.state for one in forge.statuses(sha("x"))] == [StatusState(state)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"merge_commit_sha": "a" * 40, "squash_commit_sha": "b" * 40}, "a" * 40),
        ({"merge_commit_sha": None, "squash_commit_sha": "b" * 40}, "b" * 40),
        ({"merge_commit_sha": None}, sha("head 1")),
    ],
    ids=["a merge commit", "squashed and fast-forwarded", "fast-forwarded"],
)
def test_a_merge_ends_in_the_commit_on_the_base_branch(fields, expected, fake, forge):
    pull = fake.add()
    fake.merge(1, START)
    fake.script("GET", f"{MR}/{{merge_request_iid}}", Scripted(200, fake.pull_json(pull) | fields))
    assert forge.pull(1).merged == expected


def test_a_new_one_without_commits_yet_is_left_out_and_looked_at_again(fake, forge):
    fake.add()
    fake.add(head="")
    assert [pull.number for pull in forge.pulls()] == [1]
    with pytest.raises(Retry, match="still prepares merge request 2"):
        forge.pull(2)


def test_one_that_is_being_merged_is_still_open(fake, forge):
    fake.script("GET", f"{MR}/{{merge_request_iid}}", Scripted(200, fake.pull_json(fake.add()) | {"state": "locked"}))
    assert forge.pull(1).state == "open"


def test_a_limit_may_come_as_plain_text(fake, forge):
    fake.script("GET", MR, Scripted(429, b"Retry later\n", {"RateLimit-Reset": "1", "RateLimit-Remaining": "0"}))
    with pytest.raises(Retry, match="wants us to wait: Retry later") as caught:
        forge.pulls()
    assert caught.value.reason == "ForgeLimited"


def test_a_token_that_may_not_ask_who_it_is_has_no_name_and_a_bad_one_is_refused(fake, forge):
    fake.script(
        "GET", "/api/v4/user", Scripted(403, {"error": "insufficient_scope"}), Scripted(401, {"message": "401"})
    )
    assert forge.login() == ""
    with pytest.raises(Refused, match="401"):
        forge.login()


def test_one_that_stays_open_is_not_closed(fake, forge):
    fake.add()
    fake.script("PUT", f"{MR}/{{merge_request_iid}}", Scripted(403, {"message": "403 Forbidden"}))
    with pytest.raises(Refused, match="403 Forbidden"):
        forge.close_pull(1)


def test_the_refs_of_many_heads_are_bounded(fake, forge, monkeypatch):
    monkeypatch.setattr("reconciler.edges.forge.gitlab._REMEMBERED", 2)
    heads = [fake.add(branch=f"branch-{number}").head for number in range(3)]
    forge.pulls()
    for head in heads:
        forge.set_status(head, PENDING)
    assert [one.body.get("ref") for one in fake.asked("POST")] == [None, "branch-1", "branch-2"]
