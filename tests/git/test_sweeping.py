"""What no ref leads to goes after its time, and nothing else does."""

import os
import time

from reconciler.edges.git import Moved, merge
from reconciler.edges.git.sweeping import EVERY, sweep


def reachable(mirror, *revisions):
    return [info is not None for info in mirror.objects.info(list(revisions))]


def fetched(upstream, mirror):
    """A trunk, a head beside it, and what merging them would be."""
    base = upstream.commit({"a": b"1"})
    head = upstream.commit({"b": b"2"}, base, branch="pull")
    upstream.git("update-ref", "refs/pull/7/head", head)
    trunk = upstream.commit({"a": b"3"}, base)
    assert isinstance(mirror.poll(None, base), Moved)
    mirror.fetch_head("refs/pull/7/head", head)
    return trunk, head, merge(mirror, trunk, head).revision


def due(mirror):
    """The last time was a day ago."""
    sweep(mirror)
    long_ago = time.time() - EVERY - 1
    os.utime(mirror.folder / "swept", (long_ago, long_ago))


def test_results_of_merges_and_forgotten_heads_go_after_their_time_and_the_trunk_stays(upstream, mirror):
    trunk, head, result = fetched(upstream, mirror)
    due(mirror)
    time.sleep(1.1)  # git counts in seconds
    assert sweep(mirror, kept="now")
    assert reachable(mirror, trunk, head, result) == [True, True, False], "the head is still followed"
    mirror.forget_head("refs/pull/7/head")
    due(mirror)
    time.sleep(1.1)
    assert sweep(mirror, kept="now")
    assert reachable(mirror, trunk, head, result) == [True, False, False]
    assert merge(mirror, trunk, trunk).revision


def test_nothing_that_is_new_goes(upstream, mirror):
    trunk, head, result = fetched(upstream, mirror)
    blob = mirror.write_blob(b"a vote that waits for the ledger")
    mirror.forget_head("refs/pull/7/head")
    due(mirror)
    assert sweep(mirror)
    assert reachable(mirror, trunk, head, result, blob) == [True] * 4
    due(mirror)
    assert sweep(mirror), "and neither does it the next day"
    assert reachable(mirror, trunk, head, result, blob) == [True] * 4


def test_it_is_done_once_a_day(upstream, mirror):
    fetched(upstream, mirror)
    assert [sweep(mirror), sweep(mirror)] == [False, False], "a new mirror has nothing to let go of"
    due(mirror)
    assert [sweep(mirror), sweep(mirror)] == [True, False]


def test_a_mirror_that_is_swept_goes_on_and_stays_the_one_that_it_was(upstream, mirror):
    trunk, *_ = fetched(upstream, mirror)
    due(mirror)
    sweep(mirror, kept="now")
    mirror._open = False  # as after a restart: it is looked at before it is believed
    assert mirror.contains(trunk, trunk)
    assert mirror.trees.walk(trunk).files.keys() == {"a"}
    newer = upstream.commit({"a": b"4"}, trunk)
    assert mirror.poll(trunk, None) == Moved(old=trunk, new=newer)
