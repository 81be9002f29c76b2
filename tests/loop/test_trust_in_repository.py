"""Trust files of the repository: which is in force for all the others, and what is remembered of it."""

import pytest
import yaml
from loop_acme import FRAUD, LIMIT, NOW, PROD, REPOSITORY, Published, Repo, pair, trust

from reconciler.errors import Stalled
from reconciler.loop.governing import THE_TRUST_FILE, govern
from reconciler.loop.recording import Scene, changes_entries

PATH = "trust.yaml"


def base(**times):
    """Acme's trust file, whose owners may change it."""
    found = trust(**times)
    rule = found.spec.allow[0].model_copy(update={"role": "owner", "may": ("trust",), "environments": ("*",)})
    return found.model_copy(update={"spec": found.spec.model_copy(update={"allow": (*found.spec.allow, rule)})})


def put(repo, version, *, by="", path=PATH, old="", new=""):
    data = base().to_data()
    data["spec"]["version"] = version
    text = yaml.safe_dump(data, width=10_000)
    assert not old or old in text
    repo.write(path, text.replace(old, new).encode() if old else text.encode())
    if by:
        repo.sign(path, by)


def world():
    return Published(Repo(), trusted=base())


def note(found):
    row = found.governed.get(THE_TRUST_FILE)
    return row.note if row else found.refused.get(THE_TRUST_FILE, "")


def test_the_next_version_signed_by_the_threshold_is_in_force_and_judges_the_rest():
    it = world()
    assert it.publish().trust.spec.version == 1
    put(it.repo, 2, by="bo", old="name: bo", new="name: beatrix")
    found = it.publish()
    assert (found.trust.spec.version, found.mounted.spec.version, note(found)) == (2, 1, "")
    assert set(found.releases) <= it.last.affected
    it.repo.edit("environments/prod.yaml", "depth: 3", "depth: 9", by="bo")
    assert it.publish().governed[("Environment", "prod")].note == ""
    assert found.accepted()[PATH].kind == "Trust"


@pytest.mark.parametrize("by", ["", "ada", "daemon"])
def test_one_that_does_not_count_leaves_the_one_in_force_and_is_said_at_every_release(by):
    it = world()
    put(it.repo, 2, by=by)
    found = it.publish()
    assert found.trust.spec.version == 1
    assert note(found).startswith(f"{PATH}: ")
    assert note(found).endswith("; version 1 of the trust file stays in force")
    assert PATH not in found.accepted()
    assert FRAUD in it.last.affected


@pytest.mark.parametrize("again", [False, True], ids=["while we watch", "found at a start"])
@pytest.mark.parametrize(
    "edit",
    [
        lambda repo: repo.remove(PATH),
        lambda repo: repo.files.pop(f"{PATH}.sig"),
        lambda repo: put(repo, 2, old="science", new="research"),
        lambda repo: put(repo, 1, by="bo"),
        lambda repo: put(repo, 4, by="bo"),
        lambda repo: put(repo, 3, by="ada"),
        lambda repo: repo.write(PATH, b"apiVersion: reconciler.dev/v1alpha1\nkind: Trust\nspec: {}\n"),
        lambda repo: repo.end_document(PATH, "bo"),
    ],
    ids=["gone", "no signature", "edited", "an older one", "too new", "by another role", "broken", "removed, signed"],
)
def test_what_was_accepted_stays_in_force_when_the_file_is(edit, again):
    it = world()
    put(it.repo, 2, by="bo")
    before = it.publish()
    accepted = it.accepted
    edit(it.repo)
    found = it.afresh(accepted) if again else it.publish()
    assert found.trust == before.trust
    assert found.accepted()[PATH] == before.accepted()[PATH]


def test_versions_in_files_of_their_own_follow_one_another_and_each_is_recorded():
    it = world()
    put(it.repo, 2, by="bo", path="trust/2.yaml")
    put(it.repo, 3, by="bo", path="trust/3.yaml")
    found = it.publish()
    assert found.trust.spec.version == 3
    assert [row.path for row in found.followed] == ["trust/2.yaml", "trust/3.yaml"]
    assert [path for path, row in found.accepted().items() if row.kind == "Trust"] == ["trust/3.yaml"]
    scene = Scene(repository=REPOSITORY, revision=found.revision, files=it.repo.files, now=NOW)
    entries = changes_entries(scene, {}, found.accepted(), found.followed)
    told = [entry for entry in entries if "trust file" in entry.record.message]
    assert [entry.record.detail["version"] for entry in told] == [2, 3]
    assert told[0].blobs.keys() == {
        "accepted/trust/2.yaml", "accepted/trust/2.yaml.sig", "trust/2.yaml", "trust/2.yaml.sig",
    }  # fmt: skip
    it.repo.remove("trust/2.yaml")
    assert it.publish().followed == ()
    after = it.publish()
    assert changes_entries(scene, found.accepted(), after.accepted(), after.followed) == []


def test_a_mounted_file_of_the_same_or_a_later_version_wins_and_what_was_accepted_is_kept():
    it = world()
    put(it.repo, 2, by="bo", old="science", new="research")
    it.publish()
    for number in (2, 3):
        spec = base().spec.model_copy(update={"version": number})
        it.trust = base().model_copy(update={"spec": spec})
        found = it.publish(everything=True)
        assert found.trust is it.trust
        assert found.accepted()[PATH].kind == "Trust"


def test_a_key_that_the_new_file_revokes_signs_nothing_from_then_on():
    it = world()
    it.publish()
    put(it.repo, 2, by="bo", old=f"key: {pair('bo').public.strip()}", new=(
        f"key: {pair('bo').public.strip()}\n      revokedAt: '2026-11-01T00:00:00Z'"
    ))  # fmt: skip
    it.repo.edit("environments/prod.yaml", "depth: 3", "depth: 9", by="bo")
    found = it.publish()
    assert found.trust.spec.version == 2
    assert "was revoked at" in found.governed[("Environment", "prod")].note


def test_a_document_that_takes_the_place_of_an_accepted_trust_file_does_not_push_it_out():
    it = world()
    put(it.repo, 2, by="bo")
    it.publish()
    text = it.repo.text("environments/prod.yaml").replace("name: prod", "name: other")
    it.repo.write(PATH, text.encode())
    it.repo.sign(PATH)
    found = it.publish()
    assert found.trust.spec.version == 2
    assert found.refused[("Environment", "other")].startswith(
        f"{PATH}: the trust file was accepted from this file and is still in force"
    )


def test_a_trust_file_does_not_take_the_place_of_another_accepted_document():
    it = world()
    it.publish()
    put(it.repo, 2, by="bo", path="environments/prod.yaml")
    found = it.publish()
    assert found.trust.spec.version == 1
    assert "put the trust file into one of its own" in note(found)
    assert ("Environment", "prod") in found.governed


def test_an_accepted_one_that_nobody_can_read_any_more_is_not_taken_for_absent():
    it = world()
    put(it.repo, 2, by="bo")
    accepted = it.publish().accepted()
    with pytest.raises(Stalled, match=r"the accepted text of the trust file \(trust\.yaml\) cannot be read"):
        govern(REPOSITORY, (), base(), accepted, removals={}, recall=lambda _: None, limit=LIMIT, now=NOW)


def test_a_release_file_of_another_kind_is_no_trust_file():
    it = world()
    assert THE_TRUST_FILE not in it.publish().governed
    assert it.repo.text(PROD)
