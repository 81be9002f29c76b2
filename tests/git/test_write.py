"""Commits by plumbing that real git verifies, and pushes of which exactly one wins."""

import shutil
import subprocess
import threading
from datetime import UTC, datetime

import pytest

from reconciler.edges.git import Actor, Mirror, Remote, Writer
from reconciler.errors import Conflict, Misused, NotFound, Refused, Retry
from reconciler.model.ids import RepositoryName

LEDGER = "refs/heads/reconciler/ledger"
BOT = Actor(name="Reconciler", email="reconciler@example.com")
WHEN = datetime(2026, 12, 1, 9, 31, 7, tzinfo=UTC)


@pytest.fixture
def key(tmp_path):
    file = tmp_path / "bot"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bot", "-f", file], check=True)
    return file


@pytest.fixture
def sign(key):
    def run(payload):
        command = ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", key]
        return subprocess.run(command, input=payload, capture_output=True, check=True).stdout.decode()

    return run


@pytest.fixture
def save(sign):
    """A function that commits files with a writer; everything but the files and the base stays the same."""

    def run(writer, files, base=None, message="Record 1"):
        return writer.commit_files(files, base=base, message=message, author=BOT, committer=BOT, when=WHEN, sign=sign)

    return run


def test_a_commit_is_good_for_git_and_says_who_when_and_what(upstream, mirror, save, key, tmp_path):
    head = save(Writer(mirror), {"README.md": b"# Ledger\n"}, message="Promoted fraud-detector\n\nBecause: ü.\n\n")
    Writer(mirror).push(LEDGER, head, None)
    signers = tmp_path / "allowed_signers"
    signers.write_text(f"{BOT.email} {key.with_suffix('.pub').read_text()}")
    config = ["-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={signers}"]
    shown = upstream.git(*config, "log", "-1", "--format=%G?|%GS|%an|%ae|%cI|%s|%b", LEDGER)
    assert (
        shown == f"G|{BOT.email}|Reconciler|{BOT.email}|2026-12-01T09:31:07+00:00|Promoted fraud-detector|Because: ü."
    )
    upstream.git(*config, "verify-commit", head)
    upstream.git("fsck", "--strict")
    facts = mirror.trees.commit(head)
    assert facts.signed
    assert facts.committer_time == WHEN
    assert facts.author == BOT
    assert facts.parents == ()


def test_only_what_is_named_changes(upstream, mirror, save):
    writer = Writer(mirror)
    first = save(writer, {"a/b/1.json": b"1", "a/b/2.json": b"2", "c.md": b"c"})
    second = save(writer, {"a/b/2.json": None, 'a/3 ü".json': b"3", "c.md": b"\0binary\n"}, base=first)
    writer.push(LEDGER, second, None)
    names = upstream.git("ls-tree", "-r", "-z", "--name-only", LEDGER).strip("\0").split("\0")
    assert names == ['a/3 ü".json', "a/b/1.json", "c.md"]
    assert upstream.git("cat-file", "-p", f"{LEDGER}:c.md") == "\0binary"
    assert upstream.git("ls-tree", LEDGER, "c.md").startswith("100644 blob")
    assert mirror.trees.commit(second).parents == (first,)


def test_a_folder_may_become_a_file_and_back(mirror, save):
    writer = Writer(mirror)
    first = save(writer, {"x/a": b"1", "keep": b"k"})
    second = save(writer, {"x/a": None, "x": b"file"}, base=first)
    assert set(mirror.trees.walk(second).files) == {"x", "keep"}
    third = save(writer, {"x": None, "x/a": b"1"}, base=second)
    assert mirror.trees.walk(third).tree.id == mirror.trees.walk(first).tree.id


def test_the_same_files_on_the_same_base_are_the_same_commit(mirror, save):
    writer = Writer(mirror)
    assert save(writer, {"a": b"1"}) == save(writer, {"a": b"1"})


def test_no_ref_of_the_mirror_moves(mirror, save):
    save(Writer(mirror), {"a": b"1"})
    assert mirror.git.run(["for-each-ref"]).stdout == b""


@pytest.mark.parametrize("path", ["", ".", "/a", "a/", "../a", "a/../b", ".git/config", "a\nb", "a//b", "\udcff"])
def test_a_path_that_cannot_be_in_a_repository_is_misuse(mirror, save, path):
    with pytest.raises(Misused):
        save(Writer(mirror), {path: b"x"})


def test_nothing_to_commit_is_misuse_and_an_unknown_base_is_not_found(mirror, save):
    with pytest.raises(Misused, match="at least one file"):
        save(Writer(mirror), {})
    with pytest.raises(NotFound):
        save(Writer(mirror), {"a": b"1"}, base="1" * 40)


@pytest.mark.parametrize("name", ["", " A", "A\nauthor B <b@c> 1 +0000", "A <b@c>", "A\0"])
def test_a_name_that_could_be_read_as_something_else_is_misuse(mirror, sign, name):
    with pytest.raises(Misused):
        Writer(mirror).commit_files(
            {"a": b"1"},
            base=None,
            message="m",
            author=Actor(name=name, email="a@b"),
            committer=BOT,
            when=WHEN,
            sign=sign,
        )


def test_a_push_continues_what_the_remote_has(upstream, mirror, save):
    writer = Writer(mirror)
    first = save(writer, {"a": b"1"})
    writer.push(LEDGER, first, None)
    second = save(writer, {"a": b"2"}, base=first)
    writer.push(LEDGER, second, first)
    writer.push(LEDGER, second, first)  # a crash after the push: repeating it is fine
    assert upstream.git("rev-parse", LEDGER) == second
    assert mirror.fetch_ref(LEDGER) == second


def test_a_push_that_lost_the_race_is_a_conflict_and_changes_nothing(upstream, mirror, save):
    writer = Writer(mirror)
    first = save(writer, {"a": b"1"})
    writer.push(LEDGER, first, None)
    theirs = upstream.commit({"b": b"theirs"}, first, branch="reconciler/ledger")
    ours = save(writer, {"a": b"ours"}, base=first)
    with pytest.raises(Conflict, match="moved meanwhile"):
        writer.push(LEDGER, ours, first)
    with pytest.raises(Conflict):
        writer.push(LEDGER, ours, None)
    assert upstream.git("rev-parse", LEDGER) == theirs
    assert mirror.fetch_ref(LEDGER) == theirs
    again = save(writer, {"a": b"ours"}, base=theirs)
    writer.push(LEDGER, again, theirs)
    assert upstream.git("rev-parse", LEDGER) == again


def test_a_ref_that_disappeared_is_a_conflict(upstream, mirror, save):
    writer = Writer(mirror)
    first = save(writer, {"a": b"1"})
    writer.push(LEDGER, first, None)
    upstream.git("update-ref", "-d", LEDGER)
    with pytest.raises(Conflict):
        writer.push(LEDGER, save(writer, {"a": b"2"}, base=first), first)


def test_history_is_never_replaced(upstream, mirror, save):
    writer = Writer(mirror)
    first = save(writer, {"a": b"1"})
    writer.push(LEDGER, first, None)
    with pytest.raises(Refused, match="does not continue"):
        writer.push(LEDGER, save(writer, {"a": b"other"}), first)
    assert upstream.git("rev-parse", LEDGER) == first


def test_of_writers_that_push_at_once_exactly_one_wins(upstream, tmp_path, save):
    remote = Remote(url=upstream.url, branch="main", allow_file=True)
    mirrors = [Mirror(tmp_path / f"home{n}", RepositoryName("r"), remote) for n in range(4)]
    start = threading.Barrier(len(mirrors))
    ends = {}

    def work(number, mirror):
        head = save(Writer(mirror), {"who": b"%d" % number})
        start.wait()
        try:
            Writer(mirror).push(LEDGER, head, None)
            ends[number] = head
        except Conflict:
            ends[number] = "conflict"

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(mirrors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for mirror in mirrors:
        mirror.close()
    assert sorted(end == "conflict" for end in ends.values()) == [False, True, True, True]
    assert upstream.git("rev-parse", LEDGER) in ends.values()


def test_a_push_that_the_remote_does_not_want_is_refused_with_its_words(upstream, mirror, save):
    upstream.git("config", "transfer.hideRefs", "refs/heads/reconciler")
    with pytest.raises(Refused, match="deny updating a hidden ref"):
        Writer(mirror).push(LEDGER, save(Writer(mirror), {"a": b"1"}), None)


def test_a_remote_that_cannot_be_reached_is_tried_again(upstream, mirror, save):
    head = save(Writer(mirror), {"a": b"1"})
    shutil.rmtree(upstream.folder)
    with pytest.raises(Retry) as error:
        Writer(mirror).push(LEDGER, head, None)
    assert error.value.reason == "PushFailed"


@pytest.mark.parametrize("ref", ["main", "--all", "refs/heads/a..b", "refs/heads/*", "refs/replace/x", "+refs/heads/a"])
def test_only_a_plain_ref_is_pushed_to(mirror, save, ref):
    head = save(Writer(mirror), {"a": b"1"})
    with pytest.raises(Misused):
        Writer(mirror).push(ref, head, None)


def test_a_branch_of_ours_goes_while_it_is_what_we_left_there(upstream, mirror, save):
    writer, ref = Writer(mirror), "refs/heads/reconciler/promote/prod/fraud/0123456789"
    ours = save(writer, {"a": b"1"})
    writer.push(ref, ours, None)
    theirs = save(writer, {"b": b"2"}, base=ours)
    writer.push(ref, theirs, ours)
    with pytest.raises(Conflict):
        writer.delete(ref, ours)
    assert upstream.git("rev-parse", ref) == theirs
    writer.delete(ref, theirs)
    assert upstream.git("for-each-ref", ref) == ""
    writer.delete(ref, theirs)  # gone is gone
