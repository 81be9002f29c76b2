"""The work queue: each key at most once and in one worker, some only later, some parked."""

import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reconciler.loop.backoff import FIRST, LONGEST, Backoff
from reconciler.loop.queue import WorkQueue


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(clock):
    return WorkQueue(clock=clock)


def drained(queue):
    found = []
    while (key := queue.take(wait=False)) is not None:
        found.append(key)
        queue.done(key)
    return found


def test_keys_run_in_the_order_in_which_they_became_due(queue, clock):
    queue.add("c", after=2)
    queue.add("a")
    queue.add("b", after=1)
    clock.now += 2
    assert drained(queue) == ["a", "b", "c"]


def test_keys_due_at_once_run_in_the_order_in_which_they_were_added(queue):
    for key in "bac":
        queue.add(key)
    assert drained(queue) == ["b", "a", "c"]


def test_a_key_added_twice_runs_once(queue):
    queue.add("a")
    queue.add("a")
    assert len(queue) == 1
    assert drained(queue) == ["a"]


def test_a_key_is_not_taken_before_its_time(queue, clock):
    queue.add("a", after=5)
    clock.now += 4.9
    assert drained(queue) == []
    clock.now += 0.1
    assert drained(queue) == ["a"]


@pytest.mark.parametrize(("first", "second"), [(9, 3), (3, 9)], ids=["brought forward", "the later time is ignored"])
def test_the_earlier_time_wins(queue, clock, first, second):
    queue.add("a", after=first)
    queue.add("a", after=second)
    clock.now += 3
    assert drained(queue) == ["a"]
    clock.now += 20
    assert drained(queue) == []


def test_a_key_that_is_running_is_in_nobody_elses_hands(queue):
    queue.add("a")
    assert queue.take(wait=False) == "a"
    queue.add("a")
    assert queue.take(wait=False) is None
    assert len(queue) == 1


def test_a_key_added_while_it_runs_runs_again_afterwards(queue, clock):
    queue.add("a")
    queue.take(wait=False)
    queue.add("a", after=7)
    queue.add("a")
    queue.add("a", after=9)
    queue.done("a")
    assert drained(queue) == ["a"]
    clock.now += 20
    assert drained(queue) == []


def test_a_worker_may_put_its_own_key_back_for_later(queue, clock):
    queue.add("a")
    queue.take(wait=False)
    queue.add("a", after=5)
    queue.done("a")
    assert drained(queue) == []
    clock.now += 5
    assert drained(queue) == ["a"]


def test_a_parked_key_occupies_nobody_and_runs_when_it_may(clock):
    blocked = {"down": 4.0}
    queue = WorkQueue(clock=clock, park=lambda key: blocked.get(key, 0.0))
    queue.add("down")
    queue.add("up")
    assert drained(queue) == ["up"]
    assert len(queue) == 1
    blocked.clear()
    assert drained(queue) == []
    clock.now += 4
    assert drained(queue) == ["down"]


def test_a_parked_key_is_looked_at_at_once_when_there_is_news(clock):
    blocked = {"down": 60.0}
    queue = WorkQueue(clock=clock, park=lambda key: blocked.get(key, 0.0))
    queue.add("down")
    assert drained(queue) == []
    blocked.clear()
    queue.add("down")
    assert drained(queue) == ["down"]


def test_closing_wakes_every_waiting_worker_with_nothing(queue):
    found = []
    workers = [threading.Thread(target=lambda: found.append(queue.take())) for _ in range(3)]
    for worker in workers:
        worker.start()
    queue.close()
    for worker in workers:
        worker.join(10)
    assert found == [None, None, None]
    queue.add("a")
    assert queue.take() is None


def test_workers_share_the_keys_and_never_one_of_them():
    """Real threads: every key is in one worker at a time, and what is added while it runs is not lost."""
    import time

    queue = WorkQueue(clock=time.monotonic)
    inside, both, done = set(), [], []
    lock = threading.Lock()

    def work():
        while (key := queue.take()) is not None:
            with lock:
                both.extend([key] if key in inside else [])
                inside.add(key)
            with lock:
                inside.discard(key)
                done.append(key)
                left = done.count(key) < 20
            if left:
                queue.add(key)
            queue.done(key)
            if len(done) == 100:
                queue.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for number in range(5):
        queue.add(number)
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert both == []
    assert sorted(done) == sorted(list(range(5)) * 20)


class Model(RuleBasedStateMachine):
    """Against the plainest model there is: when each key is due, and which are running."""

    keys = st.sampled_from("abcd")

    def __init__(self):
        super().__init__()
        self.clock = Clock()
        self.queue = WorkQueue(clock=self.clock)
        self.due, self.running, self.again = {}, set(), {}

    @rule(key=keys, after=st.sampled_from([0.0, 1.0, 2.5, 9.0]))
    def add(self, key, after):
        self.queue.add(key, after=after)
        table = self.again if key in self.running else self.due
        table[key] = min(table.get(key, self.clock.now + after), self.clock.now + after)

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0]))
    def wait(self, seconds):
        self.clock.now += seconds

    @rule()
    def take(self):
        key = self.queue.take(wait=False)
        ready = {key: due for key, due in self.due.items() if due <= self.clock.now}
        if key is None:
            assert ready == {}
            return
        assert ready[key] == min(ready.values())
        del self.due[key]
        self.running.add(key)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def done(self, data):
        key = data.draw(st.sampled_from(sorted(self.running)))
        self.queue.done(key)
        self.running.discard(key)
        if key in self.again:
            self.due[key] = self.again.pop(key)

    @invariant()
    def counts(self):
        assert len(self.queue) == len(self.due) + len(self.running)


Model.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestModel = Model.TestCase


# --- backoff


def test_the_wait_doubles_up_to_the_longest_and_varies_by_a_fifth():
    backoff = Backoff()
    for count in range(14):
        plain = min(LONGEST, FIRST * 2**count)
        assert 0.8 * plain <= backoff.failed("a") <= 1.2 * plain


def test_success_forgets_and_keys_do_not_share():
    backoff = Backoff()
    for _ in range(9):
        backoff.failed("a")
    assert backoff.failed("b") <= FIRST * 1.2
    backoff.succeeded("a")
    backoff.succeeded("never failed")
    assert backoff.failed("a") <= FIRST * 1.2
