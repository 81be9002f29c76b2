"""Identities, the rule of the folder, and names that stand twice."""

# ruff: noqa: E501  # the sentences stand here as they are printed

import pytest
from documents_samples import CLUSTER, ENVIRONMENT, RELEASE, TRUST
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.documents.index import Identity, identity_of, index_of, misplaced, problems_at, twins
from reconciler.documents.schema import parse

PROD = "releases/prod/fraud-detector.yaml"


def release(path, environment="prod", name="fraud-detector"):
    text = RELEASE.replace("environment: prod", f"environment: {environment}", 1)
    return parse(path, text.replace("name: fraud-detector\n  labels", f"name: {name}\n  labels").encode())


def lines(problems):
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("loaded", "identity", "text"),
    [
        (
            release(PROD),
            Identity(kind="ModelRelease", environment="prod", name="fraud-detector"),
            "ModelRelease prod/fraud-detector",
        ),
        (
            parse("x.yaml", ENVIRONMENT.encode()),
            Identity(kind="Environment", environment="", name="prod"),
            "Environment prod",
        ),
        (parse("x.yaml", TRUST.encode()), Identity(kind="Trust", environment="", name="version 1"), "Trust version 1"),
    ],
    ids=["a release", "an environment", "a trust file"],
)
def test_identity_is_not_the_path(loaded, identity, text):
    assert identity_of(loaded) == identity
    assert str(identity) == text


@pytest.mark.parametrize(
    ("path", "environment", "ok"),
    [
        ("releases/prod/a.yaml", "prod", True),
        ("releases/staging/a.yaml", "prod", False),
        ("releases/prod/team/a.yaml", "prod", True),
        ("releases/team/prod/a.yaml", "prod", False),
        ("releases/a.yaml", "prod", True),
        ("a.yaml", "prod", True),
        ("models/staging/a.yaml", "prod", True),
        ("models/releases/staging/a.yaml", "prod", False),
        ("releases/models/releases/prod/a.yaml", "prod", True),
        ("old-releases/staging/a.yaml", "prod", True),
    ],
)
def test_a_release_in_an_environments_folder_says_that_environment(path, environment, ok):
    assert (misplaced(release(path, environment)) == ()) is ok


def test_a_release_in_the_wrong_folder_is_told_at_its_environment():
    assert lines(misplaced(release("releases/staging/fraud-detector.yaml"))) == [
        (
            "releases/staging/fraud-detector.yaml:7:16: spec.environment: the file lies in releases/staging/ but says 'prod': "
            "move it to releases/prod/, or write 'staging'"
        )
    ]


def test_governing_documents_may_lie_anywhere():
    assert misplaced(parse("releases/staging/prod.yaml", ENVIRONMENT.encode())) == ()


def test_two_files_with_one_identity_hold_both():
    index = index_of([release(PROD), release("other/fraud.yaml"), parse("c.yaml", CLUSTER.encode())])
    identity = identity_of(release(PROD))
    assert lines(twins(index, identity)) == [
        (
            "other/fraud.yaml:4:9: metadata.name: ModelRelease prod/fraud-detector stands in "
            "'releases/prod/fraud-detector.yaml' too: keep one of them"
        ),
        (
            "releases/prod/fraud-detector.yaml:4:9: metadata.name: ModelRelease prod/fraud-detector stands in "
            "'other/fraud.yaml' too: keep one of them"
        ),
    ]
    assert lines(problems_at(index, PROD)) == lines(twins(index, identity)[1:])
    assert problems_at(index, "c.yaml") == ()
    assert problems_at(index, "gone.yaml") == ()


def test_the_same_name_in_two_environments_or_of_two_kinds_is_no_twin():
    index = index_of(
        [release(PROD), release("releases/staging/x.yaml", "staging"), parse("e.yaml", ENVIRONMENT.encode())]
    )
    assert not any(problems_at(index, path) for path in index.documents)


FILES = [
    release(path, environment, name) for path in "abc" for environment in ("dev", "prod") for name in ("one", "two")
]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(FILES), max_size=6, unique_by=lambda loaded: loaded.path))
def test_the_order_of_the_documents_does_not_matter(documents):
    assert index_of(documents) == index_of(reversed(documents))


def test_trust_files_of_different_versions_may_lie_side_by_side_and_of_one_version_not():
    one = parse("1.yaml", TRUST.encode())
    two = parse("2.yaml", TRUST.replace("version: 1", "version: 2").encode())
    again = parse("3.yaml", TRUST.encode())
    index = index_of([one, two])
    assert problems_at(index, "1.yaml") == problems_at(index, "2.yaml") == ()
    (problem,) = problems_at(index_of([one, two, again]), "3.yaml")
    assert problem.field == "spec.version"
    assert problem.message == "Trust version 1 stands in '1.yaml' too: keep one of them"
