"""Who governs: which text of an environment, cluster, runtime or policy is in force, and what is said of the others."""

import pytest
from loop_acme import FRAUD, LIMIT, NOW, REPOSITORY, Published, Repo, snapshot, trust

from reconciler.errors import Refused, Stalled
from reconciler.loop.governing import govern
from reconciler.loop.statements import GOVERNING, statement_of
from reconciler.model.environment import Environment
from reconciler.trust.statement import ConfigStatement, ReleaseStatement, TrustStatement

PATH = "environments/prod.yaml"
PROD = ("Environment", "prod")
STAYS = "; the accepted text stays in force"
POLICY = b"""\
apiVersion: reconciler.dev/v1alpha1
kind: Policy
metadata: {name: owner-named}
spec:
  validations: [{expression: "'team' in release.metadata.labels", message: name a team}]
"""


def depth(found):
    return found.governed[PROD].loaded.as_(Environment).spec.rollback.depth


def changed(repo, by=""):
    repo.edit(PATH, "depth: 3", "depth: 9", by=by)


def wrong_kind(repo):
    """An unsigned merge puts a release where an environment was."""
    repo.write(PATH, repo.text("releases/prod/fraud-detector.yaml").encode())


def doubled(repo):
    repo.write("environments/again.yaml", repo.text(PATH).encode())
    repo.sign("environments/again.yaml")


def moved_unsigned(repo):
    repo.write("environments/moved.yaml", repo.text(PATH).replace("depth: 3", "depth: 9").encode())
    repo.remove(PATH)


EDITS = {
    "not signed any more": (
        lambda repo: (changed(repo), repo.files.pop(f"{PATH}.sig")),
        f"{PATH}: Environment {PATH} of {REPOSITORY} is not signed",
    ),
    "signed as it was before": (
        changed,
        "but not as it is now",
    ),
    "signed by somebody who may not": (lambda repo: changed(repo, by="ada"), "whose role science may not configure"),
    "signed with the daemon's own key": (
        lambda repo: changed(repo, by="daemon"),
        "counts for its records and can release nothing",
    ),
    "does not parse": (lambda repo: repo.write(PATH, (repo.text(PATH) + "\n  : [").encode()), f"{PATH}:"),
    "gone": (lambda repo: repo.remove(PATH), f"Environment prod is gone from {PATH} without a signed removal;"),
    "somebody else's YAML now": (
        lambda repo: repo.write(PATH, b"apiVersion: v1\nkind: Secret\n"),
        "is gone from environments/prod.yaml",
    ),
    "a release now": (wrong_kind, f"and {PATH} is now ModelRelease fraud-detector"),
    "a kind that nobody signs now": (
        lambda repo: repo.write(
            PATH,
            b"apiVersion: reconciler.dev/v1alpha1\nkind: PolicyTest\nmetadata: {name: x}\n"
            b"spec: {policy: x, cases: [{name: a, release: {}, expect: {result: pass}}]}\n",
        ),
        f"and {PATH} is now PolicyTest x",
    ),
    "declared twice": (
        doubled,
        "Environment prod is declared by environments/again.yaml and by environments/prod.yaml",
    ),
    "moved and changed without a signature": (moved_unsigned, "environments/moved.yaml: Environment"),
    "the whole trunk is empty": (lambda repo: repo.remove(*list(repo.files)), "without a signed removal"),
}


@pytest.mark.parametrize("again", [False, True], ids=["while we watch", "found at a start"])
@pytest.mark.parametrize("case", EDITS)
def test_the_accepted_text_stays_in_force(case, again):
    edit, note = EDITS[case]
    world = Published(Repo())
    before = world.publish().governed[PROD]
    accepted = world.accepted
    edit(world.repo)
    found = world.afresh(accepted) if again else world.publish()
    assert depth(found) == 3
    assert note in found.governed[PROD].note
    assert found.governed[PROD].note.endswith(STAYS)
    assert PROD not in found.refused
    assert found.accepted()[PATH].blob == before.blob
    assert {kind for kind, _ in (*found.governed, *found.refused)} <= set(GOVERNING)


@pytest.mark.parametrize("case", EDITS)
def test_what_was_accepted_returns_to_be_the_trunks_text_without_a_note(case):
    world = Published(Repo())
    world.publish()
    EDITS[case][0](world.repo)
    world.publish()
    good = Repo()
    world.repo.remove("environments/again.yaml", "environments/moved.yaml")
    world.repo.write(PATH, good.read(good.files[PATH]))  # the same bytes need no signature: they were accepted
    found = world.publish()
    assert (found.governed[PROD].note, found.governed[PROD].path) == ("", PATH)


def test_what_is_said_of_it_follows_the_trunk():
    world = Published(Repo())
    world.publish()
    notes = []
    for edit in ("does not parse", "gone", "somebody else's YAML now", "does not parse"):
        world.repo.write(PATH, Repo().text(PATH).encode())
        EDITS[edit][0](world.repo)
        found = world.publish()
        assert EDITS[edit][1] in found.governed[PROD].note
        assert FRAUD in world.last.affected or found.governed[PROD].note in notes
        notes.append(found.governed[PROD].note)


def test_a_signed_change_is_in_force_and_is_what_is_accepted_from_then_on():
    world = Published(Repo())
    world.publish()
    changed(world.repo, by="bo")
    found = world.publish()
    assert (depth(found), found.governed[PROD].note) == (9, "")
    world.repo.remove(PATH)
    assert depth(world.publish()) == 9


def test_a_document_that_moves_signed_is_accepted_at_its_new_place():
    world = Published(Repo())
    world.publish()
    world.repo.write("env/prod.yaml", world.repo.text(PATH).encode())
    world.repo.sign("env/prod.yaml")
    world.repo.remove(PATH)
    found = world.publish()
    assert (found.governed[PROD].path, found.governed[PROD].note) == ("env/prod.yaml", "")
    assert PATH not in found.accepted()


@pytest.mark.parametrize("by", ["", "ada", "daemon"], ids=["unsigned", "by another role", "by the daemon"])
def test_what_was_never_accepted_is_not_in_force(by):
    repo = Repo()
    repo.files.pop(f"{PATH}.sig")
    if by:
        repo.sign(PATH, by)
    found = snapshot(repo)
    assert PROD not in found.governed
    assert found.refused[PROD].startswith(f"{PATH}: ")
    assert PATH not in found.accepted()


def test_of_two_that_were_never_accepted_neither_is_in_force():
    repo = Repo()
    doubled(repo)
    found = snapshot(repo)
    assert PROD not in found.governed
    assert found.refused[PROD].endswith("; keep one of them")


@pytest.mark.parametrize(
    "times",
    [{"validBefore": "2026-11-01T00:00:00Z"}, {"revokedAt": "2026-11-01T00:00:00Z"}],
    ids=["expired", "revoked"],
)
def test_a_key_that_ended_stops_new_texts_and_takes_nothing_out_of_force(times):
    world = Published(Repo())
    world.publish()
    world.trust = trust(bo=times)
    assert depth(world.publish(everything=True)) == 3
    changed(world.repo, by="bo")
    found = world.publish()
    assert depth(found) == 3
    assert "whose key" in found.governed[PROD].note
    assert not Published(world.repo, trusted=world.trust).publish().governed


def test_a_new_name_in_an_accepted_file_does_not_push_the_accepted_one_out():
    """Both would stand at one path, and only one of them could be remembered."""
    world = Published(Repo())
    world.publish()
    world.repo.edit("clusters/eu-1.yaml", "name: eu-1", "name: eu-2")
    found = world.publish()
    assert set(found.documents("Cluster")) == {"eu-1", "us-1"}
    assert found.refused[("Cluster", "eu-2")] == (
        "clusters/eu-1.yaml: Cluster eu-1 was accepted from this file and is still in force; "
        "put Cluster eu-2 into a file of its own"
    )
    world.repo.write("clusters/eu-2.yaml", world.repo.text("clusters/eu-1.yaml").encode())
    world.repo.sign("clusters/eu-2.yaml")
    good = Repo()
    world.repo.write("clusters/eu-1.yaml", good.read(good.files["clusters/eu-1.yaml"]))
    assert set(world.publish().documents("Cluster")) == {"eu-1", "eu-2", "us-1"}


def test_two_documents_may_change_places():
    world = Published(Repo())
    world.publish()
    one, two = (world.repo.text(f"clusters/{name}.yaml") for name in ("eu-1", "us-1"))
    for path, text in (("clusters/eu-1.yaml", two), ("clusters/us-1.yaml", one)):
        world.repo.write(path, text.encode())
        world.repo.sign(path)
    found = world.publish()
    assert {name: row.path for name, row in found.documents("Cluster").items()} == {
        "eu-1": "clusters/us-1.yaml",
        "us-1": "clusters/eu-1.yaml",
    }
    assert found.refused == {}


@pytest.mark.parametrize("name", [" prod.yaml", "a/" * 600 + "prod.yaml"], ids=["begins with a space", "too long"])
def test_a_path_that_no_statement_can_be_made_of_stops_only_itself(name):
    world = Published(Repo())
    world.publish()
    world.repo.write(name, world.repo.text(PATH).replace("name: prod", "name: other").encode())
    found = world.publish()
    assert "No config statement can be made" in found.refused[("Environment", "other")]
    assert depth(found) == 3


@pytest.mark.parametrize(
    ("recall", "sentence"),
    [
        (lambda _: None, "cannot be read any more, so nothing new is accepted"),
        (lambda _: b"apiVersion: reconciler.dev/v1alpha1\nkind: Policy\n", "is not valid any more"),
        (lambda _: b"kind: Secret\n", "is not valid any more"),
    ],
    ids=["nobody has its bytes", "a later schema refuses them", "they are nothing of ours"],
)
def test_an_accepted_text_that_cannot_be_read_is_not_taken_for_absent(recall, sentence):
    """A policy would be gone, and what it denies would run."""
    world = Published(Repo())
    world.repo.write("policies/owner.yaml", POLICY)
    world.repo.sign("policies/owner.yaml")
    accepted = world.publish().accepted()
    with pytest.raises(Stalled, match=sentence) as caught:
        govern(REPOSITORY, (), trust(), accepted, removals={}, recall=recall, limit=LIMIT, now=NOW)
    assert caught.value.reason == "AcceptedUnreadable"


def test_a_policy_that_was_deleted_without_a_signature_still_asks():
    world = Published(Repo())
    world.repo.write("policies/owner.yaml", POLICY)
    world.repo.sign("policies/owner.yaml")
    world.publish()
    world.repo.remove("policies/owner.yaml")
    found = world.publish()
    assert found.governed[("Policy", "owner-named")].note.startswith("Policy owner-named is gone")


# --- statements


def test_every_kind_that_decides_has_its_statement():
    repo = Repo()
    found = snapshot(repo)
    release = next(iter(found.releases.values()))
    said = statement_of(REPOSITORY, release.path, release.loaded, release.sha256)
    assert isinstance(said, ReleaseStatement)
    assert f"sha256:{said.manifest_sha256}" == release.sha256
    for (kind, _), row in found.governed.items():
        said = statement_of(REPOSITORY, row.path, row.loaded, row.sha256)
        assert isinstance(said, ConfigStatement)
        assert (said.path, said.document_kind, f"sha256:{said.sha256}") == (row.path, kind, row.sha256)


def test_a_trust_file_has_a_statement_over_its_version():
    trusted = trust()
    governed = snapshot(Repo()).governed[PROD].loaded
    document = type(governed)(path="trust.yaml", kind="Trust", name="", document=trusted, positions=governed.positions)
    said = statement_of(REPOSITORY, "trust.yaml", document, "sha256:" + "a" * 64)
    assert (type(said), said.version) == (TrustStatement, 1)


def test_what_decides_nothing_has_none():
    governed = snapshot(Repo()).governed[PROD].loaded
    test = type(governed)(
        path="t.yaml", kind="PolicyTest", name="t", document=governed.document, positions=governed.positions
    )
    with pytest.raises(Refused, match="is a PolicyTest, which decides nothing and is not signed"):
        statement_of(REPOSITORY, "t.yaml", test, "sha256:" + "a" * 64)
