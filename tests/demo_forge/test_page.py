"""The page as a browser without scripts uses it: forms, cookies, and what is refused."""

import html
import re
from collections.abc import Iterator

import httpx
import pytest

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


class Browser:
    """Follows nothing by itself; sends the forms that a page has."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.http = httpx.Client(base_url=address, trust_env=False, timeout=20)
        self.page = ""

    def open(self, path: str) -> str:
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        self.page = answer.text
        return self.page

    def csrf(self) -> str:
        return re.search(r'name="csrf" value="([0-9a-f]+)"', self.page)[1]

    def send(self, path: str, **fields: str) -> httpx.Response:
        answer = self.http.post(path, data={"csrf": self.csrf(), **fields})
        if answer.status_code == 303:
            self.open(answer.headers["location"])
        return answer

    def be(self, login: str) -> None:
        assert self.send("/login", login=login, back="/acme/models/pulls").status_code == 303
        assert f'<option value="{html.escape(login)}" selected>' in self.page


@pytest.fixture
def browser(forge) -> Iterator[Browser]:
    found = Browser(forge.address)
    yield found
    found.http.close()


PULLS, ONE = "/acme/models/pulls", "/acme/models/pull/1"


@pytest.mark.parametrize("way", ["merge", "squash", "rebase"])
def test_a_pull_request_from_opening_to_merge(way, repo, browser, ada):
    sha = repo.branch("promote", {"releases/prod/fraud.yaml": b"version: 1.4.0\n"})
    assert "None is open." in browser.open(PULLS)
    browser.be("ada")
    answer = browser.send(PULLS, head="promote", title="Promote fraud 1.4.0", body="one\r\n\r\n**two**")
    assert answer.headers["location"] == ONE
    assert "<strong>two</strong>" in browser.page
    assert '<span class="del">-version: 1.3.0\n</span><span class="add">+version: 1.4.0\n</span>' in browser.page
    browser.send(f"{ONE}/comment", body="| a |\r\n|---|\r\n| 1 |")
    assert "<td>1</td>" in browser.page
    assert ada.get("issues/1/comments").json()[0]["body"] == "| a |\n|---|\n| 1 |"
    refused = browser.send(f"{ONE}/review", event="APPROVE", commit=sha)
    assert refused.status_code == 422
    assert "Can not approve your own pull request" in refused.text
    browser.be("bo")
    browser.open(ONE)
    ada.post(f"statuses/{sha}", state="success", context="reconciler/prod", description="promotes <1>")
    assert browser.send(f"{ONE}/review", event="APPROVE", body="fine", commit=sha).status_code == 303
    assert "reconciler/prod" in browser.page
    assert "promotes &lt;1&gt;" in browser.page
    assert browser.send(f"{ONE}/merge", way=way, sha=sha).status_code == 303
    assert "merged this as" in browser.page
    assert repo.content("main", "releases/prod/fraud.yaml") == b"version: 1.4.0\n"
    browser.send(f"{ONE}/delete-branch")
    assert "Delete the branch" not in browser.page
    assert repo.sha("refs/heads/promote") == ""
    assert "Promote fraud 1.4.0" in browser.open(f"{PULLS}?state=merged")


@pytest.mark.usefixtures("opened")
def test_closing_with_a_word_and_opening_again(browser, ada):
    browser.open(ONE)
    browser.send(f"{ONE}/close", body="superseded")
    assert "Closed without a merge" in browser.page
    assert "superseded" in browser.page
    assert "Promote" in browser.open(f"{PULLS}?state=closed")
    browser.send(f"{ONE}/reopen")
    assert ada.get("pulls/1").json()["state"] == "open"


@pytest.mark.usefixtures("opened")
def test_what_is_refused_is_said_and_nobody_types_it_twice(repo, browser):
    browser.open(PULLS)
    answer = browser.send(PULLS, head="promote", title="Again", body="long text")
    assert answer.status_code == 422
    assert "A pull request already exists for acme:promote." in answer.text
    assert "long text" in answer.text
    repo.branch("other", {"releases/prod/fraud.yaml": b"version: 1.5.0\n"})
    repo.git("push", "-q", "origin", "other:main")
    assert "has conflicts" in browser.open(ONE)
    assert browser.send(f"{ONE}/merge", way="squash").status_code == 405
    eve = browser.send("/login", login="eve", back=ONE)
    assert eve.headers["location"] == ONE
    assert browser.send(f"{ONE}/close").status_code == 403


def test_what_somebody_typed_is_inert_everywhere(repo, ada, browser):
    branch = "<script>alert(1)</script>"  # git takes it
    repo.branch(branch, {'"><script>alert(1)</script>': b"<script>alert(1)</script>\n"})
    answer = ada.post("pulls", head=branch, base="main", title=HOSTILE, body=HOSTILE)
    assert answer.status_code == 201
    sha = answer.json()["head"]["sha"]
    ada.post("issues/1/comments", body=f"{HOSTILE} @team [x](javascript:alert(1))")
    ada.post("pulls/1/reviews", event="COMMENT", body=HOSTILE)
    ada.post(f"statuses/{sha}", state="failure", context=HOSTILE, description=HOSTILE)
    for path in (PULLS, ONE):
        page = browser.open(path)
        assert "<script" not in page
        assert "<img" not in page
        assert "javascript:" not in page.replace("[x](javascript:alert(1))", "")
        assert html.escape(HOSTILE) in page
    assert ada.get(f"git/ref/heads/{branch}").json()["ref"] == f"refs/heads/{branch}"
    assert ada.ask("PUT", "pulls/1/merge", {"merge_method": "squash"}).status_code == 200
    browser.open(ONE)
    browser.send(f"{ONE}/delete-branch")
    assert repo.sha(f"refs/heads/{branch}") == ""


# --- what is not a form of ours


@pytest.mark.usefixtures("opened")
def test_a_form_needs_the_token_of_its_session(browser, forge, ada):
    browser.open(ONE)
    token = browser.csrf()
    for csrf in ("", "0" * 64):
        answer = browser.http.post(f"{ONE}/close", data={"csrf": csrf})
        assert answer.status_code == 403
    with httpx.Client(base_url=forge.address, trust_env=False) as other:
        assert other.post(f"{ONE}/close", data={"csrf": token}).status_code == 403
    assert browser.http.post(f"{ONE}/close", json={"csrf": token}).status_code == 405
    assert browser.http.put(f"{ONE}/close", data={"csrf": token}).status_code == 405
    assert ada.get("pulls/1").json()["state"] == "open"
    assert browser.http.post(f"{ONE}/close", data={"csrf": token}).status_code == 303


HOSTS = {
    "127.0.0.1": 200, "localhost:8080": 200, "[::1]:1": 200, "evil.example": 403, "127.0.0.1.evil.example": 403,
    "": 403, "[": 403, "192.0.2.1": 403,
}  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.usefixtures("opened")
def test_the_host_is_this_machine(host, browser, ada):
    assert browser.http.get(PULLS, headers={"Host": host}).status_code == HOSTS[host]
    api = ada._http.get(f"{browser.address}/api/v3/user", headers={"Host": host})
    assert api.status_code == HOSTS[host]


@pytest.mark.usefixtures("opened")
def test_every_answer_is_guarded_and_says_that_this_is_a_demo(browser):
    for path in ("/", PULLS, ONE, "/nowhere", "/style.css"):
        answer = browser.http.get(path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; form-action 'self'")
        assert "script-src" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in answer.headers
    cookie = browser.http.get(PULLS).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "you may be anybody" in browser.open(PULLS)
    assert browser.http.get("/nowhere").status_code == 404


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil.example", "/login", f"{PULLS}\r\nX: y", ""]
)
def test_nothing_that_was_typed_is_redirected_to(back, browser):
    browser.open(PULLS)
    answer = browser.http.post("/login", data={"csrf": browser.csrf(), "login": "bo", "back": back})
    assert (answer.status_code, answer.headers["location"]) == (303, PULLS)
    assert "x" not in answer.headers


def test_one_is_only_somebody_who_is_known(browser):
    browser.open(PULLS)
    assert browser.send("/login", login="mallory", back=PULLS).status_code == 422
    browser.http.cookies.clear()
    browser.http.cookies.set("login", "mallory")
    browser.http.cookies.set("session", "<script>")
    page = browser.open(PULLS)
    assert "mallory" not in page
    assert re.fullmatch(r"[\w-]{20,64}", browser.http.cookies.get("session", domain="127.0.0.1"))


def test_a_form_that_cannot_be_read_is_refused(browser):
    browser.open(PULLS)
    many = "&".join(f"a{number}=1" for number in range(100))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert browser.http.post(PULLS, content=many, headers=headers).status_code == 400
    assert browser.http.post(PULLS, content=b"\xff", headers=headers).status_code == 400
