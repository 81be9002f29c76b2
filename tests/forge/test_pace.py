"""When something may be sent: a truth table of moments, on a clock that the test moves."""

import pytest

from reconciler.edges.forge import pace as module
from reconciler.edges.forge.open import pace_for
from reconciler.edges.forge.pace import Pace
from reconciler.errors import Retry


class Clock:
    def __init__(self) -> None:
        self.now, self.slept = 1000.0, []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def write(pace: Pace) -> None:
    with pace.writing():
        pass


def test_the_first_write_goes_at_once_and_the_next_after_the_interval(clock):
    pace = Pace(interval=1.0)
    for _ in range(3):
        write(pace)
    assert clock.slept == [1.0, 1.0]


def test_a_write_after_a_pause_does_not_wait(clock):
    pace = Pace(interval=1.0)
    write(pace)
    clock.now += 5
    write(pace)
    assert clock.slept == []


def test_githubs_budget_is_never_exceeded_in_any_minute_or_hour(clock):
    pace = pace_for("github")
    written, refused = [], []
    end = clock.now + 3 * 3600
    while clock.now < end:
        try:
            write(pace)
            written.append(clock.now)
        except Retry as retry:
            refused.append(retry.reason)
            clock.now += retry.after
    for window, most in ((60, 80), (3600, 500)):
        assert max(sum(1 for at in written if start <= at < start + window) for start in written) <= most
    assert set(refused) == {"ForgeLimited"}
    assert len(written) >= 3 * 499


def test_a_write_that_would_wait_long_is_refused_and_not_kept(clock):
    pace = Pace(interval=0.0, budget=((60.0, 2),))
    write(pace), write(pace)
    with pytest.raises(Retry, match="as it allows") as caught:
        write(pace)
    assert (caught.value.after, clock.slept) == (60.0, [])
    clock.now += 57
    write(pace)
    assert clock.slept == [3.0]


def test_a_failed_write_counts(clock):
    pace = Pace(interval=1.0)
    with pytest.raises(RuntimeError), pace.writing():
        raise RuntimeError
    write(pace)
    assert clock.slept == [1.0]


def test_nothing_goes_while_it_is_shut_and_all_after(clock):
    pace = Pace()
    pace.enter()
    assert pace.shut("wait", seconds=30).after == 30
    clock.now += 20
    for call in (pace.enter, lambda: write(pace)):
        with pytest.raises(Retry, match="wait") as caught:
            call()
        assert caught.value.after == 10
    clock.now += 10
    pace.enter()
    write(pace)


def test_a_later_and_shorter_word_does_not_open_it_early(clock):
    pace = Pace()
    pace.shut("long", seconds=100)
    pace.shut("short", seconds=1)
    clock.now += 50
    with pytest.raises(Retry) as caught:
        pace.enter()
    assert caught.value.after == 50


def test_without_a_time_it_is_a_minute_then_longer_and_short_again_after_a_write(clock):
    pace = Pace()
    waits = [pace.shut("?", seconds=None).after for _ in range(8)]
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    clock.now += 3601
    write(pace)
    assert pace.shut("?", seconds=None).after == 60


def test_many_writers_wait_for_a_bounded_time(monkeypatch):
    monkeypatch.setattr(module, "_QUEUE", 0.01)
    pace = Pace(interval=0.0)
    with pace.writing(), pytest.raises(Retry, match="waiting for their turn") as caught, pace.writing():
        pass
    assert caught.value.reason == "ForgeLimited"


def test_only_github_has_a_budget():
    assert [bool(pace_for(kind)._budget) for kind in ("github", "gitlab", "gitea")] == [True, False, False]
    assert pace_for("gitea").interval == 1.0
