"""What only GitHub does: votes, the cap on statuses, its ways to say that it is enough, and Apps."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from forge_fake import START, Scripted, sha

from reconciler.edges.forge.github_app import AppKey
from reconciler.errors import Refused, Retry
from reconciler.model.pull import CommitStatus, Opinion, StatusState

PULLS = "/repos/{owner}/{repo}/pulls"
HEAD = sha("head 1")
TOLD = CommitStatus(context="reconciler/prod", state=StatusState.SUCCESS, description="done")


@pytest.fixture
def fake(start):
    return start("github")


@pytest.fixture
def forge(fake, connect):
    return connect(fake)


def vote(fake, login, state, association="MEMBER"):
    number = fake.next_id()
    review = {"id": number, "login": login, "state": state, "commit": HEAD, "as": association}
    fake.reviews.setdefault(1, []).append(review)


VOTES = {
    "an approval": (["APPROVED"], Opinion.APPROVE, True),
    "a rejection": (["CHANGES_REQUESTED"], Opinion.REJECT, True),
    "the later vote": (["CHANGES_REQUESTED", "APPROVED"], Opinion.APPROVE, True),
    "a remark replaces no vote": (["APPROVED", "COMMENTED"], Opinion.APPROVE, True),
    "a remark alone is none": (["COMMENTED"], Opinion.OTHER, True),
    "a vote after a remark": (["COMMENTED", "APPROVED"], Opinion.APPROVE, True),
    "a dismissed one does not count": (["DISMISSED"], Opinion.OTHER, False),
    "nor does what was before it": (["APPROVED", "DISMISSED", "COMMENTED"], Opinion.OTHER, False),
    "what was not sent is nothing": (["APPROVED", "PENDING"], Opinion.APPROVE, True),
}


@pytest.mark.parametrize("case", VOTES)
def test_the_latest_vote_of_a_person_is_what_they_say(case, fake, forge):
    states, opinion, counts = VOTES[case]
    for state in states:
        vote(fake, "bob", state)
    (review,) = forge.reviews(1)
    assert (review.login, review.opinion, review.counts, review.commit) == ("bob", opinion, counts, HEAD)
    assert review.at is not None


@pytest.mark.parametrize(
    ("association", "counts"),
    [("OWNER", True), ("MEMBER", True), ("COLLABORATOR", True), ("CONTRIBUTOR", False), ("NONE", False)],
)
def test_a_vote_counts_by_who_may_write(association, counts, fake, forge):
    vote(fake, "mallory", "APPROVED", association)
    assert [review.counts for review in forge.reviews(1)] == [counts]


def test_each_person_has_one_review_and_a_lost_account_is_a_ghost(fake, forge):
    for login in ("bob", "carol", "ghost"):
        vote(fake, login, "APPROVED")
    assert [review.login for review in forge.reviews(1)] == ["bob", "carol", "ghost"]


def test_the_cap_on_statuses_counts_as_done(fake, forge):
    fake.statuses[HEAD] = [{"context": "reconciler/prod"}] * 1000
    forge.set_status(HEAD, TOLD)
    assert fake.seen[-1].answered == 422
    assert len(fake.statuses[HEAD]) == 1000


def test_another_422_of_a_status_is_refused(fake, forge):
    invalid = fake.invalid("Status", "context is too long")
    fake.script("POST", "/repos/{owner}/{repo}/statuses/{sha}", Scripted(422, invalid))
    with pytest.raises(Refused, match="context is too long"):
        forge.set_status(HEAD, TOLD)


def test_a_comment_that_is_too_long_is_refused_in_githubs_words(forge):
    with pytest.raises(Refused, match="maximum is 65536 characters"):
        forge.comment(1, "x" * 65_537)


SECONDARY = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}


def test_a_secondary_limit_without_a_time_is_a_minute_and_longer_each_time(fake, forge, monkeypatch):
    now = 1000.0
    monkeypatch.setattr("reconciler.edges.forge.pace.time.monotonic", lambda: now)
    for seconds in (60, 120, 240):
        fake.script("GET", PULLS, Scripted(403, SECONDARY))
        with pytest.raises(Retry, match="secondary rate limit") as caught:
            forge.pulls()
        assert (caught.value.reason, caught.value.after) == ("ForgeLimited", seconds)
        now += seconds + 1
    assert forge.pulls() == ()


def test_a_secondary_limit_with_a_time_is_that_time(fake, forge):
    fake.script("POST", "/repos/{owner}/{repo}/issues/{issue_number}/comments",
                Scripted(403, SECONDARY, {"Retry-After": "17"}))  # fmt: skip
    with pytest.raises(Retry) as caught:
        forge.comment(1, "plan")
    assert (caught.value.reason, caught.value.after) == ("ForgeLimited", 17)


def test_a_spent_quota_is_waited_for_before_github_says_no(fake, forge):
    reset = str(int(START.timestamp()) + 600)
    fake.extra = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    assert forge.pulls() == ()
    with pytest.raises(Retry) as caught:
        forge.pulls()
    assert caught.value.reason == "ForgeLimited"
    assert caught.value.after == pytest.approx(601, abs=2)
    assert len(fake.seen) == 1


def test_a_403_that_is_no_limit_is_a_refusal(fake, forge):
    said = {"message": "Resource not accessible by personal access token"}
    fake.script("GET", PULLS, Scripted(403, said, {"X-RateLimit-Remaining": "4999"}))
    with pytest.raises(Refused, match="not accessible"):
        forge.pulls()
    assert forge.pulls() == ()


def test_a_new_token_forgets_the_tags_of_the_old_one(fake, connect):
    token = [fake.token]
    forge = connect(fake, token=lambda: token[0])
    forge.pulls()
    fake.token = token[0] = "canary-token-rotated"
    forge.pulls()
    assert [one.answered for one in fake.seen] == [200, 200]
    assert "if-none-match" not in fake.seen[1].headers


def test_a_token_that_may_not_ask_who_it_is_has_no_name_and_a_bad_one_is_refused(fake, forge):
    fake.script(
        "GET", "/user", Scripted(403, {"message": "Resource not accessible"}), Scripted(401, {"message": "Bad"})
    )
    assert forge.login() == ""
    with pytest.raises(Refused, match="Bad"):
        forge.login()


def test_a_status_that_github_refuses_otherwise_and_a_pull_request_that_stays_open_are_refusals(fake, forge):
    fake.add()
    fake.script("POST", "/repos/{owner}/{repo}/statuses/{sha}", Scripted(403, {"message": "no right"}))
    with pytest.raises(Refused, match="no right"):
        forge.set_status(HEAD, TOLD)
    fake.script("PATCH", "/repos/{owner}/{repo}/pulls/{pull_number}", Scripted(403, {"message": "no right"}))
    with pytest.raises(Refused, match="no right"):
        forge.close_pull(1)


# Apps.


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


@pytest.fixture
def app_forge(fake, connect, key):
    fake.app_key = key.public_key()
    fake.app_expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    return connect(fake, app=AppKey(id=1, installation=42, key=lambda: pem(key)))


def test_an_app_speaks_with_the_token_of_its_installation(fake, app_forge):
    fake.add()
    assert len(app_forge.pulls()) == 1
    app_forge.comment(1, "the plan")
    asked = fake.asked("POST")[0]
    assert (asked.path, asked.body) == ("/api/v3/app/installations/42/access_tokens", {"repositories": ["models"]})
    assert fake.claims["iss"] == "1"
    assert fake.claims["exp"] - fake.claims["iat"] <= 600
    assert fake.app_tokens == 1  # asked once, used twice


def test_an_app_is_known_as_its_bot(fake, app_forge):
    assert [app_forge.login(), app_forge.login()] == ["reconciler[bot]", "reconciler[bot]"]
    assert [one.path for one in fake.seen] == ["/api/v3/app"]


def test_a_token_is_renewed_before_it_expires_and_its_tags_go_with_it(fake, app_forge):
    fake.app_expires = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
    app_forge.pulls()
    app_forge.pulls()
    assert fake.app_tokens == 2
    assert [one.answered for one in fake.asked("GET")] == [200, 200]


def test_a_token_that_github_takes_no_more_is_asked_for_anew(fake, app_forge):
    app_forge.pulls()
    fake.token = "revoked"
    with pytest.raises(Refused):
        app_forge.pulls()
    assert app_forge.pulls() == ()
    assert fake.app_tokens == 2


@pytest.mark.parametrize(
    "content",
    [b"", b"no key", pem(ec.generate_private_key(ec.SECP256R1()))],
    ids=["nothing", "no key", "an elliptic one"],
)
def test_a_key_that_is_none_is_refused_without_showing_it(content, fake, connect):
    forge = connect(fake, app=AppKey(id=7, installation=42, key=lambda: content))
    with pytest.raises(Refused, match="private key of the GitHub App 7 is not an RSA key in PEM") as caught:
        forge.pulls()
    assert "BEGIN" not in str(caught.value)
    assert fake.seen == []


def test_no_error_shows_an_apps_token_or_its_word(fake, app_forge, caplog, monkeypatch):
    now = datetime.now(UTC).timestamp()
    monkeypatch.setattr("reconciler.edges.forge.github_app.time", SimpleNamespace(time=lambda: now))  # the same word
    tokens = "/app/installations/{installation_id}/access_tokens"
    app_forge.login()
    word = fake.seen[-1].headers["authorization"].removeprefix("Bearer ")
    shown = []
    with caplog.at_level("DEBUG"):
        fake.script("POST", tokens, Scripted(401, {"message": f"bad {word}"}))
        fake.script("GET", PULLS, Scripted(422, {"message": "bad ghs_canary-installation-token-1"}))
        for _ in range(2):
            with pytest.raises(Refused) as caught:
                app_forge.pulls()
            shown += [str(caught.value), repr(caught.value), caught.value.hint]
    told = "\n".join([*shown, caplog.text, repr(app_forge)])
    assert "bad ***" in told
    assert "canary" not in told
    assert word.rpartition(".")[2] not in told
