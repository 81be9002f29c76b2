"""The mounted trust file: versions only grow, also over a restart, and what cannot be read changes nothing."""

import logging

import pytest
import yaml
from loop_acme import NOW, REPOSITORY, TRUST, trust

from reconciler.errors import Misused
from reconciler.loop.mounted import TrustFiles
from reconciler.model.repository import MountedTrust
from reconciler.trust.succession import in_force


class Log(logging.Logger):
    """Keeps what it is told."""

    def __init__(self):
        super().__init__("test")
        self.said = []

    def error(self, event, **fields):
        self.said.append((event, fields["error"]))


@pytest.fixture
def mount(tmp_path):
    """mount(3): the file is version 3 now; its digest differs with every version."""
    path = tmp_path / "trust.yaml"

    def write(version):
        data = TRUST.to_data()
        data["spec"]["version"] = version
        path.write_text(yaml.safe_dump(data))
        return path

    write.path = path
    return write


def start(mount):
    return TrustFiles(mount.path, REPOSITORY, Log())


def version(number, **times):
    found = trust(**times)
    return found.model_copy(update={"spec": found.spec.model_copy(update={"version": number})})


def test_a_newer_file_is_taken_over_and_an_older_one_is_not(mount):
    mount(1)
    files = start(mount)
    mount(3)
    files.reread(files.mounted.remembered)
    assert files.file.spec.version == 3
    assert files.told("") == (True, "InForce", "version 3 (mounted) is in force")
    taken = files.mounted.remembered
    mount(2)
    for _ in range(2):
        files.reread(taken)
    assert files.file.spec.version == 3
    assert files.told("something else") == (
        False,
        "TrustFileOutdated",
        "the mounted trust file is version 2, and version 3 was in force; versions only grow; version 3 stays in force",
    )
    assert len(files._log.said) == 1
    mount(3)
    files.reread(taken)
    assert files.told("")[0]


def test_an_edit_of_the_same_version_is_the_operators_own_affair(mount):
    mount(1)
    files = start(mount)
    taken = files.mounted.remembered
    text = mount.path.read_text()
    mount.path.write_text(text.replace("science", "research"))
    files.reread(taken)
    assert "research" in files.file.spec.people[0].roles
    assert files.mounted.remembered != taken


def test_after_a_restart_with_an_older_file_nobody_is_trusted_and_records_still_count(mount):
    mount(2)
    files = start(mount)
    files.reread(MountedTrust(version=5, sha256="sha256:" + "5" * 64))
    assert files.file.spec.version == 5
    assert files.file.spec.allow == ()
    assert files.file.spec.daemon == TRUST.spec.daemon
    assert files.told("")[2].endswith("nobody is trusted with anything new until version 5 or later is mounted")
    assert files.mounted.remembered == MountedTrust(version=5, sha256="sha256:" + "5" * 64)
    mount(6)
    files.reread(files.mounted.remembered)
    assert files.file.spec.allow


def test_a_later_file_of_the_repository_is_in_force_and_the_mounted_one_under_it_is_no_fault(mount):
    mount(1)
    files = start(mount)
    assert files.follow(version(2))
    assert not files.follow(version(2))
    files.reread(files.mounted.remembered)
    assert files.told("") == (True, "InForce", "version 2 (from the repository) is in force")
    assert not files.follow(version(1))
    assert files.file.spec.version == 2


def test_another_mounted_file_below_the_repositorys_is_refused_and_one_of_its_version_wins(mount):
    mount(1)
    files = start(mount)
    files.follow(version(3))
    taken = files.mounted.remembered
    mount(2)
    files.reread(taken)
    assert files.told("")[1] == "TrustFileOutdated"
    assert files.file.spec.version == 3
    mount(3)
    files.reread(taken)
    assert files.told("") == (True, "InForce", "version 3 (mounted) is in force")


def test_an_older_file_of_the_repository_does_not_replace_a_mounted_one_that_nobody_has_any_more(mount):
    mount(2)
    files = start(mount)
    files.reread(MountedTrust(version=5, sha256="sha256:" + "5" * 64))
    files.follow(version(4))
    assert files.file.spec.allow == ()
    assert in_force(files.mounted.file, version(6)).spec.version == 6


@pytest.mark.parametrize("text", ["", "kind: [", "apiVersion: reconciler.dev/v1alpha1\nkind: Trust\nspec: {}\n"])
def test_a_file_that_cannot_be_read_leaves_the_last_in_force(mount, text):
    mount(1)
    files = start(mount)
    mount.path.write_text(text)
    files.reread(files.mounted.remembered)
    status, reason, sentence = files.told("")
    assert (status, reason) == (False, "TrustFileInvalid")
    assert sentence.endswith("; version 1 stays in force")
    assert files.file.spec.allow


def test_without_any_there_is_no_start(mount):
    mount(1)
    mount.path.unlink()
    with pytest.raises(Misused, match="cannot be read"):
        start(mount)
    mount(1)
    with pytest.raises(Misused, match=r"vouches for github\.com/acme/models, not for other"):
        TrustFiles(mount.path, "other", Log())


def test_what_is_said_of_the_repositorys_files_is_the_condition(mount):
    mount(1)
    assert start(mount).told("trust.yaml: not signed") == (False, "ConfigNotTrusted", "trust.yaml: not signed")
    assert NOW.tzinfo
