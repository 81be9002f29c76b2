"""Statements are exactly the documented texts, and no value can forge a line of one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import Refused
from reconciler.trust.statement import (
    ApprovalStatement,
    ConfigRemovalStatement,
    ConfigStatement,
    RecordStatement,
    ReleaseStatement,
    RemovalStatement,
    TrunkStatement,
    TrustStatement,
)

HEX = "3f" * 32
OTHER = "77" * 32


@pytest.mark.parametrize(
    ("statement", "namespace", "text"),
    [
        (
            ReleaseStatement(
                repository="github.com/acme/models", environment="prod", name="fraud-detector", manifest_sha256=HEX
            ),
            "reconciler-release-v1@reconciler.dev",
            f"""\
reconciler-release-v1
repository: github.com/acme/models
environment: prod
name: fraud-detector
manifest-sha256: {HEX}
""",
        ),
        (
            ConfigStatement(
                repository="github.com/acme/models",
                path="environments/prod.yaml",
                document_kind="Environment",
                sha256=OTHER,
            ),
            "reconciler-config-v1@reconciler.dev",
            f"""\
reconciler-config-v1
repository: github.com/acme/models
path: environments/prod.yaml
kind: Environment
sha256: {OTHER}
""",
        ),
        (
            TrunkStatement(repository="github.com/acme/models", branch="main", old="1" * 40, new="2" * 40),
            "reconciler-trunk-v1@reconciler.dev",
            f"""\
reconciler-trunk-v1
repository: github.com/acme/models
branch: main
from: {"1" * 40}
to: {"2" * 40}
""",
        ),
        (
            ApprovalStatement(
                repository="github.com/acme/models",
                environment="prod",
                name="fraud-detector",
                closure_sha256=HEX,
                action="approve",
            ),
            "reconciler-approval-v1@reconciler.dev",
            f"""\
reconciler-approval-v1
repository: github.com/acme/models
environment: prod
name: fraud-detector
closure-sha256: {HEX}
action: approve
""",
        ),
        (
            RemovalStatement(
                repository="github.com/acme/models",
                environment="prod",
                name="fraud-detector",
                cluster="*",
                manifest_sha256=HEX,
            ),
            "reconciler-removal-v1@reconciler.dev",
            f"""\
reconciler-removal-v1
repository: github.com/acme/models
environment: prod
name: fraud-detector
cluster: *
manifest-sha256: {HEX}
""",
        ),
        (
            ConfigRemovalStatement(repository="github.com/acme/models", path="environments/prod.yaml", sha256=OTHER),
            "reconciler-config-removal-v1@reconciler.dev",
            f"""\
reconciler-config-removal-v1
repository: github.com/acme/models
path: environments/prod.yaml
sha256: {OTHER}
""",
        ),
        (
            TrustStatement(repository="github.com/acme/models", version=2, sha256=HEX),
            "reconciler-trust-v1@reconciler.dev",
            f"""\
reconciler-trust-v1
repository: github.com/acme/models
version: 2
sha256: {HEX}
""",
        ),
        (
            RecordStatement(repository="github.com/acme/models", sequence=42, previous=OTHER, sha256=HEX),
            "reconciler-record-v1@reconciler.dev",
            f"""\
reconciler-record-v1
repository: github.com/acme/models
sequence: 42
previous: {OTHER}
sha256: {HEX}
""",
        ),
    ],
)
def test_the_text_is_the_documented_one(statement, namespace, text):
    assert statement.text() == text.encode()
    assert statement.namespace == namespace


def release(**changes):
    fields = {"repository": "r", "environment": "prod", "name": "n", "manifest_sha256": HEX}
    return ReleaseStatement(**(fields | changes))


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("repository", {"repository": "a\nenvironment: dev"}),
        ("repository", {"repository": ""}),
        ("repository", {"repository": " a"}),
        ("repository", {"repository": "a\u2028b"}),
        ("repository", {"repository": "a\u0085b"}),
        ("repository", {"repository": "a\u202eb"}),
        ("repository", {"repository": "a\u200bb"}),
        ("repository", {"repository": "a\x7fb"}),
        ("repository", {"repository": "a\udc80b"}),
        ("repository", {"repository": "x" * 1025}),
        ("name", {"name": "a\u00a0b"}),
        ("environment", {"environment": "a\u3000b"}),
        ("repository", {"repository": None}),
        ("environment", {"environment": "prod\n"}),
        ("environment", {"environment": "prod dev"}),
        ("name", {"name": "a\rb"}),
        ("name", {"name": "\0"}),
        ("manifest-sha256", {"manifest_sha256": "sha256:" + HEX}),
        ("manifest-sha256", {"manifest_sha256": HEX + "\n"}),
        ("manifest-sha256", {"manifest_sha256": HEX.upper()}),
        ("manifest-sha256", {"manifest_sha256": HEX[:-1]}),
        ("manifest-sha256", {"manifest_sha256": "٣" * 64}),
    ],
)
def test_a_value_that_could_forge_a_line_is_refused(key, changes):
    with pytest.raises(Refused, match=f"^No release statement can be made: {key} must be "):
        release(**changes)


@pytest.mark.parametrize("number", [-1, True, 1.0, "1", None, 10**18])
def test_a_number_is_a_whole_number(number):
    with pytest.raises(Refused, match="whole number"):
        TrustStatement(repository="r", version=number, sha256=HEX)


@pytest.mark.parametrize("commit", ["main", "1" * 39, "1" * 64, "A" * 40, "1" * 40 + "\n", None, 1])
@pytest.mark.parametrize(("field", "key"), [("old", "from"), ("new", "to")])
def test_a_commit_is_a_full_one(field, key, commit):
    commits = {"old": "1" * 40, "new": "2" * 40, field: commit}
    with pytest.raises(Refused, match=f"^No trunk statement can be made: {key} must be a commit"):
        TrunkStatement(repository="r", branch="main", **commits)


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
@settings(max_examples=150, deadline=None)
def test_two_different_releases_never_have_one_text(repository, environment, name):
    try:
        text = release(repository=repository, environment=environment, name=name).text()
    except Refused:
        return
    assert text.decode().split("\n") == [
        "reconciler-release-v1",
        f"repository: {repository}",
        f"environment: {environment}",
        f"name: {name}",
        f"manifest-sha256: {HEX}",
        "",
    ]
    assert len(text.decode().splitlines()) == 5


@pytest.mark.parametrize("action", ["", "Approve", "approve ", "approve\nreject", None, True])
def test_an_approval_says_approve_or_reject_and_nothing_else(action):
    with pytest.raises(Refused, match="action must be approve or reject"):
        ApprovalStatement(repository="r", environment="prod", name="fraud", closure_sha256=HEX, action=action)


@pytest.mark.parametrize("cluster", ["", "**", "eu-1\n", "Eu", "eu 1", None])
def test_a_removal_is_of_one_cluster_or_of_all(cluster):
    with pytest.raises(Refused, match="cluster must be the name of a cluster"):
        RemovalStatement(repository="r", environment="prod", name="fraud", cluster=cluster, manifest_sha256=HEX)
