"""Which pull requests are looked at and when, over a forge in memory; what is done with one is only written down."""

from dataclasses import replace
from datetime import datetime, timedelta
from threading import Event, Thread
from types import SimpleNamespace

import pytest
from fake_forge import NOW, FakeForge, NoPromoter, a_pull, fails_on

from reconciler.errors import NotFound, Refused, Retry
from reconciler.loop.pulls.watch import AGAIN, FOLLOWED, WATCHED, PullRequests
from reconciler.model.ids import ReleaseKey, Revision
from reconciler.model.pull import PullState

POLL = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
DOWN = Retry("forge.example does not answer", reason="ForgeUnreachable")
LIMITED = Retry("as much was written as it allows", reason="ForgeLimited", after=600.0)
FRAUD = ReleaseKey(repository="github.com/acme/models", environment="prod", name="fraud-detector")
OTHER = replace(FRAUD, name="other")
MERGED = {"state": PullState.MERGED, "merged": Revision("9" * 40), "merged_at": NOW}


class Ones:
    """Looks at pull requests and remembers that it did."""

    repository, branch, ready = "github.com/acme/models", "main", True

    def __init__(self, forge: FakeForge) -> None:
        self.forge = forge
        self.looks: list[tuple[str, int]] = []
        self.forgotten: list[int] = []
        self.troubles: list[tuple[str, str]] = []
        self.begun: list[set[int]] = []
        self.stood_by = 0
        self.fault = lambda _: None
        self.affected = frozenset({FRAUD})
        self.again: datetime | None = None
        self.ends = True

    def say_trouble(self, message: str, reason: str) -> None:
        self.troubles.append((message, reason))

    def begin(self, found) -> None:
        self.begun.append(set(found))

    def stand_by(self) -> None:
        self.stood_by += 1

    def plan(self, tracked, _now):
        self.looks.append(("plan", tracked.pull.number))
        self.fault(tracked)
        tracked.affected = self.affected
        return self.again

    def follow(self, tracked, now):
        self.looks.append(("follow", tracked.pull.number))
        self.fault(tracked)
        tracked.asks = dict.fromkeys(self.affected)
        return None if self.ends else now + AGAIN

    def forget(self, tracked) -> None:
        self.forgotten.append(tracked.pull.number)

    def queue(self, _now):
        return []

    def tidy(self) -> None:
        """Nothing is to be done."""


class Watch:
    """A watch with a clock that the test moves, and what it logs."""

    def __init__(self, *pulls, forks: bool = False) -> None:
        self.forge = FakeForge(*pulls)
        self.one = Ones(self.forge)
        self.now, self.leads = NOW, True
        self.log: list[tuple[str, str]] = []
        said = SimpleNamespace(
            warning=lambda what, **more: self.log.append((what, more.get("error") or more.get("sentence") or "")),
            exception=lambda what, **_: self.log.append((what, "a fault of ours")),
            debug=lambda *_, **__: None,
        )
        self.pulls = PullRequests(
            self.one, NoPromoter(), poll=POLL, forks=forks, leading=lambda: self.leads, now=lambda: self.now, log=said,
        )  # fmt: skip

    def turn(self) -> list[tuple[str, int]]:
        """Turn until nothing is due; what was looked at."""
        self.one.looks.clear()
        for _ in range(5_000):
            if self.pulls.turn():
                return list(self.one.looks)
        raise AssertionError("it never waits")

    def later(self, delta: timedelta) -> list[tuple[str, int]]:
        self.now += delta
        return self.turn()

    def moved(self, *keys: ReleaseKey) -> None:
        self.pulls.trunk_moved(SimpleNamespace(affected=frozenset(keys)))

    def asked(self, name: str = "pulls") -> int:
        return [call[0] for call in self.forge.calls].count(name)


def test_a_pull_request_is_planned_when_it_is_listed_and_again_when_it_moves():
    watch = Watch(a_pull(7), a_pull(8))
    assert watch.turn() == [("plan", 7), ("plan", 8)]
    assert watch.later(POLL) == [], "nothing moved"
    watch.forge.move(8)
    assert watch.later(POLL) == [("plan", 8)]


def test_a_plan_is_made_again_after_some_minutes_and_at_the_moment_that_it_names():
    watch = Watch(a_pull(7))
    watch.turn()
    assert watch.later(AGAIN - SECOND) == []
    assert watch.later(SECOND) == [("plan", 7)]
    watch.one.again = watch.now + AGAIN + timedelta(seconds=40)
    watch.forge.move(7)
    watch.later(POLL)
    watch.one.again = None
    assert watch.later(timedelta(seconds=40)) == []
    assert watch.later(AGAIN) == [("plan", 7)], "never later than that"


def test_a_step_of_the_trunk_wakes_exactly_those_that_it_concerns():
    watch = Watch(a_pull(7), a_pull(8))
    watch.turn()
    watch.pulls._tracked[8].affected = frozenset({OTHER})
    watch.moved(FRAUD)
    assert watch.later(SECOND) == [("plan", 7)]
    watch.pulls._tracked[8].affected = None  # a conflict: whatever moves may end it
    watch.moved(ReleaseKey(repository="r", environment="e", name="n"))
    assert watch.later(SECOND) == [("plan", 8)]


def test_a_step_of_the_trunk_during_a_look_is_not_lost():
    watch = Watch(a_pull(7))
    watch.one.fault = lambda _: watch.moved(OTHER) if len(watch.one.looks) == 1 else None
    assert watch.turn() == [("plan", 7), ("plan", 7)]
    assert watch.later(SECOND) == []


def test_hints_of_many_threads_during_looks_lose_nothing():
    watch = Watch(a_pull(7))
    watch.turn()
    stop = Event()

    def hint() -> None:
        while not stop.is_set():
            watch.moved(FRAUD)
            watch.pulls.look()
            watch.pulls.release_moved(FRAUD)

    threads = [Thread(target=hint) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2_000):
        watch.now += SECOND
        watch.pulls.turn()
    stop.set()
    for thread in threads:
        thread.join()
    watch.turn()
    watch.moved(FRAUD)
    assert watch.later(SECOND) == [("plan", 7)]


def test_a_merged_one_is_followed_woken_by_its_releases_and_forgotten_at_its_end():
    watch = Watch(a_pull(7))
    watch.turn()
    watch.one.ends = False
    watch.forge.move(7, **MERGED)
    assert watch.later(POLL) == [("follow", 7)]
    watch.pulls.release_moved(OTHER)
    assert watch.later(SECOND) == []
    watch.pulls.release_moved(FRAUD)
    watch.pulls.release_moved(FRAUD)
    watch.one.ends = True
    assert watch.later(SECOND) == [("follow", 7)], "once, for all that moved in a second"
    assert watch.one.forgotten == [7]
    assert watch.pulls._tracked == {}


def test_of_a_merge_of_thousands_not_every_step_of_every_release_is_a_look():
    watch = Watch(a_pull(7, **MERGED))
    watch.one.ends = False
    watch.one.affected = frozenset(replace(FRAUD, name=f"m-{number}") for number in range(3_000))
    watch.turn()
    looks = []
    for number in range(120):
        watch.pulls.release_moved(replace(FRAUD, name=f"m-{number}"))
        looks += watch.later(SECOND)
    assert 3 <= len(looks) <= 4


def test_a_list_that_is_behind_opens_no_merged_one_again():
    watch = Watch(a_pull(7))
    watch.turn()
    watch.one.ends = False
    before = watch.forge.rows[7]
    watch.forge.move(7, **MERGED)
    watch.later(POLL)
    watch.forge.listed = [before]
    assert watch.later(POLL) == []
    assert watch.pulls._tracked[7].merged


@pytest.mark.parametrize(
    "change",
    [{"state": PullState.CLOSED}, {"base_branch": "other"}, {"base_branch": "other", **MERGED}],
    ids=["closed", "retargeted to another branch", "merged into another branch"],
)
def test_what_is_not_to_be_merged_any_more_is_forgotten(change):
    watch = Watch(a_pull(7))
    watch.turn()
    watch.forge.listed = []
    watch.forge.move(7, **change)
    assert watch.later(POLL) == []
    assert watch.one.forgotten == [7]
    assert watch.pulls._tracked == {}


def test_one_that_is_gone_is_forgotten_and_one_that_only_the_list_misses_is_not():
    watch = Watch(a_pull(7), a_pull(8))
    watch.turn()
    watch.forge.listed = []
    del watch.forge.rows[8]
    watch.later(POLL)
    assert watch.one.forgotten == [8]
    assert set(watch.pulls._tracked) == {7}


def test_after_a_restart_those_merged_within_a_day_are_followed_and_of_hundreds_the_newest():
    old = {**MERGED, "merged_at": NOW - timedelta(days=2)}
    watch = Watch(*(a_pull(number, **MERGED) for number in range(1, 301)), a_pull(400, **old), a_pull(401))
    looks = watch.turn()
    assert looks[:FOLLOWED] == [("follow", number) for number in range(301 - FOLLOWED, 301)]
    assert looks[FOLLOWED:] == [("plan", 401)]
    assert watch.asked("merged_since") == 1
    watch.later(POLL)
    assert watch.asked("merged_since") == 1, "later ones were open before"


def test_forks_are_left_out_and_looked_at_where_the_settings_say_so():
    pulls = a_pull(7, fork=True), a_pull(8), a_pull(9, fork=True, **MERGED)
    assert Watch(*pulls).turn() == [("plan", 8)]
    assert Watch(*pulls, forks=True).turn() == [("plan", 7), ("plan", 8), ("follow", 9)]


# --- what goes wrong


def test_a_forge_that_is_down_is_told_of_once_asked_again_later_and_found_again():
    watch = Watch(a_pull(7))
    watch.forge.before = fails_on("pulls", error=DOWN, times=3)
    assert watch.turn() == []
    assert watch.pulls.trouble == DOWN.message
    assert watch.later(timedelta(seconds=29)) == []
    assert watch.asked() == 1, "not before half a minute"
    watch.later(SECOND)
    watch.later(POLL)
    assert watch.log == [("forge not reached", DOWN.message)]
    assert watch.later(POLL) == [("plan", 7)]
    assert watch.pulls.trouble == ""
    assert watch.one.troubles == [(DOWN.message, DOWN.reason), ("", "")]


def test_a_forge_that_lists_and_takes_nothing_is_told_of_once_too():
    watch = Watch(a_pull(7))
    watch.one.fault = lambda _: (_ for _ in ()).throw(DOWN)
    for _ in range(5):
        watch.later(POLL)
    assert watch.log == [("forge not reached", DOWN.message)]
    assert watch.pulls.trouble == DOWN.message
    watch.one.fault = lambda _: None
    watch.later(POLL)
    assert watch.pulls.trouble == ""


def test_while_the_forge_is_down_no_hint_makes_us_ask_it():
    watch = Watch(*map(a_pull, range(1, 50)))
    watch.one.fault = lambda _: (_ for _ in ()).throw(DOWN)
    assert watch.turn() == [("plan", 1)], "one is enough to know"
    for _ in range(20):
        watch.moved(FRAUD)
        watch.pulls.look()
        assert watch.later(SECOND) == []
    assert watch.asked() == 1


def test_how_long_a_forge_wants_us_to_wait_is_waited():
    watch = Watch(a_pull(7))
    watch.forge.before = fails_on("pulls", error=LIMITED, times=1)
    watch.turn()
    assert watch.later(timedelta(seconds=599)) == []
    assert watch.asked() == 1
    assert watch.later(SECOND) == [("plan", 7)]


def test_while_no_more_may_be_written_what_people_say_is_still_read():
    watch = Watch(a_pull(7), a_pull(8))
    watch.one.fault = lambda _: (_ for _ in ()).throw(LIMITED)
    assert watch.turn() == [("plan", 7), ("plan", 8)]
    assert watch.pulls.trouble == LIMITED.message
    watch.forge.say(8, "approved")
    assert watch.later(POLL) == [("plan", 8)]


@pytest.mark.parametrize(
    "fault",
    [Refused("it is locked"), NotFound("no such commit"), ValueError("a fault of ours"), RecursionError()],
    ids=lambda error: type(error).__name__,
)
def test_what_is_wrong_with_one_keeps_no_other_and_is_told_once(fault):
    watch = Watch(a_pull(7), a_pull(8))

    def faulty(tracked) -> None:
        if tracked.pull.number == 7:
            raise fault

    watch.one.fault = faulty
    assert watch.turn() == [("plan", 7), ("plan", 8)]
    watch.forge.move(8)
    assert watch.later(POLL) == [("plan", 8)], "the forge is asked as ever"
    assert watch.later(AGAIN) == [("plan", 7), ("plan", 8)]
    if isinstance(fault, Refused | NotFound):
        assert watch.log == [("pull request not told", fault.message)]
    assert watch.pulls.trouble == ""


def test_a_head_that_cannot_be_fetched_is_tried_less_and_less_until_it_moves():
    watch = Watch(a_pull(7))
    watch.one.fault = lambda _: (_ for _ in ()).throw(Retry("it is gone", reason="HeadMoved"))
    looks = len(watch.turn())
    for _ in range(240):
        looks += len(watch.later(POLL))
    assert 7 <= looks <= 10, "in two hours"
    watch.forge.move(7, head=Revision("a" * 40))
    assert watch.later(POLL) == [("plan", 7)]


LIES = {
    "number 0": a_pull(0),
    "a negative number": a_pull(-1),
    "number 2^63": a_pull(2**63),
    "the ref of another one": a_pull(1, ref="refs/pull/2/head"),
    "a branch as its ref": a_pull(1, ref="refs/heads/main"),
    "a head that is no commit id": a_pull(1, head="main"),
    "a head with an option": a_pull(1, head="--upload-pack=x"),
    "a head that is a list": a_pull(1, head=["a" * 40]),
    "a merge that is no commit id": a_pull(1, **{**MERGED, "merged": "HEAD"}),
    "another base": a_pull(1, base_branch="other"),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_what_cannot_be_is_left_out_with_one_sentence_and_the_others_go_on(lie):
    watch = Watch(a_pull(8))
    watch.forge.listed = [lie, a_pull(8)]
    assert watch.turn() == [("plan", 8)]
    watch.later(POLL)
    assert watch.log == [("pull requests left out", "1 are none that can be")]
    assert watch.pulls.trouble == ""


def test_of_ten_thousand_open_ones_the_newest_thousand_are_kept():
    watch = Watch()
    watch.forge.listed = [a_pull(number) for number in range(1, 10_001)]
    assert len(watch.turn()) == WATCHED
    assert min(watch.pulls._tracked) == 10_001 - WATCHED
    watch.forge.listed = [a_pull(number) for number in range(1, 10_011)]
    watch.forge.rows = {row.number: row for row in watch.forge.listed}
    watch.later(POLL)
    assert len(watch.pulls._tracked) == WATCHED
    assert len(watch.log) == 2, "the sentence names how many"


def test_another_daemon_that_led_meanwhile_makes_us_read_all_anew():
    watch = Watch(a_pull(7), a_pull(8))
    watch.turn()
    watch.leads = False
    stop = Event()
    thread = Thread(target=watch.pulls.run, args=[stop])
    thread.start()
    while not watch.one.stood_by:
        stop.wait(0.01)
    stop.set()
    thread.join()
    asked = watch.asked()
    watch.leads = True
    watch.forge.move(8, state=PullState.CLOSED)
    assert watch.later(SECOND) == [("plan", 7)]
    assert watch.asked() == asked + 1
    assert watch.one.begun == [{7, 8}, {7}], "whose votes count is asked again too"


def test_webhooks_make_us_ask_at_once_and_not_more_often_than_every_two_seconds():
    watch = Watch(a_pull(7))
    watch.turn()
    for _ in range(50):
        watch.pulls.look()
        watch.later(timedelta(milliseconds=100))
    assert 2 <= watch.asked() - 1 <= 3, "in five seconds"


def test_nothing_is_asked_before_the_trunk_was_read():
    watch = Watch(a_pull(7))
    watch.one.ready = False
    assert watch.pulls.turn() == 1.0
    assert watch.forge.calls == []
