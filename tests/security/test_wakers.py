"""What the daemon writes itself, and what others write to its ref, never makes it look."""

import re
import urllib.request
from collections.abc import Iterator

import pytest
from stage_lab import LEDGER, Lab, lab, settle


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A daemon that polls once in five minutes: what it sees sooner, it was woken for."""
    with lab(tmp_path_factory.mktemp("wakers") / "acme", poll="300s") as made:
        made.recorded()
        yield made
        assert "Traceback" not in made.log()


def polls(acme: Lab) -> float:
    """How often it looked."""
    address = re.findall(r'"metrics":"(127[0-9.:]+)"', acme.log())[-1]
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        page = answer.read().decode()
    return sum(float(row.rsplit(" ", 1)[1]) for row in page.splitlines() if row.startswith("reconciler_polls_total{"))


@pytest.mark.slow
def test_a_status_commit_never_wakes_us(acme):
    settle(0.5)
    before, rows = polls(acme), len(acme.records())
    top = acme.git("commit-tree", "-p", LEDGER, "-m", "by somebody", f"{LEDGER}^{{tree}}", at=acme.origin)
    acme.git("update-ref", LEDGER, top, at=acme.origin)
    for ref in ("refs/heads/reconciler/status", "refs/heads/other", "refs/reconciler/trunk/x", "refs/tags/main"):
        acme.git("update-ref", ref, "main", at=acme.origin)
    settle(1)
    assert polls(acme) == before
    acme.release("1.4.0")
    acme.serves("1.4.0")
    acme.recorded()
    assert len(acme.records()) > rows
    settle(1)
    assert polls(acme) <= before + 3, "one look for the push to main; its ledger made no other"
