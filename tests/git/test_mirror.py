"""How the accepted revision moves: forward only, from real remotes, with a mirror that may be lost at any time."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from reconciler.edges.git import Missing, Moved, NotFromStart, Remote, Rewritten, SshKey, Unchanged
from reconciler.errors import Misused, Retry

FILE = {"releases/prod/fraud.yaml": b"version: 1\n"}


def test_the_first_poll_accepts_a_branch_that_contains_the_start(upstream, mirror):
    first = upstream.commit(FILE)
    second = upstream.commit({"a.yaml": b"2"}, first)
    assert mirror.poll(None, first) == Moved(old=None, new=second)
    assert mirror.poll(second, first) == Unchanged(revision=second)


def test_without_a_start_nothing_is_accepted_first(upstream, mirror):
    upstream.commit(FILE)
    with pytest.raises(Misused, match="set `start`"):
        mirror.poll(None, None)


def test_a_branch_that_does_not_contain_the_start_is_not_accepted(upstream, mirror):
    start = upstream.commit(FILE, branch="other")
    unrelated = upstream.commit({"b.yaml": b"b"})
    assert mirror.poll(None, start) == NotFromStart(start=start, advertised=unrelated)


def test_a_start_that_exists_nowhere_is_not_accepted(upstream, mirror):
    head = upstream.commit(FILE)
    assert mirror.poll(None, "1" * 40) == NotFromStart(start="1" * 40, advertised=head)


def test_a_push_moves_the_accepted_revision_forward(upstream, mirror):
    first = upstream.commit(FILE)
    mirror.poll(None, first)
    second = upstream.commit({"a.yaml": b"2"}, first)
    third = upstream.commit({"a.yaml": b"3"}, second)
    assert mirror.poll(first, None) == Moved(old=first, new=third)
    assert mirror.git.run(["rev-parse", "refs/accepted/trunk"]).stdout.decode().strip() == third


@pytest.mark.parametrize("back", [True, False], ids=["unrelated history", "an older commit"])
def test_a_force_pushed_branch_is_reported_and_the_last_good_revision_stays(upstream, mirror, back):
    first = upstream.commit(FILE)
    second = upstream.commit({"a.yaml": b"2"}, first)
    mirror.poll(None, first)
    forced = upstream.commit({"evil.yaml": b"e"}) if back else first
    upstream.git("update-ref", "refs/heads/main", forced)
    for _ in range(2):
        assert mirror.poll(second, first) == Rewritten(accepted=second, advertised=forced)
    assert mirror.trees.walk(second).files["a.yaml"]
    assert mirror.git.run(["rev-parse", "refs/accepted/trunk"]).stdout.decode().strip() == second
    assert mirror.poll(forced, None) == Unchanged(revision=forced), "a person accepted the rewritten trunk"


def test_a_rewritten_branch_is_seen_with_a_new_disk_too(upstream, mirror):
    first = upstream.commit(FILE)
    mirror.poll(None, first)
    forced = upstream.commit({"evil.yaml": b"e"})
    upstream.git("gc", "--quiet", "--prune=now")
    mirror.close()
    shutil.rmtree(mirror.folder)
    assert mirror.poll(first, first) == Rewritten(accepted=first, advertised=forced)


def test_a_deleted_branch_is_missing_and_what_was_accepted_stays(upstream, mirror):
    first = upstream.commit(FILE)
    mirror.poll(None, first)
    upstream.git("update-ref", "-d", "refs/heads/main")
    assert mirror.advertised() is None
    assert mirror.fetch() is None
    assert mirror.poll(first, first) == Missing(ref="refs/heads/main")
    assert mirror.trees.walk(first).files
    upstream.git("update-ref", "refs/heads/main", first)
    assert mirror.poll(first, first) == Unchanged(revision=first)


def test_an_empty_repository_is_missing_its_branch(mirror):
    assert mirror.poll(None, "1" * 40) == Missing(ref="refs/heads/main")


def test_a_branch_whose_name_ends_like_ours_is_not_ours(upstream, mirror):
    upstream.commit(FILE, branch="x/refs/heads/main")
    assert mirror.advertised() is None


def test_an_unreachable_remote_is_an_error_and_never_an_empty_repository(upstream, mirror):
    first = upstream.commit(FILE)
    mirror.poll(None, first)
    shutil.move(upstream.folder, upstream.folder.with_name("gone"))
    with pytest.raises(Retry, match="refs/heads/main") as error:
        mirror.poll(first, first)
    assert error.value.reason == "FetchFailed"
    assert mirror.trees.walk(first).files


def test_judging_before_the_first_fetch_is_an_error(upstream, mirror):
    first = upstream.commit(FILE)
    with pytest.raises(Retry, match="not been fetched"):
        mirror.advance(first, first)


def test_a_quiet_poll_starts_one_process(upstream, mirror, monkeypatch):
    first = upstream.commit(FILE)
    mirror.poll(None, first)
    started = []
    run = type(mirror.git).run
    monkeypatch.setattr(
        type(mirror.git), "run", lambda self, args, **more: started.append(args[0]) or run(self, args, **more)
    )
    assert mirror.poll(first, None) == Unchanged(revision=first)
    assert started == ["ls-remote"]


def test_a_mirror_that_was_deleted_in_between_is_made_anew(upstream, mirror):
    first = upstream.commit(FILE)
    mirror.poll(None, first)
    mirror.trees.walk(first)
    shutil.rmtree(mirror.folder)
    second = upstream.commit({"a.yaml": b"2"}, first)
    assert mirror.poll(first, first) == Moved(old=first, new=second)
    assert set(mirror.trees.walk(second).files) == {"a.yaml", "releases/prod/fraud.yaml"}


def test_packs_that_were_destroyed_are_seen_and_fetched_again(upstream, mirror):
    first = upstream.commit(FILE)
    mirror.poll(None, first)
    mirror.close()
    for pack in (mirror.folder / "objects/pack").glob("*.pack"):
        pack.chmod(0o600)
        pack.write_bytes(b"rubbish")
    with pytest.raises(Retry) as error:
        mirror.trees.walk(first)
    assert error.value.reason == "MirrorDamaged"
    assert mirror.poll(first, None) == Unchanged(revision=first)
    assert mirror.trees.walk(first).files


@pytest.mark.parametrize("file", ["HEAD", "config", "packed-refs"])
def test_a_file_of_the_mirror_that_holds_rubbish_costs_nothing_but_a_fetch(upstream, mirror, file):
    first = upstream.commit(FILE)
    mirror.poll(None, first)
    (mirror.folder / file).write_bytes(b"\0rubbish\n")
    second = upstream.commit({"a.yaml": b"2"}, first)
    assert mirror.poll(first, None) == Moved(old=first, new=second)
    assert mirror.trees.walk(second).files


def test_damage_found_while_fetching_is_repaired_in_the_same_poll(upstream, mirror):
    first = upstream.commit(FILE)
    mirror.poll(None, first)
    for pack in (mirror.folder / "objects/pack").glob("pack-*"):
        pack.chmod(0o600)
        pack.write_bytes(b"")
    second = upstream.commit({"a.yaml": b"2"}, first)
    assert mirror.poll(first, None) == Moved(old=first, new=second)
    assert mirror.trees.walk(second).files["a.yaml"]


def test_a_second_process_start_uses_the_mirror_that_is_there(upstream, mirror, mirror_of):
    first = upstream.commit(FILE)
    mirror.poll(None, first)
    again = mirror_of(mirror.remote, "example.com/acme/models")
    assert again.folder == mirror.folder
    again.ensure()
    assert again.advance(first, None) == Unchanged(revision=first)


@pytest.mark.parametrize("victim", ["objects/info/alternates", "info/grafts", "shallow", "config"])
def test_a_mirror_that_reads_from_elsewhere_is_made_anew_at_start(upstream, mirror, mirror_of, victim):
    first = upstream.commit(FILE)
    mirror.poll(None, first)
    mirror.close()
    file = mirror.folder / victim
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{upstream.folder}/objects\n")
    again = mirror_of(mirror.remote, "example.com/acme/models")
    assert again.poll(first, None) == Unchanged(revision=first)
    assert victim == "config" or not file.exists()


def test_the_reading_process_may_die_at_any_time(upstream, mirror):
    first = upstream.commit(FILE)
    mirror.poll(None, first)
    blob = mirror.trees.walk(first).files["releases/prod/fraud.yaml"]
    killed = mirror.objects.pid
    os.kill(killed, signal.SIGKILL)
    assert mirror.trees.read(blob) == b"version: 1\n"
    assert mirror.objects.pid not in {None, killed}


def test_a_shallow_remote_is_refused(upstream, tmp_path, mirror_of):
    first = upstream.commit(FILE)
    upstream.commit({"a.yaml": b"2"}, first)
    shallow = tmp_path / "shallow"
    upstream.git("clone", "--quiet", "--bare", "--depth=1", upstream.url, str(shallow))
    mirror = mirror_of(Remote(url=str(shallow), branch="main", allow_file=True))
    with pytest.raises(Retry, match="shallow") as error:
        mirror.poll(None, first)
    assert error.value.reason == "FetchRefused"
    assert not (mirror.folder / "shallow").exists()


def test_a_remote_that_lost_objects_is_refused(upstream, mirror):
    first = upstream.commit(FILE)
    blob = upstream.blob(b"version: 1\n")
    (upstream.folder / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(Retry):
        mirror.poll(None, first)
    assert not list(mirror.folder.glob("refs/**/trunk"))


def test_a_pack_over_the_limit_is_cut_off_and_leaves_nothing(upstream, mirror_of):
    first = upstream.commit({"big.bin": os.urandom(3_000_000)})
    mirror = mirror_of(Remote(url=upstream.url, branch="main", allow_file=True, fetch_limit=1_000_000))
    with pytest.raises(Retry, match=r"more than 0\.95\d* MiB") as error:
        mirror.poll(None, first)
    assert error.value.reason == "FetchRefused"
    assert not list((mirror.folder / "objects/pack").iterdir())
    second = upstream.commit({"small.yaml": b"s"})
    assert mirror.poll(None, second) == Moved(old=None, new=second), "the next good push is fetched"


def test_many_fetches_do_not_leave_many_packs(upstream, mirror):
    head = start = upstream.commit(FILE)
    mirror.poll(None, start)
    for number in range(36):
        head = upstream.commit({"a.yaml": b"%d" % number}, head)
        mirror.fetch()
    assert len(list((mirror.folder / "objects/pack").glob("*.pack"))) < 30
    assert mirror.advance(start, None) == Moved(old=start, new=head)
    assert mirror.trees.walk(head).files["a.yaml"]


def test_another_ref_is_fetched_wherever_it_moves(upstream, mirror):
    assert mirror.fetch_ref("refs/heads/reconciler/ledger") is None
    for content in (b"1", b"2"):  # the second is not a descendant of the first
        head = upstream.commit({"README.md": content}, branch="reconciler/ledger")
        assert mirror.fetch_ref("refs/heads/reconciler/ledger") == head
        assert mirror.trees.walk(head).files
    with pytest.raises(Misused):
        mirror.fetch_ref("--upload-pack=evil")


def test_a_remote_that_does_not_answer_is_given_up_and_its_processes_end(tmp_path, monkeypatch, mirror_of):
    """A program named ssh that sleeps, and a child of it that sleeps: both are gone after the time is up."""
    tools, pids = tmp_path / "tools", tmp_path / "pids"
    tools.mkdir()
    (tools / "ssh").write_text(f"#!/bin/sh\necho $$ >> {pids}\n(echo x; sleep 60) & echo $! >> {pids}\nwait\n")
    (tools / "ssh").chmod(0o755)
    key, hosts = tmp_path / "key", tmp_path / "hosts"
    key.touch()
    hosts.touch()
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    remote = Remote(
        url="ssh://git@example.com/acme/models.git",
        branch="main",
        credentials=SshKey(file=key, known_hosts=hosts),
        fetch_timeout=1.0,
    )
    with pytest.raises(Retry, match="did not end within 1 seconds") as error:
        mirror_of(remote).advertised()
    assert error.value.reason == "FetchFailed"
    for pid in pids.read_text().split():
        for _ in range(100):
            if not _runs(pid):
                break
            time.sleep(0.05)
        assert not _runs(pid)


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
