"""`approve NAME --prune`: what is shown and signed, from the ledger that the clone has."""

import subprocess

import orjson
import pytest
from cli_world import ENVIRONMENT

from reconciler.digest import pruned_of
from reconciler.model.state import PruneMark
from reconciler.trust.sshsig import read_signatures

FILE = "releases/prod/fraud.yaml"
VOTES = "approvals/prod/fraud/{}.sig"
LEDGER = "refs/remotes/origin/reconciler/ledger"
MARK = {"group": "apps", "api": "v1", "kind": "Deployment", "namespace": "fraud", "name": "fraud-0123456789"}
WAITS = {"eu-1": [{**MARK, "sequence": 3, "uid": "u", "confirm": True}]}


@pytest.fixture
def clone(signed):
    """A signed clone."""
    return signed()


def git(world, *arguments, data=b""):
    done = subprocess.run(["git", "-C", str(world.root), *arguments], input=data, capture_output=True, check=True)
    return done.stdout.decode().strip()


def ledger(world, *, environment="prod", **update):
    """What the clone remembers of the ledger: one status file."""
    data = {"environment": environment, "name": "fraud", "record": 7, "unconfirmed": WAITS, **update}
    blob = git(world, "hash-object", "-w", "--stdin", data=orjson.dumps(data))
    tree = blob
    for kind, mode, name in (
        ("blob", "100644", "fraud.json"),
        ("tree", "40000", environment),
        ("tree", "40000", "status"),
    ):
        tree = git(world, "mktree", data=f"{mode} {kind} {tree}\t{name}\n".encode())
    commit = git(world, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit-tree", tree, "-m", "ledger")
    git(world, "update-ref", LEDGER, commit)


def marks():
    return {name: [PruneMark.from_data(row) for row in rows] for name, rows in WAITS.items()}


def blocks(world, who):
    return read_signatures((world.root / VOTES.format(who)).read_bytes())


@pytest.mark.parametrize("name", ["fraud", "prod/fraud"])
@pytest.mark.parametrize("action", ["approve", "reject"])
def test_the_objects_are_shown_and_their_digest_is_signed(clone, world, name, action):
    ledger(world)
    said = clone(action, name, "--prune", who="dee")
    assert (said.code, said.err) == (0, "")
    word = {"approve": "approved", "reject": "rejected"}[action]
    assert said.out.startswith(
        f"{word} the deletion of 1 object of prod/fraud ({pruned_of(marks())[:19]}…) as dee: commit "
    )
    assert said.out.endswith("  eu-1: Deployment fraud/fraud-0123456789\n")
    (signature,) = blocks(world, "dee")
    assert signature.namespace == "reconciler-approval-v1@reconciler.dev"


def test_where_the_environment_asks_its_approvers_confirm_and_others_do_not(clone, world):
    world.write("environments/prod.yaml", ENVIRONMENT + "  approvals: {rules: [{role: risk, count: 1}]}\n")
    clone("sign", "environments/prod.yaml", who="ada")
    ledger(world)
    assert clone("approve", "fraud", "--prune", who="cy").code == 0
    said = clone("approve", "fraud", "--prune", who="dee")
    assert (said.code, "may not approve" in said.err) == (1, True)


def test_where_it_asks_nobody_only_who_may_remove_there_confirms(clone, world):
    ledger(world)
    said = clone("approve", "fraud", "--prune", who="cy")
    assert (said.code, "whose role risk may not remove in prod" in said.err) == (1, True)


def test_an_approval_of_the_release_stays_and_a_vote_on_the_same_set_is_replaced(clone, world):
    world.write("environments/prod.yaml", ENVIRONMENT + "  approvals: {rules: [{role: risk, count: 1}]}\n")
    clone("sign", "environments/prod.yaml", who="ada")
    ledger(world)
    assert clone("approve", FILE, who="cy").code == 0
    for action in ("reject", "approve", "approve"):
        assert clone(action, "fraud", "--prune", who="cy").code == 0
    assert len(blocks(world, "cy")) == 2
    assert "Approved" in clone("approvals", "prod/fraud").out


@pytest.mark.parametrize(
    ("update", "name", "code", "words"),
    [
        (None, "fraud", 1, "git fetch origin reconciler/ledger"),
        ({}, "chat", 1, "the ledger has no release 'chat'"),
        ({}, "dev/fraud", 1, "the ledger has no release 'dev/fraud'"),
        ({"unconfirmed": {}}, "fraud", 1, "nothing of prod/fraud waits to be deleted, as of record 7"),
        ({"unconfirmed": {"eu-1": [{"kind": 1}]}}, "fraud", 1, "is not a status file that the daemon wrote"),
        ({"unconfirmed": [1]}, "fraud", 1, "is not a status file that the daemon wrote"),
        ({"environment": "dev"}, "fraud", 1, "environment dev is not in force"),
    ],
)
def test_what_cannot_be_confirmed_is_told(clone, world, update, name, code, words):
    if update is not None:
        ledger(world, **update)
    said = clone("approve", name, "--prune", who="dee")
    assert said.code == code
    assert words in said.err
    assert not (world.root / "approvals").exists()
