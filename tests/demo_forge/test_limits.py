"""GitHub's limits when they are enforced, and what the forge can be told to do wrong."""

import time

import httpx
import pytest

from reconciler.demo.forge.limits import HOUR, PRIMARY, Limits
from reconciler.demo.forge.messages import ForgeError


def refused(limits, method, now):
    with pytest.raises(ForgeError) as error:
        limits.take("ada", method, now)
    return error.value


def test_the_eighty_first_write_of_a_minute_waits():
    limits = Limits(strict=True)
    for number in range(80):
        limits.take("ada", "POST", 1000.0 + number * 0.1)
    error = refused(limits, "PATCH", 1010.0)
    assert error.status == 403
    assert "secondary rate limit" in error.message
    assert error.headers == {"Retry-After": "51"}
    limits.take("ada", "GET", 1010.0)
    limits.take("bo", "POST", 1010.0)
    limits.take("ada", "POST", 1010.0 + 51)


def test_the_five_hundred_and_first_write_of_an_hour_waits():
    limits = Limits(strict=True)
    for number in range(500):
        limits.take("ada", "POST", 1000.0 + number)
    assert int(refused(limits, "POST", 1600.0).headers["Retry-After"]) == pytest.approx(HOUR - 600, abs=2)
    limits.take("ada", "POST", 1001.0 + HOUR)


def test_five_thousand_requests_are_an_hours_and_304_gives_back():
    limits = Limits(strict=True)
    for _ in range(PRIMARY):
        limits.take("ada", "GET", 1000.0)
    error = refused(limits, "GET", 1001.0)
    assert (error.status, error.message) == (403, "API rate limit exceeded for user ada.")
    assert limits.headers("ada", 1001.0)["X-RateLimit-Remaining"] == "0"
    limits.give_back("ada")
    limits.take("ada", "GET", 1002.0)
    assert limits.headers("ada", 1002.0)["X-RateLimit-Reset"] == str(1000 + HOUR)
    limits.take("ada", "GET", 1000.0 + HOUR)


def test_limits_are_only_counted_when_not_strict():
    limits = Limits(strict=False)
    for _ in range(PRIMARY + 10):
        limits.take("ada", "POST", 1000.0)
    assert limits.left("ada", 1000.0) == {"limit": PRIMARY, "used": PRIMARY + 10, "remaining": 0, "reset": 1000 + HOUR}


def test_a_strict_forge_says_so_over_http(repo, start, client):
    ada = client(start(strict=True), "ada")
    repo.branch("promote", {"a": b"a"})
    ada.post("pulls", head="promote", base="main", title="A")
    answers = [ada.post("issues/1/comments", body=f"{number}") for number in range(80)]
    assert [answer.status_code for answer in answers] == [201] * 79 + [403]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 61
    assert "secondary rate limit" in answers[-1].json()["message"]
    assert ada.get("pulls/1").json()["comments"] == 79


def posts(request):
    return request.method == "POST"


@pytest.mark.usefixtures("opened")
def test_an_answer_may_be_lost_after_the_work(forge, ada):
    forge.faults.status, forge.faults.late, forge.faults.matches, forge.faults.remaining = 502, True, posts, 1
    assert ada.post("issues/1/comments", body="once").status_code == 502
    assert [one["body"] for one in ada.get("issues/1/comments").json()] == ["once"]
    assert ada.post("issues/1/comments", body="twice").status_code == 201


@pytest.mark.usefixtures("opened")
def test_an_answer_may_come_instead_of_the_work(forge, ada):
    forge.faults.status, forge.faults.matches = 503, posts
    assert ada.post("issues/1/comments", body="never").status_code == 503
    forge.faults.clear()
    assert ada.get("issues/1/comments").json() == []


@pytest.mark.parametrize(("fault", "done"), [("drop", []), ("lose", ["cut"])])
@pytest.mark.usefixtures("opened")
def test_a_connection_may_be_cut_before_the_work_or_after(fault, done, forge, ada):
    setattr(forge.faults, fault, True)
    forge.faults.matches = posts
    with pytest.raises(httpx.RemoteProtocolError):
        ada.post("issues/1/comments", body="cut")
    assert [one["body"] for one in ada.get("issues/1/comments").json()] == done


@pytest.mark.usefixtures("opened")
def test_an_answer_may_be_slow(forge, ada):
    forge.faults.latency = 0.3
    began = time.monotonic()
    assert ada.get("pulls").status_code == 200
    assert time.monotonic() - began >= 0.3
