"""What only Gitea and Forgejo do: official reviews, a combined status that lies, polls without tags, and odd codes."""

from datetime import timedelta

import pytest
from forge_contracts import gitea, recorded
from forge_fake import START, Scripted, sha

from reconciler.edges.forge.answers import Rejected
from reconciler.errors import NotFound, Refused, Retry
from reconciler.model.pull import CommitStatus, Opinion, PullState, StatusState

REPO = "/repos/{owner}/{repo}"
HEAD = sha("head 1")


@pytest.fixture
def fake(start):
    return start("gitea")


@pytest.fixture
def forge(fake, connect):
    return connect(fake)


def answer(name: str) -> Scripted:
    """An answer as it was recorded, from the server's own address."""
    found = gitea(name)
    headers = {name: text for name, text in found["headers"].items() if name.lower() != "content-length"}
    return Scripted(found["status"], found["body"], headers)


def test_a_recorded_pull_request_is_read(fake, forge):
    fake.script("GET", f"{REPO}/pulls/{{index}}", answer("pull_get"), answer("pull_merged"), answer("pull_draft"))
    opened, merged, draft = forge.pull(1), forge.pull(1), forge.pull(1)
    assert (opened.author, opened.head_branch, opened.fork) == ("alice", "feat/canary", False)
    assert (merged.state, merged.merged) == (PullState.MERGED, "27401c2b9d20c9f29ce7caf83380d10b041ac560")
    assert draft.draft


def test_a_fork_that_was_deleted_is_still_one(fake, forge):
    body = fake.pull_json(fake.add())
    fake.script("GET", f"{REPO}/pulls/{{index}}", Scripted(200, body | {"head": {**body["head"], "repo": None}}))
    assert forge.pull(1).fork


REVIEWS = {
    "official": ({"official": True}, Opinion.APPROVE, True),
    "of an outsider": ({"official": False}, Opinion.APPROVE, False),
    "dismissed": ({"official": True, "dismissed": True}, Opinion.APPROVE, False),
    "of an older head": ({"official": True, "stale": True}, Opinion.APPROVE, False),
    "a rejection": ({"official": True, "state": "REQUEST_CHANGES"}, Opinion.REJECT, True),
    "a remark": ({"official": False, "state": "COMMENT"}, Opinion.OTHER, False),
}


@pytest.mark.parametrize("case", REVIEWS)
def test_a_review_counts_when_it_is_official_and_neither_dismissed_nor_stale(case, fake, forge):
    fields, opinion, counts = REVIEWS[case]
    fake.reviews[1] = [{"id": 3, "login": "bob", "state": "APPROVED", "commit": HEAD, "official": True, **fields}]
    assert [(one.opinion, one.counts, one.commit) for one in forge.reviews(1)] == [(opinion, counts, HEAD)]


@pytest.mark.parametrize(
    ("name", "opinion", "counts"),
    [("reviews", Opinion.APPROVE, True), ("reviews_after_push", Opinion.APPROVE, False)],
)
def test_recorded_reviews_are_read(name, opinion, counts, fake, forge):
    fake.script("GET", f"{REPO}/pulls/{{index}}/reviews", answer(name))
    assert [(one.login, one.opinion, one.counts) for one in forge.reviews(1)] == [("root-admin", opinion, counts)]


def test_requests_for_a_review_are_none_and_a_remark_replaces_no_vote(fake, forge):
    for number, state in enumerate(("REQUEST_REVIEW", "APPROVED", "COMMENT", "PENDING")):
        fake.reviews.setdefault(1, []).append({"id": number, "login": "bob", "state": state, "commit": HEAD})
    assert [(one.id, one.opinion) for one in forge.reviews(1)] == [(1, Opinion.APPROVE)]


def test_the_combined_state_of_one_page_is_not_believed(fake, forge):
    for number in range(70):
        state = "failure" if number == 69 else "success"
        fields = {"id": number, "context": f"ci/{number:02}", "state": state, "description": "", "url": ""}
        fake.statuses.setdefault(HEAD, []).append(fields)
    assert [one.context for one in forge.statuses(HEAD) if one.state is StatusState.FAILURE] == ["ci/69"]
    assert [one.query["page"] for one in fake.seen] == ["1", "2"]


def test_recorded_statuses_are_read_and_a_state_that_is_none_is_a_failure(fake, forge):
    combined, none = f"{REPO}/commits/{{ref}}/status", answer("combined_status_none")
    fake.script("GET", combined, answer("combined_status"), none)
    found = {one.context.rpartition("/")[2]: one.state.value for one in forge.statuses(HEAD)}
    assert found == {
        "bogus": "failure", "error": "failure", "failure": "failure", "pending": "pending", "skipped": "success",
        "success": "success", "warning": "success",
    } | {key: value for key, value in found.items() if key not in {"bogus", "error", "failure", "pending", "skipped", "success", "warning"}}  # fmt: skip  # noqa: E501
    assert list(forge.statuses(HEAD)) == []  # statuses: null


def test_a_500_for_a_status_is_looked_up_before_anybody_tries_again(fake, forge):
    told = CommitStatus(context="reconciler/prod", state=StatusState.SUCCESS, description="x")
    with pytest.raises(NotFound):
        forge.set_status("0" * 40, told)
    fake.script("POST", f"{REPO}/statuses/{{sha}}", answer("err_status_nosha"))
    with pytest.raises(Retry):
        forge.set_status(HEAD, told)  # the commit is there, so the server had another reason


def test_comments_of_a_number_that_does_not_exist_are_a_500_there(forge):
    with pytest.raises(Retry) as caught:
        forge.comments(99)
    assert caught.value.reason == "ForgeUnreachable"


def test_all_recorded_comments_come_at_once(fake, forge):
    fake.script("GET", f"{REPO}/issues/{{index}}/comments", answer("comments_paged"))
    assert len(forge.comments(1)) == 5
    assert len(fake.seen) == 1


def test_an_edit_may_answer_204(fake, forge):
    fake.script("PATCH", f"{REPO}/issues/comments/{{id}}", Scripted(204))
    forge.edit(1, 3, "text")
    assert len(fake.seen) == 1


NOES = {
    "err_403_comment": ("PATCH", f"{REPO}/issues/comments/{{id}}", lambda forge: forge.edit(1, 3, "x"), 403),
    "err_403_scope": (
        "POST", f"{REPO}/issues/{{index}}/comments", lambda forge: forge.comment(1, "x"), 403,
    ),
    "err_422_empty": ("POST", f"{REPO}/issues/{{index}}/comments", lambda forge: forge.comment(1, ""), 422),
    "err_401_bad_token": ("GET", "/user", lambda forge: forge.login(), 401),
    "err_401": ("GET", "/user", lambda forge: forge.login(), 401),
    "err_git_refs_post": ("PATCH", f"{REPO}/pulls/{{index}}", lambda forge: forge.close_pull(1), 405),
    "err_pull_no_diff": (
        "POST", f"{REPO}/pulls", lambda forge: forge.open_pull(head="x", base="main", title="t", body="b"), 422,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOES)
def test_a_recorded_no_is_refused_with_its_words(name, fake, forge):
    method, template, call, status = NOES[name]
    fake.add()
    fake.script(method, template, answer(name))
    with pytest.raises(Rejected) as caught:
        call(forge)
    assert caught.value.status == status
    body = gitea(name)["body"]
    assert (
        (body or {}).get("message", "no reason given") in str(caught.value) if isinstance(body, dict | None) else True
    )
    assert "swagger" not in str(caught.value)


def test_a_missing_head_is_not_found(forge):
    with pytest.raises(NotFound):
        forge.open_pull(head="nope", base="main", title="t", body="b")


def test_a_404_may_be_plain_text(fake, forge):
    fake.script("GET", f"{REPO}/pulls/{{index}}", answer("err_rate_limit"))
    with pytest.raises(NotFound, match="404 page not found"):
        forge.pull(1)


def test_a_token_that_may_not_ask_who_it_is_has_no_name(fake, forge):
    fake.script("GET", "/user", Scripted(403, {"message": "token does not have at least one of required scope(s)"}))
    assert forge.login() == ""
    assert forge.login() == "reconciler-bot"  # it was given the right since


def test_a_change_in_the_second_of_the_last_poll_is_not_lost(fake, forge):
    fake.add()
    forge.pulls()  # in the second in which it was made
    fake.pulls[1].head = sha("pushed in the same second")
    assert forge.pulls()[0].head == sha("pushed in the same second")


def test_a_server_without_totals_is_read_whole_each_time(fake, forge):
    fake.add()
    fake.tick()
    body = [fake.pull_json(fake.pulls[1])]
    fake.script("GET", f"{REPO}/pulls", *[Scripted(200, body)] * 4)
    assert [len(forge.pulls()), len(forge.pulls())] == [1, 1]
    assert len(fake.seen) == 4


def test_a_version_that_ignores_the_base_branch_is_filtered_here(fake, forge):
    fake.add(base="develop")
    fake.add()
    fake.merge(1, START + timedelta(hours=1))
    both = [fake.pull_json(pull) for pull in fake.pulls.values()]
    fake.script("GET", f"{REPO}/pulls", Scripted(200, both), Scripted(200, both), Scripted(200, both))
    assert [pull.number for pull in forge.pulls()] == [2]
    assert list(forge.merged_since(START)) == []


def test_the_next_page_is_asked_from_us_though_the_server_thinks_it_is_elsewhere(fake, forge):
    page = recorded("gitea/recorded/pulls_paged.json")["response"]
    fake.script("GET", f"{REPO}/pulls", Scripted(200, page["body"], page["headers"]))
    list(forge.merged_since(START))
    assert fake.seen[1].path == "/api/v1/repos/acme/models/pulls"
    assert fake.seen[1].query == {"limit": "3", "page": "3", "state": "all"}


def test_another_refusal_to_close_an_open_one_stays_a_refusal(fake, forge):
    fake.add()
    fake.script("PATCH", f"{REPO}/pulls/{{index}}", Scripted(403, None))
    with pytest.raises(Refused, match="no reason given"):
        forge.close_pull(1)
