"""What may be done, by whom, and how lists are read: each refusal with GitHub's status and words."""

import pytest
from forge_room import LOGINS

from reconciler.demo.forge.state import Status, Store
from reconciler.demo.forge.talk import STATUS_LIMIT


def told(answer):
    """The status, and the sentence of the first error, or the message."""
    body = answer.json()
    errors = body.get("errors")
    first = errors[0] if errors else body["message"]
    return answer.status_code, first if isinstance(first, str) else first.get("message") or (
        first["field"], first["code"],
    )  # fmt: skip


# --- opening

CANNOT_OPEN = {
    "one that is there": ({"head": "promote"}, "A pull request already exists for acme:promote."),
    "one that is there, by its label": ({"head": "acme:promote"}, "A pull request already exists for acme:promote."),
    "nothing new": ({"head": "main"}, "No commits between main and main"),
    "no such head": ({"head": "none"}, ("head", "invalid")),
    "no such base": ({"head": "promote", "base": "none"}, ("base", "invalid")),
    "no title": ({"head": "promote", "title": " "}, ("title", "missing_field")),
    "a title too long": ({"head": "promote", "title": "x" * 257}, "title is too long (maximum is 256 characters)"),
    "a body too long": ({"head": "promote", "body": "x" * 65537}, "body is too long (maximum is 65536 characters)"),
    "another history": ({"head": "orphan"}, "The orphan branch has no history in common with main"),
}


@pytest.mark.parametrize("case", CANNOT_OPEN)
@pytest.mark.usefixtures("opened")
def test_what_cannot_be_opened_is_422(case, repo, ada):
    alone = repo.git("commit-tree", "-m", "alone", repo.git("rev-parse", "HEAD^{tree}"))
    repo.git("push", "-q", "origin", f"{alone}:refs/heads/orphan")
    body, sentence = CANNOT_OPEN[case]
    assert told(ada.ask("POST", "pulls", {"base": "main", "title": "T", **body})) == (422, sentence)


def test_pull_requests_are_filtered_sorted_and_paged(repo, ada, bo):
    for number in range(5):
        repo.branch(f"b{number}", {f"{number}": b"x"})
        (ada if number % 2 else bo).post("pulls", head=f"b{number}", base="main", title=f"T{number}")
    ada.ask("PATCH", "pulls/2", {"state": "closed"})

    def numbers(query):
        return [pull["number"] for pull in ada.get(f"pulls?{query}").json()]

    assert numbers("") == [5, 4, 3, 1]
    assert numbers("state=closed") == [2]
    assert numbers("state=all&direction=asc") == [1, 2, 3, 4, 5]
    assert numbers("head=acme:b2") == [3]
    assert numbers("base=other") == []
    first = ada.get("pulls?state=all&sort=created&direction=asc&per_page=2")
    assert 'page=2>; rel="next"' in first.headers["link"]
    assert 'page=3>; rel="last"' in first.headers["link"]
    found, answer = [], first
    while True:
        found += [pull["number"] for pull in answer.json()]
        if "next" not in answer.links:
            break
        address = answer.links["next"]["url"]
        answer = ada.get(address.partition("/api/v3")[2])
    assert found == [1, 2, 3, 4, 5]
    assert 'rel="prev"' in answer.headers["link"]
    assert len(ada.get("pulls?state=all&per_page=1000").json()) == 5


@pytest.mark.usefixtures("opened")
def test_nothing_new_is_304_without_a_body_and_what_moves_changes_the_tag(ada, bo):
    paths = ("/user", "", "pulls", "pulls/1", "pulls/1/reviews", "issues/1/comments")
    tags = {path: ada.get(path).headers["etag"] for path in paths}
    again = {path: ada.get(path, If_None_Match=tag) for path, tag in tags.items()}
    assert {answer.status_code for answer in again.values()} == {304}
    assert all(answer.headers["etag"] == tags[path] and not answer.content for path, answer in again.items())
    assert bo.get("pulls", If_None_Match=tags["pulls"]).status_code == 200  # another's tag
    bo.post("issues/1/comments", body="new")
    assert ada.get("issues/1/comments", If_None_Match=f'"x", {tags["issues/1/comments"]}').status_code == 200


@pytest.mark.usefixtures("opened")
def test_a_304_costs_nothing_and_calls_are_counted_by_kind(forge, ada):
    first = ada.get("pulls")
    again = ada.get("pulls", If_None_Match=first.headers["etag"])
    assert again.headers["x-ratelimit-limit"] == "5000"
    assert again.headers["x-ratelimit-remaining"] == first.headers["x-ratelimit-remaining"]
    assert int(again.headers["x-ratelimit-reset"]) > 1_700_000_000
    assert ada.get("/rate_limit").json()["rate"]["remaining"] == int(first.headers["x-ratelimit-remaining"])
    assert forge.requests["pulls", 200] == 1
    assert forge.requests["pulls", 304] == 1
    assert ada._http.get(f"{forge.address}/__requests").json()["open"] == {"201": 1}
    ada._http.delete(f"{forge.address}/__requests")
    assert not forge.requests


# --- talking


@pytest.mark.usefixtures("opened")
def test_a_comment_has_a_limit_and_an_author(ada, bo, eve):
    assert told(ada.post("issues/1/comments", body=" ")) == (422, ("body", "missing_field"))
    assert ada.post("issues/1/comments", body="x" * 65_536).status_code == 201
    answer = told(ada.post("issues/1/comments", body="x" * 65_537))
    assert answer == (422, "Body is too long (maximum is 65536 characters)")
    mine = eve.post("issues/1/comments", body="mine").json()
    yours = ada.post("issues/1/comments", body="yours").json()
    assert eve.ask("PATCH", f"issues/comments/{mine['id']}", {"body": "better"}).json()["body"] == "better"
    assert eve.ask("PATCH", f"issues/comments/{yours['id']}", {"body": "x"}).status_code == 403
    assert eve.ask("DELETE", f"issues/comments/{yours['id']}").status_code == 403
    assert bo.ask("PATCH", f"issues/comments/{mine['id']}", {"body": "kept in order"}).status_code == 200
    assert [one["user"]["login"] for one in bo.get("issues/1/comments").json()] == ["ada", "eve", "ada"]


def test_reviews_are_not_of_oneself_and_say_what_was_looked_at(opened, repo, ada, bo, eve):
    sha = opened["head"]["sha"]
    assert told(ada.post("pulls/1/reviews", event="APPROVE")) == (422, "Can not approve your own pull request")
    own = told(ada.post("pulls/1/reviews", event="REQUEST_CHANGES", body="x"))
    assert own == (422, "Can not request changes on your own pull request")
    assert ada.post("pulls/1/reviews", event="COMMENT", body="look here").json()["state"] == "COMMENTED"
    assert told(bo.post("pulls/1/reviews", event="REQUEST_CHANGES")) == (422, "Body cannot be blank")
    assert bo.post("pulls/1/reviews", event="APPROVED").status_code == 422
    assert bo.post("pulls/1/reviews", event="APPROVE", commit_id="0" * 40).status_code == 422
    repo.more("promote", {"late": b"x"})
    old = bo.post("pulls/1/reviews", event="APPROVE", commit_id=sha).json()
    assert (old["state"], old["commit_id"]) == ("APPROVED", sha)
    new = eve.post("pulls/1/reviews", event="REQUEST_CHANGES", body="no").json()
    assert (new["state"], new["commit_id"]) == ("CHANGES_REQUESTED", repo.sha("promote"))
    assert (old["author_association"], new["author_association"]) == ("MEMBER", "NONE")


CANNOT_BE_A_STATUS = {
    "a state that is none": ({"state": "bogus"}, "state is not included in the list"),
    "no state": ({}, "state is not included in the list"),
    "a description too long": (
        {"state": "success", "description": "x" * 141}, "description is too long (maximum is 140 characters)",
    ),
    "an address that is none": (
        {"state": "success", "target_url": "javascript:alert(1)"}, "target_url must use http(s) scheme",
    ),
    "no context": ({"state": "success", "context": ""}, ("context", "invalid")),
}  # fmt: skip


@pytest.mark.parametrize("case", CANNOT_BE_A_STATUS)
def test_what_cannot_be_a_status_is_422(case, opened, ada):
    body, sentence = CANNOT_BE_A_STATUS[case]
    assert told(ada.ask("POST", f"statuses/{opened['head']['sha']}", body)) == (422, sentence)


@pytest.mark.usefixtures("opened")
def test_a_status_of_an_unknown_commit_is_422(ada):
    answer = ada.post(f"statuses/{'0' * 40}", state="success")
    assert (answer.status_code, answer.json()["message"]) == (422, f"No commit found for SHA: {'0' * 40}")


def test_the_newest_status_of_a_context_counts_and_all_are_kept(opened, ada):
    sha = opened["head"]["sha"]

    def combined():
        found = ada.get(f"commits/{sha}/status").json()
        return found["state"], {one["context"]: one["state"] for one in found["statuses"]}

    assert combined() == ("pending", {})
    for context, state in (("a", "failure"), ("b", "success"), ("A", "success")):
        ada.post(f"statuses/{sha}", state=state, context=context)
    assert combined() == ("success", {"A": "success", "b": "success"})
    ada.post(f"statuses/{sha}", state="error", context="b")
    assert combined()[0] == "failure"
    assert [one["context"] for one in ada.get(f"commits/{sha}/statuses").json()] == ["b", "A", "b", "a"]
    assert len(ada.get(f"commits/{sha}/status?per_page=1").json()["statuses"]) == 1


def test_a_commit_and_context_take_a_thousand_statuses(tmp_path, repo, start, client):
    sha = repo.branch("promote", {"a": b"a"})
    store = Store(tmp_path / "state")
    state = store.load()
    said = Status(
        id=1, context="full", state="pending", description="", url="", author="ada", at="2026-01-01T00:00:00Z"
    )
    state.statuses[sha] = [said] * STATUS_LIMIT
    store.save(state)
    ada = client(start(), "ada")
    answer = told(ada.post(f"statuses/{sha}", state="success", context="FULL"))
    assert answer == (422, "This SHA and context has reached the maximum number of statuses.")
    assert ada.post(f"statuses/{sha}", state="success", context="other").status_code == 201


# --- who may


def test_who_may_only_read_can_talk_and_nothing_else(opened, repo, eve):
    sha = opened["head"]["sha"]
    repo.branch("hers", {"x": b"x"})
    assert eve.post("issues/1/comments", body="hello").status_code == 201
    assert eve.get("collaborators/eve/permission").json()["permission"] == "read"
    refused = [
        ("POST", "pulls", {"head": "hers", "base": "main", "title": "T"}),
        ("PATCH", "pulls/1", {"state": "closed"}),
        ("PUT", "pulls/1/merge", {}),
        ("POST", f"statuses/{sha}", {"state": "success"}),
        ("DELETE", "git/refs/heads/hers", None),
    ]
    assert [eve.ask(*one).status_code for one in refused] == [403] * len(refused)
    assert repo.sha("hers")


@pytest.mark.usefixtures("opened")
def test_a_merged_pull_request_stays_merged(ada, bo):
    bo.ask("PUT", "pulls/1/merge", {})
    answer = ada.ask("PATCH", "pulls/1", {"state": "open"})
    assert told(answer) == (422, "state cannot be changed. The pull request is merged.")


def test_a_restart_keeps_everything(repo, start, client):
    forge = start()
    ada, bo = client(forge, "ada"), client(forge, "bo")
    sha = repo.branch("promote", {"a": b"a"})
    ada.post("pulls", head="promote", base="main", title="A", body="why")
    bo.post("issues/1/comments", body="hello")
    bo.post("pulls/1/reviews", event="APPROVE")
    bo.post(f"statuses/{sha}", state="success", context="c")
    paths = ("pulls", "issues/1/comments", "pulls/1/reviews", f"commits/{sha}/status", f"commits/{sha}/statuses")
    before = [ada.get(path).json() for path in paths]
    forge.close()
    moved = repo.more("promote", {"b": b"b"})  # while nobody looks
    again = start(port=int(forge.address.rpartition(":")[2]))
    ada = client(again, "ada")
    pull = ada.get("pulls/1").json()
    assert pull["head"]["sha"] == moved
    assert [ada.get(path).json() for path in paths[1:]] == before[1:]
    assert ada.post("issues/1/comments", body="more").json()["id"] > before[1][0]["id"]


def test_everybody_is_told_who_they_are(forge, client):
    for login in LOGINS.values():
        token = next(token for token, name in LOGINS.items() if name == login)
        found = client(forge, token.removeprefix("t-")).get("/user").json()
        assert (found["login"], found["type"]) == (login, "Bot" if login.endswith("[bot]") else "User")
