"""A person's clone: commits with real git, in an environment that nothing of the machine reaches."""

from datetime import UTC, datetime

import pytest
from cli_world import ADA, CLUSTER

from reconciler.edges.git import Actor
from reconciler.edges.git.checkout import Checkout, history
from reconciler.errors import Misused, NotFound, Refused

BO = Actor(name="Bo", email="bo@example.com")
WHEN = datetime(2026, 11, 1, 9, tzinfo=UTC)


@pytest.fixture
def upstream(world):
    """A bare repository that the world's clone pushes to."""
    bare = Checkout.init_bare(world.folder / "upstream.git")
    world.checkout._run(["remote", "add", "origin", bare.as_uri()])
    world.checkout.push()
    return bare


def test_a_commit_says_who_and_when(world):
    world.write("clusters/eu-1.yaml", CLUSTER + "#\n")
    revision = world.checkout.commit("Change eu-1\n\nBecause.", BO, when=WHEN)
    assert world.checkout.head() == revision
    with history(world.root) as opened:
        found = opened.commit(revision)
    assert (found.author, found.committer) == (BO, BO)
    assert (found.author_time, found.committer_time) == (WHEN, WHEN)
    assert (found.subject, found.message) == ("Change eu-1", "Change eu-1\n\nBecause.\n")


def test_the_same_commit_at_the_same_time_is_the_same_revision(tmp_path):
    revisions = set()
    for name in ("a", "b"):
        checkout = Checkout.init(tmp_path / name)
        (checkout.top / "file").write_text("x")
        revisions.add(checkout.commit("first", ADA, when=WHEN))
    assert len(revisions) == 1


def test_only_the_named_paths_are_committed(world):
    world.write("one", "1")
    world.write("two", "2")
    world.checkout.commit("one", ADA, paths=["one"])
    assert world.checkout.changed() == ("two",)


def test_nothing_to_commit_is_refused(world):
    with pytest.raises(Refused, match="there is nothing to commit"):
        world.checkout.commit("nothing", ADA)


def test_changed_names_new_and_changed_files_and_not_deleted_ones(world):
    world.write("clusters/eu-1.yaml", CLUSTER + "#\n")
    world.write("new folder/ü.yaml", "x")
    (world.root / "environments/prod.yaml").unlink()
    assert world.checkout.changed() == ("clusters/eu-1.yaml", "new folder/ü.yaml")
    assert "environments/prod.yaml" not in world.checkout.files()


def test_a_revert_brings_the_old_bytes_back(world):
    world.write("clusters/eu-1.yaml", CLUSTER + "#\n")
    bad = world.checkout.commit("change", ADA)
    reverted = world.checkout.revert(bad, BO, when=WHEN)
    assert (world.root / "clusters/eu-1.yaml").read_text() == CLUSTER
    assert world.checkout.head() == reverted
    world.write("clusters/eu-1.yaml", "other\n")
    world.checkout.commit("other", ADA)
    with pytest.raises(Refused, match="could not be reverted"):
        world.checkout.revert(bad, BO)
    assert world.checkout.changed() == ()


def test_a_reset_goes_back_to_a_commit_with_every_file_and_takes_no_option_for_one(world):
    first = world.checkout.head()
    world.write("clusters/eu-1.yaml", CLUSTER + "#\n")
    world.checkout.commit("second", ADA)
    world.checkout.reset(first)
    assert (world.checkout.head(), world.checkout.changed()) == (first, ())
    assert (world.root / "clusters/eu-1.yaml").read_text() == CLUSTER
    with pytest.raises(Misused):
        world.checkout.reset("--soft")


def test_clones_push_and_pull_and_a_lost_race_is_refused(world, upstream):
    clone = Checkout.clone(upstream.as_uri(), world.folder / "other")
    assert clone.head() == world.checkout.head()
    (clone.top / "from-bo").write_text("x")
    theirs = clone.commit("from bo", BO)
    clone.push()
    world.write("from-ada", "x")
    world.checkout.commit("from ada", ADA)
    with pytest.raises(Refused, match="main could not be pushed"):
        world.checkout.push()
    with pytest.raises(Refused, match="main could not be pulled"):
        world.checkout.pull()
    third = Checkout.clone(str(upstream), world.folder / "third")
    assert third.pull() == theirs


def test_the_first_commit_may_come_from_a_clone_of_an_empty_repository(tmp_path):
    bare = Checkout.init_bare(tmp_path / "upstream.git")
    first = Checkout.clone(str(bare), tmp_path / "first")
    (first.top / "file").write_text("x")
    revision = first.commit("first", ADA)
    first.push()
    assert Checkout.clone(str(bare), tmp_path / "second").head() == revision
    with pytest.raises(Refused, match="exists already"):
        Checkout.init_bare(bare)


def test_a_clone_of_another_machine_is_not_made(tmp_path):
    for url in ("https://git.example.com/acme/models.git", "ext::touch x", "../relative"):
        with pytest.raises(Misused):
            Checkout.clone(url, tmp_path / "clone")


def test_settings_of_the_clone_stand_before_those_of_the_person(world):
    assert world.checkout.config("user.signingkey") == ""
    (world.folder / ".config/git").mkdir(parents=True)
    (world.folder / ".config/git/config").write_text("[user]\n\tsigningkey = general\n\tname = Ada\n")
    assert world.checkout.config("user.signingkey") == "general"
    (world.folder / ".gitconfig").write_text("[user]\n\tsigningkey = personal\n")
    assert world.checkout.config("user.signingkey") == "personal"
    assert world.checkout.config("user.name") == "Ada"
    world.checkout.set_config("user.signingkey", "the clone's\nown")
    assert world.checkout.config("user.signingkey") == "the clone's\nown"


def test_nothing_that_lies_in_a_clone_is_run(world):
    marker = world.folder / "marker"
    hook = world.root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o700)
    world.checkout.set_config("core.fsmonitor", f"touch {marker}")
    world.write("one", "1")
    world.checkout.commit("one", ADA)
    assert not marker.exists()


def test_the_clone_around_a_folder_is_found(world, tmp_path_factory):
    assert Checkout.find(world.root / "releases/prod").top == world.root.resolve()
    with pytest.raises(Misused, match="is not in a Git repository"):
        Checkout.find(tmp_path_factory.mktemp("elsewhere"))


def test_what_is_there_already_is_not_made_again(world):
    with pytest.raises(Refused, match="is a Git repository already"):
        Checkout.init(world.root)
    with pytest.raises(Refused, match="exists already"):
        Checkout.clone(str(world.root), world.folder)


def test_a_linked_work_tree_is_a_clone_like_any_other(world):
    linked = world.folder / "linked"
    world.checkout._run(["worktree", "add", "--quiet", "-b", "side", str(linked)])
    checkout = Checkout.find(linked)
    (linked / "side").write_text("x")
    assert checkout.changed() == ("side",)
    assert checkout.commit("side", ADA) != world.checkout.head()


def test_history_reads_committed_files_and_names_what_it_does_not(world):
    (world.root / "link.yaml").symlink_to("README.md")
    revision = world.checkout.commit("link", ADA)
    with history(world.root) as opened:
        files, rejected = opened.read(revision, suffixes=(".yaml",))
        assert files["clusters/eu-1.yaml"] == CLUSTER.encode()
        assert [entry.path for entry in rejected] == ["link.yaml"]
        assert opened.resolve(revision[:12]) == opened.resolve("main") == revision
        for name in ("none", "--all", ""):
            with pytest.raises((NotFound, Misused)):
                opened.resolve(name)


def test_a_folder_that_is_not_in_the_commit_is_not_found(world):
    with history(world.root) as opened, pytest.raises(NotFound, match="'none'"):
        opened.read(opened.resolve("HEAD"), "none")


def test_a_new_repository_has_no_head(tmp_path):
    with pytest.raises(NotFound):
        Checkout.init(tmp_path / "new").head()


@pytest.mark.usefixtures("upstream")
def test_no_program_of_the_clones_settings_is_run(world):
    """A clone may come from anybody: as an archive, its .git/config with it."""
    ran = world.folder / "ran"
    ran.mkdir()
    for key in ("filter.x.clean", "filter.x.smudge", "filter.x.process", "merge.x.driver", "core.fsmonitor",
                "remote.origin.uploadpack", "remote.origin.receivepack", "diff.external", "core.editor"):  # fmt: skip
        world.checkout.set_config(key, f"touch {ran}/{key}; cat")
    world.checkout.set_config("filter.x.required", "true")
    (world.root / ".gitattributes").write_text("* filter=x merge=x diff=x\n")
    world.write("clusters/eu-1.yaml", CLUSTER + "#\n")
    assert "clusters/eu-1.yaml" in world.checkout.changed()
    changed = world.checkout.commit("change", ADA)
    world.checkout.push()
    world.checkout.pull()
    world.checkout.revert(changed, ADA)
    world.write("clusters/eu-1.yaml", CLUSTER + "#\n")
    world.checkout.commit("again", ADA)
    world.write("clusters/eu-1.yaml", CLUSTER + "##\n")
    world.checkout.commit("and again", ADA)
    with pytest.raises(Refused):
        world.checkout.revert(changed, ADA)
    assert sorted(file.name for file in ran.iterdir()) == []


def test_a_link_to_itself_is_no_clone(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(Misused, match=r"leads nowhere|not in a Git repository"):
        Checkout.find(tmp_path / "loop")
