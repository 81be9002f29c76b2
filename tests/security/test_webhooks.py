"""Webhooks while running: whoever knows the secret can make us look, and nobody can make us do more than that."""

import hashlib
import hmac
import http.client
import re
import socket
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from stage_lab import Lab, lab, settle

_SECRET = b"hook-secret"


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A daemon that polls once in five minutes and takes GitHub's deliveries."""
    with lab(tmp_path_factory.mktemp("webhooks") / "acme", poll="300s") as made:
        made.recorded()
        made.stage.stop_daemon()
        secret = made.folder / "keys" / "hook"
        secret.touch(mode=0o600)
        secret.write_bytes(_SECRET)
        settings = made.organisation.settings
        token = made.folder / "keys" / "token"
        token.touch(mode=0o600)
        token.write_text("token\n")
        forge = (
            "    forge: {type: github, url: 'http://127.0.0.1:9', project: acme/models, "
            "tokenFile: keys/token, webhook: {secretFile: keys/hook}}\n"
        )
        text = settings.read_text().replace("    trust: trust.yaml\n", f"    trust: trust.yaml\n{forge}")
        settings.write_text(re.sub(r"listen: \{", f'listen: {{web: "127.0.0.1:{_free()}", ', text))
        made.stage.start_daemon()
        made.wait("webhooks are taken", lambda: deliver(made, b"{}") == 202)
        yield made
        assert "Traceback" not in made.log()


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _web(acme: Lab) -> int:
    found = re.search(r'web: "127\.0\.0\.1:([0-9]+)"', acme.organisation.settings.read_text())
    assert found
    return int(found[1])


def polls(acme: Lab) -> float:
    """How often it looked."""
    address = re.findall(r'"metrics":"(127[0-9.:]+)"', acme.log())[-1]
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        page = answer.read().decode()
    return sum(float(row.rsplit(" ", 1)[1]) for row in page.splitlines() if row.startswith("reconciler_polls_total{"))


def deliver(acme: Lab, body: bytes, *, secret: bytes = _SECRET) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", _web(acme), timeout=20)
    digest = hmac.new(secret, body, hashlib.sha256).hexdigest()
    try:
        headers = {"X-Hub-Signature-256": f"sha256={digest}"}
        connection.request("POST", f"/webhooks/{acme.organisation.repository}", body=body, headers=headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0  # hung up on: too many at one time, or too much
    finally:
        connection.close()


@pytest.mark.slow
def test_a_webhook_flood_is_coalesced_into_few_polls(acme):
    settle(0.5)
    before = polls(acme)
    with ThreadPoolExecutor(32) as many:
        answers = list(many.map(lambda number: deliver(acme, b"%d" % number), range(400)))
    assert set(answers) <= {0, 202}
    assert answers.count(202) >= 8
    settle(1)
    assert 1 <= polls(acme) - before <= 100, "a poll that runs takes all hints of its time with it"


@pytest.mark.slow
def test_a_50_mb_body_or_a_bad_signature_makes_nobody_look(acme):
    settle(1)
    before = polls(acme)
    assert deliver(acme, b"x" * (50 * 1024 * 1024)) in (0, 413)
    assert deliver(acme, b"{}", secret=b"guessed") == 401
    settle(0.5)
    assert polls(acme) == before


@pytest.mark.slow
def test_a_delivery_makes_a_push_seen_long_before_the_poll(acme):
    acme.organisation.checkout.push()
    assert deliver(acme, b"{}") == 202
    acme.release("1.4.0")
    assert deliver(acme, b"{}") == 202
    acme.serves("1.4.0")
