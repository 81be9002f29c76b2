"""Every call once as it is meant, and as it is refused. The client checks each answer against the description."""

import pytest
from forge_description import ABSENT, description

CALLS = {
    "/user", "/rate_limit", "/repos/{owner}/{repo}", "/repos/{owner}/{repo}/collaborators/{username}/permission",
    "/repos/{owner}/{repo}/pulls", "/repos/{owner}/{repo}/pulls/{pull_number}",
    "/repos/{owner}/{repo}/pulls/{pull_number}/files", "/repos/{owner}/{repo}/pulls/{pull_number}/commits",
    "/repos/{owner}/{repo}/pulls/{pull_number}/reviews", "/repos/{owner}/{repo}/pulls/{pull_number}/merge",
    "/repos/{owner}/{repo}/issues/{issue_number}/comments", "/repos/{owner}/{repo}/issues/comments/{comment_id}",
    "/repos/{owner}/{repo}/statuses/{sha}", "/repos/{owner}/{repo}/commits/{ref}/status",
    "/repos/{owner}/{repo}/commits/{ref}/statuses", "/repos/{owner}/{repo}/commits/{ref}",
    "/repos/{owner}/{repo}/commits/{commit_sha}/pulls", "/repos/{owner}/{repo}/git/ref/{ref}",
    "/repos/{owner}/{repo}/git/refs/{ref}",
}  # fmt: skip


@pytest.mark.usefixtures("repo")
def test_every_answer_is_as_published(opened, ada, bo):
    published = description()
    if published is None:
        pytest.skip(ABSENT)
    published.seen.clear()
    sha = opened["head"]["sha"]
    said = bo.post("issues/1/comments", body="**hello**").json()
    bo.post("pulls/1/reviews", event="APPROVE", body="fine")
    bo.post(f"statuses/{sha}", state="success", context="reconciler/prod", target_url="https://acme.example/1")
    good = [
        "/user", "/rate_limit", "", "collaborators/bo/permission", "pulls", "pulls?state=all", "pulls/1",
        "pulls/1/files", "pulls/1/commits", "pulls/1/reviews", "issues/1/comments", f"issues/comments/{said['id']}",
        f"commits/{sha}/status", f"commits/{sha}/statuses", "commits/heads/promote/status", f"commits/{sha}",
        f"commits/{sha}/pulls", "git/ref/heads/main", "git/ref/pull/1/head",
    ]  # fmt: skip
    assert [ada.get(path).status_code for path in good] == [200] * len(good)
    assert ada.get("pulls/1/merge").status_code == 404
    assert ada.ask("PATCH", f"issues/comments/{said['id']}", {"body": "hello"}).status_code == 200
    assert ada.ask("PATCH", "pulls/1", {"title": "Promote fraud"}).status_code == 200
    assert ada.ask("PUT", "pulls/1/merge", {"sha": sha}).status_code == 200
    assert ada.get("pulls/1/merge").status_code == 204
    assert ada.get("pulls/1").json()["merged_by"]["login"] == "ada"
    assert ada.ask("DELETE", "git/refs/heads/promote").status_code == 204
    assert ada.ask("DELETE", f"issues/comments/{said['id']}").status_code == 204
    assert {template for _, template, _ in published.seen} == CALLS


REFUSED = {
    "an unknown pull request": ("GET", "pulls/77", None, 404),
    "its comments": ("GET", "issues/77/comments", None, 404),
    "a comment on it": ("POST", "issues/77/comments", {"body": "x"}, 404),
    "an unknown comment": ("PATCH", "issues/comments/77", {"body": "x"}, 404),
    "an unknown ref": ("GET", "git/ref/heads/none", None, 404),
    "an unknown branch deleted": ("DELETE", "git/refs/heads/none", None, 422),
    "the trunk deleted": ("DELETE", "git/refs/heads/main", None, 422),
    "statuses of an unknown commit": ("GET", f"commits/{'0' * 40}/status", None, 404),
    "a state that is none": ("GET", "pulls?state=merged", None, 422),
    "an unknown way to merge": ("PUT", "pulls/1/merge", {"merge_method": "octopus"}, 422),
    "another repository": ("GET", "/repos/acme/other", None, 404),
    "an unknown person": ("GET", "collaborators/mallory/permission", None, 404),
    "a title that is a number": ("PATCH", "pulls/1", {"title": 5}, 422),
    "a state to change to that is none": ("PATCH", "pulls/1", {"state": "merged"}, 422),
    "an unknown call": ("GET", "secrets", None, 404),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.usefixtures("opened")
def test_refusals_are_as_published(case, ada):
    method, path, body, status = REFUSED[case]
    answer = ada.ask(method, path, body)
    assert answer.status_code == status
    assert answer.json()["message"]


@pytest.mark.usefixtures("forge", "opened")
def test_an_unknown_token_and_none_are_refused(ada):
    assert ada.get("pulls", Authorization="Bearer wrong").status_code == 401
    assert ada.get("pulls", Authorization="").json()["message"] == "Requires authentication"
    assert ada.get("pulls", Authorization="token t-bo").status_code == 200


@pytest.mark.usefixtures("opened")
def test_a_body_that_is_no_json_object_is_refused(forge, ada):
    answer = ada._http.post(f"{forge.api}/repos/acme/models/issues/1/comments", content=b"{")
    assert (answer.status_code, answer.json()["message"]) == (400, "Problems parsing JSON")
    assert ada.ask("POST", "issues/1/comments", ["x"]).status_code == 400


def test_what_changed_is_told_file_by_file(repo, ada):
    repo.branch(
        "many",
        {
            "README.md": b"models\nand more\n",
            "new.bin": bytes(range(256)),
            "häßlich <b>.txt": b"@@ -1 +1 @@\ndiff --git a/x b/x\n",
        },
    )
    repo.git("mv", "releases/prod/fraud.yaml", "releases/prod/renamed.yaml")
    repo.more("many", {})
    assert ada.post("pulls", head="many", base="main", title="Many").status_code == 201
    files = {one["filename"]: one for one in ada.get("pulls/1/files").json()}
    assert files["README.md"]["patch"] == "@@ -1 +1,2 @@\n models\n+and more"
    assert files["releases/prod/renamed.yaml"]["previous_filename"] == "releases/prod/fraud.yaml"
    assert files["releases/prod/renamed.yaml"]["status"] == "renamed"
    assert "patch" not in files["new.bin"]
    assert files["häßlich <b>.txt"]["patch"] == "@@ -0,0 +1,2 @@\n+@@ -1 +1 @@\n+diff --git a/x b/x"
    assert len(ada.get("pulls/1/commits").json()) == 2


def test_a_file_that_became_a_link_has_both_halves(repo, ada):
    repo.branch("link", {"z.txt": b"z\n"})
    (repo.clone.top / "README.md").unlink()
    (repo.clone.top / "README.md").symlink_to("z.txt")
    repo.more("link", {})
    ada.post("pulls", head="link", base="main", title="Link")
    files = {one["filename"]: one for one in ada.get("pulls/1/files").json()}
    assert files["README.md"]["status"] == "changed"
    assert files["z.txt"]["patch"] == "@@ -0,0 +1 @@\n+z"


@pytest.mark.usefixtures("opened")
def test_a_repository_that_is_damaged_is_500_and_a_sentence(forge, repo, ada):
    (repo.bare / "HEAD").write_text("nonsense\n")
    answer = ada.get("pulls")
    assert (answer.status_code, answer.json()["message"][:22]) == (500, "git could not do it: f")
    page = ada._http.get(f"{forge.address}/acme/models/pulls")
    assert page.status_code == 500
    assert "That did not work" in page.text
