"""A work tree as it is planned and approved: read once, and no more of it than the daemon would read."""

import pytest

from reconciler.cli.worktree import read_tree
from reconciler.edges.git.checkout import Checkout
from reconciler.errors import NotFound


def test_a_file_that_changes_while_it_is_read_is_what_it_was_named_for(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_bytes(b"before")
    files, read = read_tree(tmp_path)
    file.write_bytes(b"after")
    assert read(files["a.yaml"]) == b"before"


def test_links_and_large_files_are_left_out(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"a")
    (tmp_path / "link.yaml").symlink_to("a.yaml")
    (tmp_path / "large.yaml").write_bytes(b"x" * 300_000)
    files, read = read_tree(tmp_path)
    assert list(files) == ["a.yaml"]
    with pytest.raises(NotFound):
        read("0" * 40)


def test_what_is_no_document_and_what_git_ignores_is_left_out(tmp_path):
    clone = Checkout.init(tmp_path / "clone")
    vote = clone.top / "approvals" / "prod" / "fraud" / "ada.sig"
    vote.parent.mkdir(parents=True)
    vote.write_bytes(b"vote")
    (clone.top / ".gitignore").write_text("scratch/\n")
    (clone.top / "scratch").mkdir()
    (clone.top / "scratch" / "a.yaml").write_bytes(b"a")
    (clone.top / "model.bin").write_bytes(b"m")
    files, read = read_tree(clone.top)
    assert {path: read(blob) for path, blob in files.items()} == {"approvals/prod/fraud/ada.sig": b"vote"}
