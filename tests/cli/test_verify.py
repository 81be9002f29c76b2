"""`verify`: which documents of a tree count, by whom, and what that means for the exit code."""

import json

import pytest
from cli_world import ADA, CLUSTER, DOCUMENTS, POLICY_TEST, policy_test

FILES = sorted(DOCUMENTS)


@pytest.fixture
def verify(world, reconciler):
    """verify(*arguments, ada="platform"): with a trust file that gives people these roles."""

    def call(*arguments, **roles):
        return reconciler("verify", *arguments, "--trust", world.trust(**roles), at=world.root)

    return call


@pytest.fixture
def signed(world, reconciler):
    """The world in which ada has signed everything and committed it."""
    assert reconciler("sign", *FILES, "--key", world.key("ada"), at=world.root).code == 0
    world.checkout.commit("signed", ADA)
    return world


def rows(said):
    return {line.partition("  ")[2].partition(":")[0]: line.partition("  ")[0] for line in said.out.splitlines()}


@pytest.mark.usefixtures("signed")
def test_everything_signed_by_somebody_who_may_is_verified(verify):
    said = verify(ada="platform")
    assert said.code == 0
    assert rows(said) == dict.fromkeys(FILES, "verified")
    assert "signed by ada (SHA256:" in said.out


def test_nothing_signed_is_not_verified(verify):
    said = verify()
    assert said.code == 1
    assert rows(said) == dict.fromkeys(FILES, "NOT VERIFIED")


@pytest.mark.usefixtures("signed")
def test_a_role_counts_only_for_what_it_may(verify):
    said = verify(ada="science", bo="platform")
    assert said.code == 1
    assert rows(said) == {path: "verified" if path.startswith("releases") else "NOT VERIFIED" for path in FILES}


def test_a_change_after_the_signature_is_seen_in_the_work_tree_and_not_in_the_commit(verify, signed):
    signed.write("clusters/eu-1.yaml", CLUSTER + "#\n")
    assert rows(verify(ada="platform"))["clusters/eu-1.yaml"] == "NOT VERIFIED"
    assert verify("HEAD", ada="platform").code == 0
    assert verify("main", ada="platform").code == 0
    assert rows(verify("HEAD~1", ada="platform")) == dict.fromkeys(FILES, "NOT VERIFIED")


def test_only_the_watched_folder_is_looked_at(verify, signed):
    signed.checkout.set_config("reconciler.path", "clusters")
    for arguments in ((), ("HEAD",)):
        said = verify(*arguments, ada="platform")
        assert rows(said) == {"eu-1.yaml": "NOT VERIFIED"}, "it was signed for another path"
    signed.checkout.set_config("reconciler.path", "none")
    assert verify("HEAD").code == 1


def test_a_revision_that_is_not_there_is_named(verify):
    said = verify("v9")
    assert (said.code, said.out) == (1, "")
    assert "there is no commit 'v9'" in said.err


@pytest.mark.parametrize("name", ["--upload-pack=x", "-n", "main\n", "x" * 300])
def test_a_revision_is_never_an_option(name, verify):
    said = verify("--", name)
    assert said.code in {1, 2}
    assert "fault" not in said.err


def test_tests_of_policies_need_no_signature(verify, signed):
    signed.write("policies/test.yaml", policy_test(POLICY_TEST))
    signed.write("values.yaml", "a: 1\n")
    said = verify(ada="platform")
    assert said.code == 0
    assert rows(said)["policies/test.yaml"] == "not signed"
    assert "values.yaml" not in said.out


def test_what_cannot_be_read_is_not_verified(verify, signed):
    signed.write("clusters/eu-1.yaml", CLUSTER + "spec: 2\n")
    (signed.root / "clusters/link.yaml").symlink_to("eu-1.yaml")
    said = verify(ada="platform")
    assert said.code == 1
    assert rows(said)["clusters/eu-1.yaml"] == "NOT VERIFIED"
    assert rows(said)["clusters/link.yaml"] == "NOT VERIFIED"
    assert "clusters/link.yaml: is a symbolic link" in said.out


@pytest.mark.usefixtures("signed")
def test_programs_get_the_same(verify):
    data = json.loads(verify("-o", "json", ada="platform").out)
    assert [(row["path"], row["verified"], row["people"]) for row in data] == [(path, True, ["ada"]) for path in FILES]


def test_a_trust_file_that_is_not_valid_judges_nothing(reconciler, world):
    file = world.trust()
    file.write_text(file.read_text().replace("version: 1", "version: one"))
    said = reconciler("verify", "--trust", file, at=world.root)
    assert (said.code, said.out) == (2, "")
    assert f"{file}:5:12: spec.version: must be a whole number" in said.err


def test_a_folder_without_documents_is_not_a_yes(reconciler, world):
    empty = world.folder / "empty"
    empty.mkdir()
    said = reconciler("verify", "--trust", world.trust(), "--root", empty, at=world.folder)
    assert said.code == 1
    assert "there is no document in" in said.err
