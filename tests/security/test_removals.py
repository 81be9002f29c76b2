"""Attacks on removals, each named as its row of the security test plan."""

import pytest
from loop_acme import FRAUD, PROD, key_of
from loop_passes import Release

from reconciler.digest import sha256_of
from reconciler.model.state import Apply

ENVIRONMENT = "environments/prod.yaml"


@pytest.fixture
def running():
    release = Release()
    release.settle()
    return release


def kept(release) -> bool:
    """True when after some passes every cluster is told to run what it ran, and a gate says why nothing ends."""
    before = release.status.directives
    for _ in range(4):
        release.turn()
    assert all(told.apply is Apply.RUN for told in release.status.directives.values())
    assert release.status.directives == before
    return bool(release.status.gates)


def manifest(release):
    return sha256_of(release.repo.blobs[release.repo.files[PROD]])


def test_the_file_of_a_release_is_deleted_and_nothing_is_pruned(running):
    running.repo.remove(PROD)
    assert kept(running)


def test_a_cluster_leaves_the_selector_and_nothing_is_pruned(running):
    running.repo.edit(PROD, "clusters: {matchLabels: {tier: prod}}", "clusters: {matchLabels: {region: eu}}")
    assert kept(running)


def test_a_cluster_document_is_deleted_and_nothing_is_pruned(running):
    running.repo.remove("clusters/us-1.yaml")
    before = running.status.directives
    running.turn()
    assert running.status.directives == before
    assert ("Cluster", "us-1") in running.world.last.snapshot.governed


def test_the_whole_path_is_empty_and_nothing_is_pruned(running):
    running.repo.files.clear()
    assert kept(running)


def test_a_removal_copied_from_another_release_or_text_is_refused_because_the_statement_differs(running):
    digest = manifest(running)
    running.repo.remove(PROD)
    other = running.repo.end(key_of("prod", "support-chat"), digest, "bo")
    running.repo.files["removals/prod/fraud-detector.sig"] = running.repo.files.pop(other)
    assert kept(running)
    running.repo.end(FRAUD, "sha256:" + "3f" * 32, "bo")
    assert kept(running)


def test_a_release_signature_used_as_a_removal_is_refused_by_its_namespace(running):
    running.repo.files["removals/prod/fraud-detector.sig"] = running.repo.files[f"{PROD}.sig"]
    running.repo.remove(PROD)
    assert kept(running)
    assert "its namespace is reconciler-release-v1@reconciler.dev" in running.status.gates[0].message


def test_the_daemons_own_key_ends_nothing(running):
    digest = manifest(running)
    running.repo.remove(PROD)
    running.repo.end(FRAUD, digest, "daemon")
    assert kept(running)
    assert "can release nothing" in running.status.gates[0].message
