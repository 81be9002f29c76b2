"""A forge that is slow, fails or is gone for minutes delays no release; and its token and secret are told nowhere."""

import time
from collections.abc import Iterator

import pytest
from pull_lab import PullLab, pull_lab
from stage_lab import LEDGER

from reconciler.demo.story import STAGING

pytestmark = pytest.mark.slow

TOKEN = "c4n4ry-forge-token-5f1e"
SECRET = "c4n4ry-webhook-secret-9a2b"
FAULTS = {
    "answers 502": {"status": 502},
    "answers after twenty seconds": {"latency": 20.0},
    "hangs up": {"drop": True},
}


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PullLab]:
    settings = "pace: 0s, coalesce: 1s, webhook: {secretFile: keys/hook}"
    with pull_lab(tmp_path_factory.mktemp("down") / "acme", settings=settings, token=TOKEN, hook=SECRET) as made:
        yield made
        assert "Traceback" not in made.lab.log()


def released(acme: PullLab, version: str) -> float:
    """Push a signed release to the trunk; the seconds until it serves."""
    began = time.monotonic()
    acme.lab.release(version)
    acme.lab.serves(version)
    return time.monotonic() - began


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_forge_that_is_down_delays_no_release(acme, fault):
    number = 1 + list(FAULTS.values()).index(fault)
    usual = released(acme, f"1.4.{number}0")
    head = acme.change(f"down-{number}", f"1.3.{number}", path=STAGING, who="ada")
    pull = acme.open(f"down-{number}", who="ada")
    acme.says(pull, "Merging would promote")
    for name, value in fault.items():
        setattr(acme.forge.faults, name, value)
    acme.forge.faults.matches = lambda request: TOKEN in str(request.headers)
    try:
        assert released(acme, f"1.4.{number}1") < 2 * usual + 5
    finally:
        acme.forge.faults.clear()
    assert acme.statuses(head)["reconciler/staging"][0] == "success"
    acme.ask("ada", "PATCH", f"pulls/{pull}", {"state": "closed"})


def test_a_canary_in_forge_token_and_webhook_secret_appears_in_no_comment_status_log_record_or_state(acme):
    head = acme.change("canary", "1.3.9", path=STAGING, who="ada")
    number = acme.open("canary", who="ada")
    acme.says(number, "Merging would promote")
    acme.forge.faults.status = 401
    acme.forge.faults.matches = lambda request: TOKEN in str(request.headers)
    try:
        acme.comment(number, f"what is {TOKEN[:5]}?")
        acme.lab.stage.kill_daemon()
        acme.lab.stage.start_daemon()
        acme.lab.wait("it is told", lambda: "forge not reached" in acme.lab.log())
    finally:
        acme.forge.faults.clear()
    acme.lab.stage.kill_daemon()
    acme.lab.stage.start_daemon()
    acme.merge(number, who="ada")
    acme.says(number, "is Promoted")
    acme.lab.recorded()
    said = [str(acme.comments(number)), str(acme.statuses(head)), acme.lab.log()]
    said += [acme.lab.git("log", "-p", LEDGER, at=acme.lab.origin), acme.lab.reasons("staging")]
    said += [repr(acme.lab.repository()), repr(acme.lab.ask("eu-1", "GET", "/api/v1/events"))]
    for canary in (TOKEN, SECRET):
        assert [text[max(0, text.index(canary) - 200) :][:300] for text in said if canary in text] == []
