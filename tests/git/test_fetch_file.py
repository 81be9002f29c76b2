"""One small file that a ref of the remote points to, and bytes that come from elsewhere."""

import os

import pytest

from reconciler.digest import blob_id
from reconciler.edges.git import Missing
from reconciler.edges.git import mirror as mirrors
from reconciler.errors import Misused, Refused, Retry

REF = "refs/reconciler/approvals/prod/fraud/cy"


def push(upstream, files, ref=REF):
    commit = upstream.commit(files, branch="scratch")
    upstream.git("update-ref", ref, commit)
    return commit


def test_the_file_at_the_top_of_what_a_ref_points_to_is_read_and_no_ref_of_it_is_kept(upstream, mirror):
    head = push(upstream, {"approval.sig": b"block\n"})
    found = mirror.fetch_file(REF, "approval.sig", 100)
    assert found == (head, blob_id(b"block\n"), b"block\n")
    assert mirror.git.run(["for-each-ref", "refs/others"]).stdout == b""
    assert mirror.trees.read(blob_id(b"block\n")) == b"block\n"


def test_it_is_read_anew_wherever_the_ref_moves_and_also_where_a_folder_was(upstream, mirror):
    push(upstream, {"approval.sig": b"1"})
    assert mirror.fetch_file(REF, "approval.sig", 100)[2] == b"1"
    upstream.git("update-ref", "-d", REF)
    push(upstream, {"approval.sig": b"2"}, f"{REF}/second")
    assert mirror.fetch_file(f"{REF}/second", "approval.sig", 100)[2] == b"2"


@pytest.mark.parametrize("files", [{"other.sig": b"x"}, {"approval.sig/x": b"x"}])
def test_a_commit_without_such_a_file_has_none(upstream, mirror, files):
    push(upstream, files)
    assert mirror.fetch_file(REF, "approval.sig", 100) is None


def test_a_ref_that_is_not_there_is_none_and_one_that_is_no_ref_is_refused(upstream, mirror):
    push(upstream, {"approval.sig": b"x"})
    assert mirror.fetch_file(f"{REF}x", "approval.sig", 100) is None
    with pytest.raises(Misused):
        mirror.fetch_file("--upload-pack=evil", "approval.sig", 100)


def test_a_large_file_is_refused(upstream, mirror):
    push(upstream, {"approval.sig": b"x" * 101})
    with pytest.raises(Refused, match="the limit is 100"):
        mirror.fetch_file(REF, "approval.sig", 100)


def test_more_than_a_small_file_is_cut_off_whatever_the_limit_of_fetches(upstream, mirror, monkeypatch):
    monkeypatch.setattr(mirrors, "_SMALL", 2000)
    push(upstream, {"approval.sig": b"x", "more": os.urandom(50_000)})
    with pytest.raises(Retry) as error:
        mirror.fetch_file(REF, "approval.sig", 100)
    assert error.value.reason == "FetchRefused"
    assert f"Fetching {REF} of " in error.value.message
    assert "limits.fetch" not in error.value.message


def test_bytes_from_elsewhere_are_kept_under_the_name_that_git_gives_them(mirror):
    for _ in range(2):
        assert mirror.write_blob(b"a block") == blob_id(b"a block")
    assert mirror.trees.read(blob_id(b"a block")) == b"a block"


def test_it_changes_nothing_of_the_branch(upstream, mirror):
    assert isinstance(mirror.poll(None, "1" * 40), Missing)
    push(upstream, {"approval.sig": b"x"})
    assert mirror.fetch_file(REF, "approval.sig", 100)
    assert isinstance(mirror.poll(None, "1" * 40), Missing)
