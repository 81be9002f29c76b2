"""The index: what one trunk says, and who has to look again when it says something else."""

import re
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loop_acme import FRAUD, LIMIT, NOW, PROD, REPOSITORY, REVISION, TRUST, Published, Repo, key_of, snapshot, trust

from reconciler.errors import Refused
from reconciler.loop.indexing import snapshot_of
from reconciler.loop.standing import stand

ENVIRONMENT = "environments/prod.yaml"
STAGING = key_of("staging", "fraud-detector")
CHAT = key_of("prod", "support-chat")
BROKEN = "\n  : ["


def told(found):
    return (
        dict(found.releases),
        dict(found.governed),
        dict(found.refused),
        dict(found.doubles),
        found.problems,
    )


def standing(found, key):
    return stand(key, found, (), first_seen=NOW, now=NOW)


# --- properties

RELEASES = st.sampled_from([PROD, "releases/staging/fraud-detector.yaml", "releases/prod/support-chat.yaml"])
GOVERNING = st.sampled_from(
    [ENVIRONMENT, "environments/staging.yaml", "clusters/eu-1.yaml", "clusters/us-1.yaml", "runtimes/onnx-http.yaml"]
)
PATHS = st.one_of(RELEASES, GOVERNING)
ANYWHERE = st.sampled_from(["copy.yaml", "releases/prod/other.yaml", "releases/staging/wrong.yaml", "clusters/x.yml"])
RUNTIMES = st.sampled_from(["onnx-http", "vllm", ""])
EDITS = st.one_of(
    st.tuples(st.just("comment"), PATHS, st.sampled_from(["bo", "ada", ""])),
    st.tuples(st.sampled_from(["break", "remove", "restore", "unsign", "foreign"]), PATHS, st.none()),
    st.tuples(st.just("remove"), ANYWHERE, st.none()),
    st.tuples(st.just("copy"), PATHS, ANYWHERE),
    st.tuples(st.just("rename"), st.one_of(GOVERNING, ANYWHERE), st.sampled_from(["eu-2", "us-1", "prod", "qa"])),
    st.tuples(st.just("replace"), GOVERNING, PATHS),
    st.tuples(st.just("baseline"), st.sampled_from([ENVIRONMENT, "environments/staging.yaml"]), RUNTIMES),
    st.tuples(st.just("leave out"), RELEASES, st.none()),
    st.tuples(st.just("empty"), st.none(), st.none()),
)


def comment(repo, path, by):
    repo.write(path, repo.text(path).encode() + b"# and more\n")
    repo.files.pop(f"{path}.sig", None)
    if by:
        sign(repo, path, by)


def rename(repo, path, name):
    repo.write(path, re.sub(r"name: [a-z0-9-]+", f"name: {name}", repo.text(path), count=1).encode())
    sign(repo, path, "bo")


def copy(repo, source, target):
    repo.write(target, repo.text(source).encode())
    sign(repo, target, "bo")


def restore(repo, path, _):
    sample = Repo()
    repo.write(path, sample.read(sample.files[path]))
    repo.sign(path)


def baseline(repo, path, runtime):
    """An environment that gives a runtime, or none."""
    text = repo.text(path).partition("  defaults:")[0]
    repo.write(path, f"{text}  defaults: {{serving: {{runtime: {runtime}}}}}\n".encode() if runtime else text.encode())
    sign(repo, path, "bo")


def leave_out(repo, path, _):
    """A release that leaves its runtime to its environment."""
    repo.write(path, re.sub(r"\n +runtime: \S+", "", repo.text(path)).encode())
    sign(repo, path, "bo")


HOW = {
    "baseline": baseline,
    "leave out": leave_out,
    "comment": comment,
    "rename": rename,
    "copy": copy,
    "restore": restore,
    "replace": lambda repo, path, source: copy(repo, source, path) if source in repo.files else None,
    "break": lambda repo, path, _: repo.write(path, (repo.text(path) + BROKEN).encode()),
    "unsign": lambda repo, path, _: repo.files.pop(f"{path}.sig", None),
    "foreign": lambda repo, path, _: repo.write(path, b"apiVersion: v1\nkind: ConfigMap\n"),
    "remove": lambda repo, path, _: repo.remove(path),
    "empty": lambda repo, *_: repo.remove(*list(repo.files)),
}


def edit(repo, what, path, value):
    if path in repo.files or what in ("restore", "empty"):
        HOW[what](repo, path, value)


def sign(repo, path, by):
    with suppress(Refused):  # a text that is broken by now cannot be signed, and need not be
        repo.sign(path, by)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EDITS, min_size=1, max_size=8))
def test_one_change_after_the_other_comes_to_the_same_as_starting_again(edits):
    world = Published(Repo())
    world.publish()
    for one in edits:
        before = world.accepted
        edit(world.repo, *one)
        assert told(world.publish()) == told(world.afresh(before))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EDITS, min_size=1, max_size=8))
def test_every_release_that_stands_differently_has_to_look_again(edits):
    world = Published(Repo())
    old = world.publish()
    for one in edits:
        edit(world.repo, *one)
        new = world.publish()
        moved = {key for key in {*old.releases, *new.releases} if standing(old, key) != standing(new, key)}
        assert moved <= world.last.affected
        old = new


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EDITS, max_size=6))
def test_when_nothing_changes_nobody_has_to_look(edits):
    world = Published(Repo())
    world.publish()
    for one in edits:
        edit(world.repo, *one)
        world.publish()
    last = world.publish()
    assert world.last.affected == frozenset()
    assert told(world.publish()) == told(last)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EDITS, min_size=1, max_size=6))
def test_a_snapshot_that_was_published_never_changes(edits):
    world = Published(Repo())
    first = world.publish()
    copy = told(first)
    for one in edits:
        edit(world.repo, *one)
        world.publish()
    assert told(first) == copy


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EDITS, max_size=3), st.lists(EDITS, min_size=1, max_size=4))
def test_a_fork_tells_what_would_be_and_the_index_it_came_from_stays_as_it_was(before, after):
    """What a pull request is planned with."""
    world = Published(Repo())
    for one in before:
        edit(world.repo, *one)
    trunk, files = world.publish(), dict(world.repo.files)
    for one in after:
        edit(world.repo, *one)
    forked = world.as_if()
    assert told(forked.snapshot) == told(world.afresh(trunk.accepted()))
    moved = {
        key
        for key in {*trunk.releases, *forked.snapshot.releases}
        if standing(trunk, key) != standing(forked.snapshot, key)
    }
    assert moved <= forked.affected
    world.repo.files = files
    assert told(world.publish()) == told(trunk)
    assert world.last.affected == frozenset()


# --- who has to look again


@pytest.mark.parametrize(
    ("change", "affected"),
    [
        pytest.param(lambda repo: repo.edit(PROD, "version: 1.3.0", "version: 1.4.0"), {FRAUD}, id="a release: itself"),
        pytest.param(lambda repo: repo.files.pop(f"{PROD}.sig"), {FRAUD}, id="only its signature: itself"),
        pytest.param(
            lambda repo: repo.edit(ENVIRONMENT, "depth: 3", "depth: 2"),
            {FRAUD, CHAT},
            id="an environment: its releases",
        ),
        pytest.param(
            lambda repo: repo.edit("runtimes/onnx-http.yaml", "8080", "8081"),
            {FRAUD, STAGING, key_of("dev", "fraud-detector")},
            id="a runtime: those that name it",
        ),
        pytest.param(
            lambda repo: repo.edit("clusters/us-1.yaml", "region: us", "region: eu"), None, id="a cluster: everybody"
        ),
        pytest.param(
            lambda repo: repo.edit(ENVIRONMENT, "depth: 3", "depth: 2", by=""),
            {FRAUD, CHAT},
            id="an environment without a signature: its releases, which tell about it",
        ),
        pytest.param(lambda repo: repo.write("README.md", b"# hello\n"), set(), id="a text of nobody: nobody"),
        pytest.param(lambda repo: repo.write("ci.yaml", b"on: push\n"), set(), id="somebody else's YAML: nobody"),
    ],
)
def test_who_is_affected(change, affected):
    world = Published(Repo())
    everybody = set(world.publish().releases)
    change(world.repo)
    world.publish()
    assert world.last.affected == (everybody if affected is None else affected)


def test_another_trust_file_makes_everybody_look_again():
    world = Published(Repo())
    world.publish()
    world.trust = trust(bo={"revokedAt": "2026-11-01T00:00:00Z"})
    found = world.publish(everything=True)
    assert world.last.affected == frozenset(found.releases)
    assert not standing(found, FRAUD).vouched
    assert {
        note for note in (row.note for row in found.governed.values()) if note
    } == set()  # accepted before: in force


def test_a_release_that_moves_to_another_file_is_the_same_release():
    world = Published(Repo())
    old = world.publish()
    world.repo.write("releases/prod/fraud.yaml", world.repo.text(PROD).encode())
    world.repo.sign("releases/prod/fraud.yaml")
    world.repo.remove(PROD)
    new = world.publish()
    assert world.last.affected == {FRAUD}
    assert (old.releases[FRAUD].path, new.releases[FRAUD].path) == (PROD, "releases/prod/fraud.yaml")
    assert new.releases[FRAUD].sha256 == old.releases[FRAUD].sha256
    assert standing(new, FRAUD).vouched


# --- whose file is it


@pytest.mark.parametrize(
    ("path", "key"),
    [
        pytest.param(PROD, FRAUD, id="in its place: the release of that name, held"),
        pytest.param("releases/prod/new.yml", key_of("prod", "new"), id="a new one"),
        pytest.param("models/fraud.yaml", None, id="outside the folder: nobody's"),
        pytest.param("releases/prod/team/fraud.yaml", None, id="deeper: nobody's"),
        pytest.param("releases/fraud.yaml", None, id="without an environment: nobody's"),
        pytest.param("releases/prod/Fraud Detector.yaml", None, id="no release can have that name"),
        pytest.param("releases/Prod Env/fraud.yaml", None, id="no environment can have that name"),
        pytest.param("releases/prod/.yaml", None, id="no name at all"),
    ],
)
def test_a_file_that_does_not_parse_belongs_to_the_release_of_its_path(path, key):
    repo = Repo()
    repo.write(path, (repo.text(PROD) + BROKEN).encode())
    found = snapshot(repo)
    assert [problem.path for problem in found.problems] == [path]
    assert found.releases.keys() - Published(Repo()).publish().releases.keys() == (
        {key} if key and key != FRAUD else set()
    )
    if key:
        assert found.releases[key].document is None
        assert found.releases[key].problem == str(found.problems[0])


def test_two_files_of_one_release_hold_it_and_when_one_goes_it_is_free():
    world = Published(Repo())
    world.publish()
    world.repo.write("copy.yaml", world.repo.text(PROD).encode())
    found = world.publish()
    assert found.doubles == {FRAUD: f"prod/fraud-detector is declared by copy.yaml and by {PROD}; keep one of them"}
    world.repo.remove("copy.yaml")
    assert world.publish().doubles == {}
    assert world.last.affected == {FRAUD}


def test_a_release_in_another_environments_folder_is_held_with_its_place():
    repo = Repo()
    text = repo.text(PROD).replace("name: fraud-detector\n  labels", "name: wrong\n  labels")
    repo.write("releases/staging/wrong.yaml", text.encode())
    found = snapshot(repo)
    assert found.releases[key_of("prod", "wrong")].document is None
    assert "move it to releases/prod/" in found.releases[key_of("prod", "wrong")].problem


def test_a_document_over_the_limit_is_a_problem_of_its_own():
    repo = Repo()
    repo.write(PROD, repo.text(PROD).encode() + b"#" * LIMIT)
    found = snapshot(repo)
    assert found.releases[FRAUD].document is None
    assert standing(found, CHAT).vouched


def test_problems_stand_in_the_order_of_paths():
    repo = Repo()
    for path in (PROD, ENVIRONMENT, "clusters/eu-1.yaml"):
        repo.write(path, (repo.text(path) + BROKEN).encode())
    assert [problem.path for problem in snapshot(repo).problems] == ["clusters/eu-1.yaml", ENVIRONMENT, PROD]


def test_a_daemon_that_starts_again_on_an_empty_trunk_keeps_what_was_accepted():
    world = Published(Repo())
    governed = world.publish().governed
    accepted = world.accepted
    world.repo.remove(*list(world.repo.files))
    found = world.afresh(accepted)
    assert found.governed.keys() == governed.keys()
    assert found.accepted() == accepted


def test_a_snapshot_of_files_is_what_the_daemon_would_publish():
    repo = Repo()
    found = snapshot_of(
        REPOSITORY,
        repo.files,
        revision=REVISION,
        read=repo.read,
        recall=repo.recall,
        trust=TRUST,
        accepted={},
        limit=LIMIT,
        now=NOW,
    )
    assert told(found) == told(snapshot(repo))
    assert (found.repository, found.revision, found.trust) == (REPOSITORY, REVISION, TRUST)
    assert set(found.documents("Cluster")) == {"eu-1", "us-1"}


def test_a_read_that_fails_is_made_up_for_by_the_next_publication():
    world = Published(Repo())
    world.publish()
    world.repo.edit(PROD, "version: 1.3.0", "version: 1.4.0")
    world.repo.edit(ENVIRONMENT, "depth: 3", "depth: 2")
    blob = world.repo.files[PROD]
    data = world.repo.blobs.pop(blob)
    with pytest.raises(KeyError):
        world.publish()
    world.repo.blobs[blob] = data
    found = world.publish()
    assert found.releases[FRAUD].document.spec.data["model"]["version"] == "1.4.0"
    assert {FRAUD, CHAT} <= world.last.affected


def test_a_release_that_very_many_files_claim_names_some_of_them():
    repo = Repo()
    for number in range(60):
        repo.write(f"copies/{number:02}.yaml", repo.blobs[repo.files[PROD]])
    (sentence,) = snapshot(repo).doubles.values()
    assert "copies/09.yaml and by 51 other files; keep one of them" in sentence
