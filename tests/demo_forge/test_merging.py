"""Merges are real: what they make of history, what they leave of signatures, and when they are refused."""

import pytest
from forge_room import SIGNATURE

from reconciler.demo.forge.repository import Repository

HOOK = "#!/bin/sh\ntouch hook-ran\n"
WAYS = {"merge": 2, "squash": 1, "rebase": 1}  # parents of the new tip


def pull_of(repo, ada, name="promote"):
    """A branch of two commits and a merge request for it, while the base has moved on elsewhere."""
    repo.branch(
        name,
        {"releases/prod/fraud.yaml": b"version: 1.4.0\n", "releases/prod/fraud.yaml.sig": SIGNATURE},
        {"notes.md": b"trailing space \r\nno newline"},
    )
    repo.branch("elsewhere", {"other.txt": b"x\n"})
    repo.git("push", "-q", "origin", "elsewhere:main")
    answer = ada.post("pulls", head=name, base="main", title="Promote fraud 1.4.0")
    assert answer.status_code == 201
    return answer.json()


@pytest.mark.parametrize("way", WAYS)
def test_each_way_keeps_every_byte_and_runs_no_hook(way, repo, ada, bo):
    pull = pull_of(repo, ada)
    for hook in ("pre-receive", "update", "post-update", "reference-transaction", "post-merge"):
        path = repo.bare / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(HOOK)
        path.chmod(0o755)
    before = repo.sha("main")
    answer = bo.ask("PUT", "pulls/1/merge", {"merge_method": way, "sha": pull["head"]["sha"]})
    assert answer.status_code == 200
    tip = answer.json()["sha"]
    assert repo.sha("main") == tip
    for path in ("releases/prod/fraud.yaml", "releases/prod/fraud.yaml.sig", "notes.md", "other.txt"):
        where = before if path == "other.txt" else pull["head"]["sha"]
        assert repo.content("main", path) == repo.content(where, path)
    assert len(repo.git("show", "-s", "--format=%P", tip, folder=repo.bare).split()) == WAYS[way]
    commits = {"merge": 3, "squash": 1, "rebase": 2}[way]
    assert repo.git("rev-list", "--count", f"{before}..main", folder=repo.bare) == str(commits)
    assert not list(repo.bare.rglob("hook-ran"))
    assert repo.git("fsck", "--strict", "--no-dangling", folder=repo.bare) == ""
    after = bo.get("pulls/1").json()
    assert (after["state"], after["merged"], after["merge_commit_sha"]) == ("closed", True, tip)


def test_a_squash_is_in_the_name_of_its_author_and_names_its_parts(repo, ada, bo):
    pull_of(repo, ada)
    bo.ask("PUT", "pulls/1/merge", {"merge_method": "squash"})
    told = repo.git("show", "-s", "--format=%an|%cn|%B", "main", folder=repo.bare)
    assert told == "Ada|bo|Promote fraud 1.4.0 (#1)\n\n* promote: part 1\n* promote: part 2"


def test_a_rebase_keeps_author_time_and_message(repo, ada, bo):
    pull = pull_of(repo, ada)
    wanted = repo.git("log", "--reverse", "--format=%an %at %B", f"main..{pull['head']['sha']}", folder=repo.bare)
    before = repo.sha("main")
    bo.ask("PUT", "pulls/1/merge", {"merge_method": "rebase"})
    assert repo.git("log", "--reverse", "--format=%an %at %B", f"{before}..main", folder=repo.bare) == wanted


def test_a_merge_commit_says_what_it_is_told(repo, ada, bo):
    pull_of(repo, ada)
    bo.ask("PUT", "pulls/1/merge", {"commit_title": "Ship it", "commit_message": "as agreed"})
    assert repo.git("show", "-s", "--format=%B", "main", folder=repo.bare) == "Ship it\n\nas agreed"


@pytest.mark.parametrize("way", WAYS)
def test_a_conflict_is_405_and_moves_nothing(way, repo, ada):
    repo.branch("promote", {"releases/prod/fraud.yaml": b"version: 1.4.0\n"})
    repo.branch("other", {"releases/prod/fraud.yaml": b"version: 1.5.0\n"})
    repo.git("push", "-q", "origin", "other:main")
    ada.post("pulls", head="promote", base="main", title="Late")
    before = repo.sha("main")
    pull = ada.get("pulls/1").json()
    assert (pull["mergeable"], pull["mergeable_state"]) == (False, "dirty")
    assert ada.ask("PUT", "pulls/1/merge", {"merge_method": way}).status_code == 405
    assert repo.sha("main") == before


def test_a_head_that_moved_is_409(repo, ada, opened):
    repo.more("promote", {"late.txt": b"x"})
    answer = ada.ask("PUT", "pulls/1/merge", {"sha": opened["head"]["sha"]})
    assert (answer.status_code, answer.json()["message"]) == (
        409, "Head branch was modified. Review and try the merge again.",
    )  # fmt: skip


def test_a_required_status_that_is_missing_is_named(repo, start, client):
    forge = start(required=["reconciler/prod"])
    ada = client(forge, "ada")
    sha = repo.branch("promote", {"a": b"a"})
    ada.post("pulls", head="promote", base="main", title="A")
    assert ada.get("pulls/1").json()["mergeable_state"] == "blocked"
    for state in ("pending", "failure"):
        ada.post(f"statuses/{sha}", state=state, context="reconciler/prod")
        answer = ada.ask("PUT", "pulls/1/merge", {})
        assert (answer.status_code, answer.json()["message"]) == (
            405, 'Required status check "reconciler/prod" is expected.',
        )  # fmt: skip
    ada.post(f"statuses/{sha}", state="success", context="Reconciler/Prod")
    assert ada.get("pulls/1").json()["mergeable_state"] == "clean"
    assert ada.ask("PUT", "pulls/1/merge", {}).status_code == 200
    assert ada.ask("PUT", "pulls/1/merge", {}).status_code == 405


def test_a_draft_is_not_merged(repo, ada):
    repo.branch("promote", {"a": b"a"})
    ada.post("pulls", head="promote", base="main", title="A", draft=True)
    assert ada.ask("PUT", "pulls/1/merge", {}).json()["message"] == "Pull Request is still a draft"


@pytest.mark.usefixtures("opened")
def test_the_head_follows_its_branch_at_once(repo, ada):
    moved = repo.more("promote", {"late.txt": b"x"})
    assert ada.get("pulls").json()[0]["head"]["sha"] == moved
    assert repo.sha("refs/pull/1/head") == moved


@pytest.mark.usefixtures("opened")
def test_the_head_follows_its_branch_when_nobody_asks(repo):
    import time

    moved = repo.more("promote", {"late.txt": b"x"})
    deadline = time.monotonic() + 20
    while repo.sha("refs/pull/1/head") != moved and time.monotonic() < deadline:
        time.sleep(0.05)
    assert repo.sha("refs/pull/1/head") == moved


@pytest.mark.usefixtures("opened")
def test_a_merge_that_was_pushed_is_seen(repo, ada):
    repo.git("push", "-q", "origin", "promote:main")
    pull = ada.get("pulls/1").json()
    assert (pull["merged"], pull["merge_commit_sha"]) == (True, repo.sha("main"))


def test_a_branch_that_goes_closes_its_pull_request_and_keeps_the_head(repo, ada, opened):
    assert ada.ask("DELETE", "git/refs/heads/promote").status_code == 204
    pull = ada.get("pulls/1").json()
    assert (pull["state"], pull["merged"], pull["head"]["ref"]) == ("closed", False, "promote")
    assert repo.sha("refs/pull/1/head") == opened["head"]["sha"]
    assert ada.ask("PATCH", "pulls/1", {"state": "open"}).status_code == 422
    repo.git("push", "-q", "origin", "promote")
    assert ada.ask("PATCH", "pulls/1", {"state": "open"}).json()["state"] == "open"


@pytest.mark.usefixtures("opened")
def test_a_branch_that_goes_back_closes_its_pull_request(repo, ada):
    repo.git("push", "-q", "-f", "origin", "origin/main:refs/heads/promote")
    pull = ada.get("pulls/1").json()
    assert (pull["state"], pull["merged"]) == ("closed", False)


def test_a_rebase_leaves_out_what_the_base_has_already(repo, ada):
    repo.branch("promote", {"a": b"a"}, {"b": b"b"})
    repo.git("checkout", "-q", "-B", "picked", "origin/main")
    repo.git("cherry-pick", "promote~1")
    repo.git("push", "-q", "origin", "picked:main")
    before = repo.sha("main")
    ada.post("pulls", head="promote", base="main", title="A")
    assert ada.ask("PUT", "pulls/1/merge", {"merge_method": "rebase"}).status_code == 200
    assert repo.git("log", "--format=%s", f"{before}..main", folder=repo.bare) == "promote: part 2"


def test_a_base_that_moves_in_this_moment_is_not_overwritten(repo, ada, opened, monkeypatch):
    moved = repo.branch("other", {"other": b"x"})
    merged_tree = Repository.merged_tree

    def then_somebody_pushes(self, ours, theirs):
        repo.git("push", "-q", "-f", "origin", "other:main")
        return merged_tree(self, ours, theirs)

    monkeypatch.setattr(Repository, "merged_tree", then_somebody_pushes)
    answer = ada.ask("PUT", "pulls/1/merge", {"sha": opened["head"]["sha"]})
    assert answer.status_code == 405
    assert answer.json()["message"] == "Base branch was modified. Review and try the merge again."
    assert repo.sha("main") == moved
