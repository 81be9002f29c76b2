"""What every forge does the same: each call of the protocol, on a fake of each of the three."""

from datetime import timedelta

import pytest
from forge_fake import START, Scripted, sha

from reconciler.edges.forge.answers import Rejected
from reconciler.errors import NotFound, Refused, Retry
from reconciler.model.pull import Comment, CommitStatus, PullState, StatusState

REFS = {"github": "refs/pull/1/head", "gitlab": "refs/merge-requests/1/head", "gitea": "refs/pull/1/head"}
PULLS = {
    "github": "/repos/{owner}/{repo}/pulls",
    "gitlab": "/api/v4/projects/{id}/merge_requests",
    "gitea": "/repos/{owner}/{repo}/pulls",
}
COMMENTS = {
    "github": "/repos/{owner}/{repo}/issues/{issue_number}/comments",
    "gitlab": "/api/v4/projects/{id}/merge_requests/{noteable_id}/notes",
    "gitea": "/repos/{owner}/{repo}/issues/{index}/comments",
}
STATUSES = {
    "github": "/repos/{owner}/{repo}/statuses/{sha}",
    "gitlab": "/api/v4/projects/{id}/statuses/{sha}",
    "gitea": "/repos/{owner}/{repo}/statuses/{sha}",
}


def test_it_says_who_we_are_and_asks_once(fake, forge):
    assert [forge.login(), forge.login()] == ["reconciler-bot", "reconciler-bot"]
    assert len(fake.seen) == 1


def test_an_open_pull_request_comes_with_its_head_ref_and_people(fake, forge):
    made = fake.add(title="Promote fraud 1.5", author="alice")
    (pull,) = forge.pulls()
    assert (pull.number, pull.title, pull.author, pull.state) == (1, "Promote fraud 1.5", "alice", PullState.OPEN)
    assert (pull.head, pull.head_branch, pull.base_branch) == (made.head, "promote-fraud", "main")
    assert (pull.ref, pull.fork, pull.draft) == (REFS[forge.kind], False, False)
    assert (pull.merged, pull.merged_at) == (None, None)
    assert pull.url.startswith("https://")
    assert forge.pull(1) == pull


def test_a_fork_and_a_draft_are_told_as_such(fake, forge):
    fake.add(fork=True)
    fake.add(draft=True)
    fork, draft = forge.pulls()
    assert (fork.fork, fork.draft, draft.fork, draft.draft) == (True, False, False, True)


def test_only_open_ones_to_the_watched_branch_are_listed_by_number(fake, forge):
    assert list(forge.pulls()) == []
    for fields in ({}, {"base": "develop"}, {"state": "closed"}, {}):
        fake.add(**fields)
    assert [pull.number for pull in forge.pulls()] == [1, 4]


def test_all_pages_are_read_though_their_links_name_another_host_and_path(fake, forge):
    for number in range(1, 131):
        fake.add(branch=f"branch-{number}")
    assert [pull.number for pull in forge.pulls()] == list(range(1, 131))
    assert {one.headers["host"] for one in fake.seen} == {f"127.0.0.1:{fake.port}"}


def test_one_that_slips_between_two_pages_while_another_is_closed_is_not_taken_for_gone(fake, forge):
    for number in range(1, 131):
        fake.add(branch=f"branch-{number}")
    fake.tick()
    forge.pulls()
    fake.tick()
    fake.add()  # so that the list is read again where nothing is tagged
    fake.after_page = lambda: fake.pulls[3].__setattr__("state", "closed")  # all that follow move up by one
    assert [pull.number for pull in forge.pulls()] == [*range(1, 132)]  # 3 was open when its page was read
    fake.tick()
    fake.pulls[131].updated = fake.now
    assert [pull.number for pull in forge.pulls()] == [1, 2, *range(4, 132)]


def test_one_that_left_the_list_is_gone_when_it_is_closed_elsewhere_aimed_or_not_there(fake, forge):
    for _ in range(4):
        fake.add()
    fake.tick()
    assert len(forge.pulls()) == 4
    fake.tick()
    fake.pulls[1].state = "closed"
    fake.pulls[2].base = "develop"
    del fake.pulls[3]
    assert [pull.number for pull in forge.pulls()] == [4]


def test_a_quiet_poll_is_one_small_answer(fake, forge):
    for _ in range(3):
        fake.add()
    fake.tick()
    before = forge.pulls()
    fake.seen.clear()
    assert forge.pulls() == before
    assert len(fake.seen) == 1
    assert fake.seen[0].answered == 304 or fake.seen[0].query["limit"] == "1"


@pytest.mark.parametrize("change", ["opened", "closed", "pushed", "commented", "merged"])
def test_what_moved_is_seen_by_the_next_poll(change, fake, forge):
    fake.add(), fake.add()
    fake.tick()
    before = {pull.number: pull.moved for pull in forge.pulls()}
    fake.tick()
    if change == "opened":
        fake.add()
    elif change == "closed":
        fake.pulls[2].state = "closed"
    elif change == "merged":
        fake.merge(2, fake.now)
    else:
        fake.pulls[2].updated = fake.now
        fake.pulls[2].head = sha("another") if change == "pushed" else fake.pulls[2].head
    after = {pull.number: pull.moved for pull in forge.pulls()}
    assert after != before
    assert after[1] == before[1]


def test_a_merged_one_has_its_commit_and_its_time(fake, forge):
    fake.add()
    merged = fake.merge(1, START + timedelta(hours=1))
    pull = forge.pull(1)
    assert (pull.state, pull.merged, pull.merged_at) == (PullState.MERGED, merged.merged, START + timedelta(hours=1))


def test_a_closed_one_was_not_merged(fake, forge):
    fake.add(state="closed")
    assert (forge.pull(1).state, forge.pull(1).merged) == (PullState.CLOSED, None)


def test_merged_since_is_by_the_second_and_of_the_watched_branch(fake, forge):
    for hours, base in enumerate(("main", "main", "develop", "main", "main")):
        fake.add(base=base)
        if hours < 4:  # the fifth stays open
            fake.merge(hours + 1, START + timedelta(hours=hours))
    fake.add(state="closed", updated=START + timedelta(hours=9))
    fake.pulls[1].updated = START + timedelta(hours=8)  # somebody commented later
    assert [pull.number for pull in forge.merged_since(START)] == [1, 2, 4]
    assert [pull.number for pull in forge.merged_since(START + timedelta(hours=1, milliseconds=300))] == [2, 4]
    assert list(forge.merged_since(START + timedelta(hours=3, seconds=1))) == []


def test_a_number_that_does_not_exist_is_not_found(forge):
    with pytest.raises(NotFound, match="404"):
        forge.pull(77)


def test_comments_are_written_read_and_edited(fake, forge):
    fake.add()
    fake.say(1, "alice", "/reconciler plan")
    ours = forge.comment(1, "<!-- marker -->\nthe plan")
    assert (ours.author, ours.body) == ("reconciler-bot", "<!-- marker -->\nthe plan")
    forge.edit(1, ours.id, "<!-- marker -->\nthe plan, done")
    assert [(one.author, one.body) for one in forge.comments(1)] == [
        ("alice", "/reconciler plan"), ("reconciler-bot", "<!-- marker -->\nthe plan, done"),
    ]  # fmt: skip
    assert all(isinstance(one, Comment) and one.id for one in forge.comments(1))


def test_all_comments_come_oldest_first_however_many(fake, forge):
    fake.add()
    for number in range(250):
        fake.say(1, "alice", f"comment {number}")
    assert [one.body for one in forge.comments(1)] == [f"comment {number}" for number in range(250)]


def test_a_comment_that_is_gone_is_not_found(fake, forge):
    fake.add()
    with pytest.raises(NotFound):
        forge.edit(1, 4711, "text")


def test_statuses_are_the_newest_of_every_context(forge):
    commit = sha("head 1")
    url = "https://forge.example/x"
    states = (StatusState.PENDING, StatusState.FAILURE, StatusState.SUCCESS)
    for state in states:
        told = CommitStatus(context="reconciler/prod", state=state, description=f"it is {state}", url=url)
        forge.set_status(commit, told)
    other = CommitStatus(context="reconciler/staging", state=StatusState.PENDING, description="planning")
    forge.set_status(commit, other)
    last = CommitStatus(context="reconciler/prod", state=StatusState.SUCCESS, description="it is success", url=url)
    assert list(forge.statuses(commit)) == [last, other]
    assert list(forge.statuses(sha("another"))) == []


def test_the_contexts_of_all_pages_are_read(fake, forge):
    commit = sha("head 1")
    for number in range(120):
        described = {"state": "success", "description": "", "url": ""}
        fake.statuses.setdefault(commit, []).append({"id": number, "context": f"ci/{number:03}", **described})
    found = forge.statuses(commit)
    assert [one.context for one in found] == [f"ci/{number:03}" for number in range(120)]
    assert {one.state for one in found} == {StatusState.SUCCESS}


def test_a_long_description_is_cut_to_the_limit(forge):
    commit = sha("head 1")
    forge.set_status(commit, CommitStatus(context="reconciler/prod", state=StatusState.SUCCESS, description="x" * 999))
    (told,) = forge.statuses(commit)
    assert len(told.description) == forge.description_limit
    assert told.description.endswith("x…")


def test_a_status_of_a_commit_that_is_not_there_is_not_found(forge):
    with pytest.raises(NotFound):
        forge.set_status("0" * 40, CommitStatus(context="reconciler/prod", state=StatusState.SUCCESS, description="x"))


def test_a_pull_request_is_opened_once(fake, forge):
    words = {"head": "reconciler/promote", "base": "main", "title": "Promote", "body": "why"}
    opened = forge.open_pull(**words)
    again = forge.open_pull(**words)
    assert (opened.number, opened.head_branch, opened.author) == (again.number, "reconciler/promote", "reconciler-bot")
    assert len(fake.asked("POST")) == 1
    assert fake.pulls[1].body == "why"


def test_one_that_somebody_else_opened_meanwhile_is_read_back(fake, forge):
    fake.script("GET", PULLS[forge.kind], Scripted(200, [], after=True))  # it is not there yet
    fake.add(branch="reconciler/promote")
    opened = forge.open_pull(head="reconciler/promote", base="main", title="Promote", body="why")
    assert opened.number == 1
    assert [(one.method, one.answered in (409, 422)) for one in fake.seen] == [
        ("GET", False), ("POST", True), ("GET", False),
    ]  # fmt: skip


def test_a_closed_one_of_the_same_branch_and_one_from_a_fork_are_not_taken_for_it(fake, forge):
    fake.add(branch="reconciler/promote", state="closed")
    fake.add(branch="another")
    fake.script("GET", PULLS[forge.kind], Scripted(200, [], after=True))
    assert forge.open_pull(head="reconciler/promote", base="main", title="Promote", body="why").number == 3


def test_what_the_forge_refuses_to_open_is_refused_with_its_words(fake, forge):
    said = {"message": "Validation Failed", "errors": [{"message": "No commits between main and x"}]}
    fake.script("POST", PULLS[forge.kind], Scripted(422, said))
    with pytest.raises(Rejected, match="No commits between main and x") as caught:
        forge.open_pull(head="x", base="main", title="t", body="b")
    assert caught.value.status == 422


def test_it_is_closed_and_closing_twice_is_done(fake, forge):
    fake.add()
    forge.close_pull(1)
    forge.close_pull(1)
    assert fake.pulls[1].state == "closed"
    fake.add()
    fake.merge(2, START)
    forge.close_pull(2)
    assert fake.pulls[2].state == "merged"
    with pytest.raises(NotFound):
        forge.pull(3)


def test_a_write_that_got_no_answer_is_not_repeated(fake, forge):
    fake.add()
    for scripted in (Scripted(502, b"<html>bad gateway</html>", after=True), Scripted(drop=True, after=True)):
        fake.script("POST", COMMENTS[forge.kind], scripted)
        with pytest.raises(Retry) as caught:
            forge.comment(1, "the plan")
        assert caught.value.reason == "ForgeUnreachable"
    assert len(fake.asked("POST")) == 2
    assert len(forge.comments(1)) == 2  # whoever comes back looks first


def test_a_read_that_got_no_answer_is_retried_by_the_caller(fake, forge):
    fake.add()
    useless = (b"<html>login</html>", {}, None, [{}], [1], {"message": "what a list is not"})
    answers = [
        Scripted(503, b"down"),
        Scripted(drop=True),
        *(Scripted(200, body, {"X-Total-Count": "1"}) for body in useless),
    ]
    for scripted in answers:
        fake.script("GET", PULLS[forge.kind], scripted)
        with pytest.raises(Retry) as caught:
            forge.pulls()
        assert caught.value.reason == "ForgeUnreachable"
    assert [pull.number for pull in forge.pulls()] == [1]


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_without_the_right_is_refused_with_a_hint(status, fake, forge):
    fake.add()
    fake.script("POST", COMMENTS[forge.kind], Scripted(status, {"message": "insufficient scope"}))
    with pytest.raises(Refused, match="insufficient scope") as caught:
        forge.comment(1, "the plan")
    assert "docs/forges.md" in caught.value.hint


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "42"}, 42),
        ({"Retry-After": "Sun, 01 Mar 2026 12:01:30 GMT"}, 90),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": str(int(START.timestamp()) + 60)}, 61),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "30"}, 30),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(START.timestamp()) + 100)}, 101),
        ({}, 60),
        ({"Retry-After": "99999999"}, 3600),
    ],
)
def test_a_limit_names_its_moment_and_nothing_is_sent_before_it(headers, seconds, fake, forge):
    fake.add()
    fake.script("GET", PULLS[forge.kind], Scripted(429, b"Retry later", {"Date": fake.date(), **headers}))
    for _ in range(2):
        with pytest.raises(Retry) as caught:
            forge.pulls()
        assert caught.value.reason == "ForgeLimited"
        assert caught.value.after == pytest.approx(seconds, abs=2)
    with pytest.raises(Retry):
        forge.comment(1, "the plan")
    assert len(fake.seen) == 1


def test_the_limits_are_what_is_published(forge):
    limits = {"github": (65_536, 140), "gitlab": (1_000_000, 255), "gitea": (65_536, 255)}
    assert (forge.comment_limit, forge.description_limit) == limits[forge.kind]
    assert forge.queue_prefix == ("gh-readonly-queue/" if forge.kind == "github" else "")


def test_every_answer_and_the_quota_are_told(fake, connect):
    answers, quota = [], []
    fake.extra = {"X-RateLimit-Remaining": "4711"}
    forge = connect(fake, on_answer=lambda *told: answers.append(told), on_quota=quota.append)
    forge.pulls(), forge.login()
    assert ("pulls", "GET", 200) in {told[:3] for told in answers}
    assert answers[-1][:3] == ("user", "GET", 200)
    assert all(0 <= told[3] < 60 for told in answers)
    assert set(quota) == {4711}


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_an_answer_that_changed_nothing_is_told_as_304(kind, start, connect):
    fake, answers = start(kind), []
    forge = connect(fake, on_answer=lambda *told: answers.append(told[2]))
    forge.pulls(), forge.pulls()
    fake.add()  # the tag is stale
    assert len(forge.pulls()) == 1
    assert answers == [200, 304, 200]
    assert [one.headers.get("if-none-match") is None for one in fake.seen] == [True, False, False]
