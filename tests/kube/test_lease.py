"""Who leads: two contenders for one Lease, on both servers."""

import time
from datetime import UTC, datetime

from reconciler.edges.kube.lease import Lease

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)


def contender(cluster, namespace, name, seconds=15):
    return Lease(cluster, namespace, holder=name, seconds=seconds)


def test_the_first_one_leads_and_the_second_one_stands_by(cluster, namespace):
    first, second = contender(cluster, namespace, "a"), contender(cluster, namespace, "b")
    assert first.acquire(NOW) == "a"
    assert second.acquire(NOW) == "a"
    assert first.acquire(NOW) == "a"  # renewed
    assert second.acquire(NOW) == "a"


def test_a_lease_that_is_not_renewed_for_its_duration_is_taken_over(cluster, namespace):
    first, second = contender(cluster, namespace, "a", seconds=1), contender(cluster, namespace, "b", seconds=1)
    assert first.acquire(NOW) == "a"
    assert second.acquire(NOW) == "a"  # seen for the first time: it counts from now, whatever the clocks say
    time.sleep(1.1)
    assert second.acquire(NOW) == "b"
    assert first.acquire(NOW) == "b"


def test_the_same_daemon_leads_at_once_after_it_was_killed(cluster, namespace):
    assert contender(cluster, namespace, "a").acquire(NOW) == "a"
    assert contender(cluster, namespace, "a").acquire(NOW) == "a"


def test_a_lease_given_back_is_free_and_somebody_elses_is_not_given_back(cluster, namespace):
    first, second = contender(cluster, namespace, "a"), contender(cluster, namespace, "b")
    first.acquire(NOW)
    second.release(NOW)
    assert second.acquire(NOW) == "a"
    first.release(NOW)
    assert second.acquire(NOW) == "b"
