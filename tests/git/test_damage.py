"""What happens when our own disk, or git itself, does not do what it should: a sentence, and then a new mirror."""

from datetime import datetime

import pytest

from reconciler.edges.git import Actor, Remote, Unchanged
from reconciler.edges.git.commit import commit_payload, stamp
from reconciler.edges.git.objects import Objects
from reconciler.edges.git.run import MAX_OUTPUT, Ending, Git
from reconciler.edges.git.walk import Trees
from reconciler.errors import Conflict, Misused, NotFound, Refused, Retry


def loose(upstream, oid):
    return upstream.folder / "objects" / oid[:2] / oid[2:]


@pytest.fixture
def objects(upstream):
    made = Objects(Git(upstream.folder))
    yield made
    made.close()


@pytest.mark.parametrize("kind", ["blob", "tree"])
def test_an_object_that_is_lost_makes_the_mirror_damaged_and_never_the_snapshot_smaller(upstream, objects, kind):
    head = upstream.commit({"in/a.yaml": b"a", "b.yaml": b"b"})
    loose(upstream, upstream.git("rev-parse", f"{head}:in" if kind == "tree" else f"{head}:b.yaml")).unlink()
    with pytest.raises(Retry, match=f"the {kind} .* is missing") as error:
        Trees(objects).walk(head)
    assert error.value.reason == "MirrorDamaged"
    assert objects.damaged


def test_a_file_that_is_lost_after_the_walk_is_damage_and_an_unknown_one_is_not_found(upstream, objects):
    trees = Trees(objects)
    head = upstream.commit({"a.yaml": b"a", "b.yaml": b"b"})
    files = trees.walk(head).files
    with pytest.raises(NotFound):
        trees.read("1" * 40)
    assert not objects.damaged
    loose(upstream, files["a.yaml"]).unlink()
    objects.close()
    with pytest.raises(Retry) as error:
        list(trees.read_many(list(files.values())))
    assert error.value.reason == "MirrorDamaged"
    assert trees.read(files["b.yaml"]) == b"b", "the process starts again for the next question"


def test_a_reading_process_that_cannot_start_is_damage(upstream, objects):
    head = upstream.commit({"a.yaml": b"a"})
    (upstream.folder / "HEAD").write_bytes(b"rubbish")
    with pytest.raises(Retry) as error:
        Trees(objects).walk(head)
    assert error.value.reason == "MirrorDamaged"


def test_a_damaged_mirror_is_repaired_by_the_next_poll(upstream, mirror):
    head = upstream.commit({"a.yaml": b"a"})
    mirror.poll(None, head)
    mirror.close()
    for pack in (mirror.folder / "objects/pack").iterdir():
        pack.unlink()
    with pytest.raises(Retry):
        mirror.trees.walk(head)
    assert mirror.poll(head, None) == Unchanged(revision=head)
    assert list(mirror.trees.walk(head).files) == ["a.yaml"]


def test_bytes_that_are_no_tree_are_refused_and_the_rest_goes_on(upstream, objects):
    rubbish = upstream.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=b"100644 a\0short")
    good = upstream.blob(b"a")
    tree = upstream.raw_tree(("100644", b"a.yaml", good), ("40000", b"blob", good), ("40000", b"odd", rubbish))
    snapshot = Trees(objects).walk(upstream.commit_tree(tree))
    assert list(snapshot.files) == ["a.yaml"]
    assert [entry.path for entry in snapshot.rejected] == ["blob", "odd"]
    assert str(snapshot.rejected[1]) == "odd is not a readable folder of at most 33554432 bytes."


def test_a_folder_that_says_it_is_a_file_is_refused(upstream, objects):
    inner = upstream.raw_tree(("100644", b"x", upstream.blob(b"x")))
    tree = upstream.raw_tree(("100644", b"a.yaml", upstream.blob(b"a")), ("100644", b"inner", inner))
    (entry,) = Trees(objects).walk(upstream.commit_tree(tree)).rejected
    assert entry.reason == "is not a file though its folder says so"


def test_a_folder_that_becomes_unreadable_takes_only_itself(upstream, objects):
    trees, good = Trees(objects), upstream.blob(b"a")
    inner = upstream.raw_tree(("100644", b"x", good))
    first = upstream.commit_tree(upstream.raw_tree(("100644", b"a.yaml", good), ("40000", b"in", inner)))
    second = upstream.commit_tree(upstream.raw_tree(("100644", b"a.yaml", good), ("40000", b"in", good)))
    assert set(trees.walk(first).files) == {"a.yaml", "in/x"}
    assert set(trees.walk(second).files) == {"a.yaml"}


def test_a_ref_that_somebody_else_holds_is_a_conflict_and_free_again_after_a_start(upstream, mirror, mirror_of):
    head = upstream.commit({"a.yaml": b"a"})
    mirror.fetch()
    lock = mirror.folder / "refs/accepted/trunk.lock"
    lock.parent.mkdir()
    lock.touch()
    with pytest.raises(Conflict):
        mirror.advance(None, head)
    again = mirror_of(mirror.remote, "example.com/acme/models")
    again.ensure()
    assert again.advance(head, None) == Unchanged(revision=head)


def test_more_output_than_we_read_ends_the_command(upstream):
    blob = upstream.blob(b"x" * (MAX_OUTPUT + 1))
    assert Git(upstream.folder).run(["cat-file", "blob", blob]).ending is Ending.TOO_MUCH


def test_a_machine_without_git_is_misuse(upstream, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Misused, match="git is not installed"):
        Git(upstream.folder).run(["version"])


def test_a_folder_that_cannot_be_written_is_an_error_with_its_name(tmp_path, upstream, mirror_of):
    mirror = mirror_of(Remote(url=upstream.url, branch="main", allow_file=True))
    mirror.folder.parent.write_text("a file where the folder should be")
    with pytest.raises(Misused, match=str(tmp_path)):
        mirror.ensure()


def test_a_commit_object_larger_than_the_limit_is_refused(upstream, objects):
    tree = upstream.raw_tree(("100644", b"a", upstream.blob(b"a")))
    big = upstream.git("commit-tree", tree, stdin=b"x" * 1_100_000)
    with pytest.raises(Refused, match="the limit is 1048576"):
        Trees(objects).commit(big)


def test_a_message_with_a_null_and_a_time_without_a_zone_are_misuse():
    actor = Actor(name="A", email="a@b")
    with pytest.raises(Misused, match="null"):
        commit_payload(
            tree="1" * 40,
            parents=(),
            author=actor,
            committer=actor,
            when=datetime.fromisoformat("2026-01-01T00:00:00Z"),
            message="a\0b",
        )
    with pytest.raises(Misused, match="time zone"):
        stamp(actor, datetime.fromisoformat("2026-01-01T00:00:00"))
