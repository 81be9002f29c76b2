"""A work tree as it is planned and approved: read once, and no more of it than the daemon would read."""

import pytest

from reconciler.cli.worktree import read_tree
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
    (tmp_path / "model.bin").write_bytes(b"x" * 300_000)
    files, read = read_tree(tmp_path)
    assert list(files) == ["a.yaml"]
    with pytest.raises(NotFound):
        read("0" * 40)
