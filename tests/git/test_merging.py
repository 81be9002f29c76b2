"""What a merge would be: the tree that the forge will make too, in the mirror and on no branch."""

import pytest

from reconciler.edges.git import Conflicting, Merged, fork_point, merge
from reconciler.edges.git.checkout import Checkout
from reconciler.errors import Misused, Refused, Retry

HEAD = "refs/pull/7/head"


@pytest.fixture
def pull(upstream, mirror):
    """A base that moved on after the branch was made: (fork, base, head), all in the mirror."""
    fork = upstream.commit({"a.yaml": b"a: 1\n", "b.yaml": b"b: 1\n"})
    head = upstream.commit({"a.yaml": b"a: 2\n", "b.yaml": b"b: 1\n"}, fork, branch="change")
    base = upstream.commit({"a.yaml": b"a: 1\n", "b.yaml": b"b: 2\n"}, fork)
    upstream.git("update-ref", HEAD, head)
    mirror.fetch()
    mirror.fetch_head(HEAD, head)
    return fork, base, head


def test_both_changes_are_in_the_result(mirror, pull):
    _, base, head = pull
    made = merge(mirror, base, head)
    assert isinstance(made, Merged)
    files = mirror.trees.walk(made.revision).files
    assert {path: mirror.trees.read(blob) for path, blob in files.items()} == {"a.yaml": b"a: 2\n", "b.yaml": b"b: 2\n"}
    assert mirror.trees.commit(made.revision).parents == (base, head)


def test_the_same_two_commits_make_the_same_commit(mirror, pull):
    _, base, head = pull
    assert merge(mirror, base, head) == merge(mirror, base, head)


def test_a_conflict_names_the_paths(upstream, mirror, pull):
    _, base, head = pull
    other = upstream.commit({"a.yaml": b"a: 3\n", "b.yaml": b"b: 3\n"}, base)
    mirror.fetch()
    assert merge(mirror, other, head) == Conflicting(paths=("a.yaml",))


def test_histories_without_anything_in_common_are_refused(upstream, mirror, pull):
    stranger = upstream.commit({"z": b"z\n"}, branch="stranger")
    upstream.git("update-ref", "refs/pull/8/head", stranger)
    mirror.fetch_head("refs/pull/8/head", stranger)
    with pytest.raises(Refused, match="cannot be merged"):
        merge(mirror, pull[1], stranger)


def test_the_fork_point_is_where_both_began(mirror, pull):
    fork, base, head = pull
    assert fork_point(mirror, base, head) == fork


def test_a_head_that_moved_meanwhile_is_looked_at_again(upstream, mirror, pull):
    fork, _, head = pull
    upstream.git("update-ref", HEAD, upstream.commit({"a.yaml": b"a: 9\n"}, fork, branch="change"))
    mirror.fetch_head(HEAD, head)  # it is here
    with pytest.raises(Retry) as caught:
        mirror.fetch_head(HEAD, "f" * 40)
    assert caught.value.reason == "HeadMoved"


@pytest.mark.usefixtures("pull")
def test_a_forgotten_head_is_held_by_no_ref(mirror):
    mirror.forget_head(HEAD)
    assert "pull" not in mirror.git.run(["for-each-ref"]).stdout.decode()


@pytest.mark.parametrize(
    "ref", ["refs/heads/main", "refs/pull/0/head", "refs/pull/1/merge", "refs/pull/1/head/..", "-x"]
)
def test_nothing_else_is_fetched_as_a_head(mirror, ref):
    with pytest.raises(Misused):
        mirror.fetch_head(ref, "f" * 40)


def test_attributes_of_the_tree_run_no_merge_driver(upstream, mirror, tmp_path):
    marker = tmp_path / "ran"
    fork = upstream.commit({".gitattributes": b"* merge=evil\n", "a": b"1\n2\n3\n"})
    head = upstream.commit({".gitattributes": b"* merge=evil\n", "a": b"0\n2\n3\n"}, fork, branch="change")
    base = upstream.commit({".gitattributes": b"* merge=evil\n", "a": b"1\n2\n4\n"}, fork)
    upstream.git("update-ref", HEAD, head)
    upstream.git("config", "merge.evil.driver", f"touch {marker}")
    mirror.fetch()
    mirror.fetch_head(HEAD, head)
    assert isinstance(merge(mirror, base, head), Merged)
    assert not marker.exists()


def test_a_clone_comes_to_the_very_commit_that_the_daemon_planned(upstream, mirror, pull, tmp_path):
    _, base, head = pull
    clone = Checkout.clone(upstream.folder.as_uri(), tmp_path / "clone")
    assert clone.fetch(HEAD) == head
    assert clone.merge(base, head) == merge(mirror, base, head)
    assert clone.fork_point(base, head) == fork_point(mirror, base, head)


@pytest.mark.usefixtures("pull")
def test_neither_attributes_nor_drivers_of_a_clone_decide_what_a_merge_comes_to(upstream, mirror, pull, tmp_path):
    fork, _, head = pull
    other = upstream.commit({"a.yaml": b"a: 3\n", "b.yaml": b"b: 1\n"}, fork)
    mirror.fetch()
    clone = Checkout.clone(upstream.folder.as_uri(), tmp_path / "clone")
    clone.fetch(HEAD)
    (clone.top / ".gitattributes").write_text("*.yaml merge=mine\n")
    (clone.top / ".git" / "info").mkdir(exist_ok=True)
    (clone.top / ".git" / "info" / "attributes").write_text("*.yaml merge=union\n")
    clone.set_config("merge.mine.driver", f"touch {tmp_path}/ran")
    assert clone.merge(other, head) == merge(mirror, other, head) == Conflicting(paths=("a.yaml",))
    assert not (tmp_path / "ran").exists()
    assert clone.changed() == (".gitattributes",), "nothing of the work tree moves"
