"""The rows of the strategy table, each step named by a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import Misused
from reconciler.rollout.strategies import AT_ONCE, STRATEGIES, Strategy, at_once, recreate, rolling, strategy_named
from reconciler.rollout.strategies.step import Arm, Step


def step(size: int, full: int, candidate: tuple[int, int], stable: tuple[int, int], leaving: int = 0) -> Step:
    """Arms as (told, ready) for the candidate and (told, pods) for stable."""
    return Step(
        cluster="eu-1",
        size=size,
        full=full,
        leaving=leaving,
        candidate=Arm(name="1.4.0", told=candidate[0], pods=candidate[0], ready=candidate[1]),
        stable=Arm(name="1.3.0", told=stable[0], pods=stable[1], ready=stable[1]),
    )


ROLLING = [
    ("the first step is the surge and takes nothing from stable", (4, 4, (0, 0), (4, 4)), (1, 4, False)),
    ("a surge that is not ready is not added to", (4, 4, (1, 0), (4, 4)), (1, 4, False)),
    ("one ready pod replaces one stable pod and lets one more start", (4, 4, (1, 1), (4, 4)), (2, 3, False)),
    ("the last ready pod ends stable", (4, 4, (4, 4), (1, 1)), (4, 0, True)),
    ("one replica: surge one", (1, 1, (0, 0), (1, 1)), (1, 1, False)),
    ("one replica: ready, then stable retires", (1, 1, (1, 1), (1, 1)), (1, 0, True)),
    ("a quarter is rounded up", (9, 9, (0, 0), (9, 9)), (3, 9, False)),
    ("the surge never exceeds the final size", (8, 8, (7, 7), (1, 1)), (8, 1, False)),
    ("pods that stopped being ready give stable nothing back and take nothing", (4, 4, (3, 0), (2, 2)), (3, 2, False)),
    ("a smaller candidate takes stable down in proportion", (4, 8, (2, 2), (8, 8)), (3, 4, False)),
    ("a larger candidate never leaves less than stable had", (4, 2, (1, 1), (2, 2)), (2, 2, False)),
    ("nothing served before: only the candidate grows", (4, 0, (1, 1), (0, 0)), (2, 0, False)),
    ("a final size that became smaller is not exceeded", (3, 4, (4, 4), (1, 1)), (3, 0, True)),
]
RECREATE = [
    ("stable is told zero first", (4, 4, (0, 0), (4, 4)), (0, 0, False)),
    ("the candidate waits for stable's last pod", (4, 4, (0, 0), (0, 1)), (0, 0, False)),
    ("then all of the candidate starts", (4, 4, (0, 0), (0, 0)), (4, 0, False)),
    ("and is waited for", (4, 4, (4, 3), (0, 0)), (4, 0, False)),
    ("until all of it is ready", (4, 4, (4, 4), (0, 0)), (4, 0, True)),
    ("pods of an earlier candidate are waited for too", (4, 4, (0, 0), (0, 0), 2), (0, 0, False)),
]
BACK = [
    ("all pods at once, and stable until they are ready", (4, 4, (0, 0), (4, 4)), (4, 4, False)),
    ("stable goes as they become ready", (4, 4, (4, 3), (4, 4)), (4, 1, False)),
    ("and ends with the last", (4, 4, (4, 4), (1, 1)), (4, 0, True)),
]
INSTEAD = [
    ("where both cannot run at one time stable goes in the same pass", (4, 4, (0, 0), (4, 4)), (4, 0, False)),
    ("and is done when all are ready", (4, 4, (4, 4), (0, 0)), (4, 0, True)),
]


@pytest.mark.parametrize(
    ("sizes", "given_step", "expected"),
    [
        pytest.param(sizes, given_step, expected, id=f"{name}: {sentence}")
        for name, sizes, rows in (
            ("rolling", rolling.sizes, ROLLING),
            ("recreate", recreate.sizes, RECREATE),
            ("back", at_once.sizes, BACK),
            ("instead", at_once.instead, INSTEAD),
        )
        for sentence, given_step, expected in rows
    ],
)
def test_sizes(sizes, given_step, expected):
    answer = sizes(step(*given_step))
    assert (answer.candidate, answer.stable, answer.done) == expected


def test_what_is_waited_for_is_said_in_the_words_of_the_strategy():
    assert rolling.sizes(step(4, 4, (2, 2), (2, 2))).waiting == "2 of 4 replicas of 1.4.0 ready on eu-1"
    assert recreate.sizes(step(4, 4, (0, 0), (0, 2))).waiting == "2 pods still to end on eu-1 before 1.4.0 starts"
    assert recreate.sizes(step(4, 4, (0, 0), (0, 1))).waiting == "1 pod still to end on eu-1 before 1.4.0 starts"


def test_the_table_has_what_a_manifest_may_name_and_refuses_the_rest():
    assert set(STRATEGIES) == {"rolling", "recreate"}
    assert all(row.waits for row in STRATEGIES.values())
    assert not AT_ONCE.waits
    with pytest.raises(Misused, match="There is no strategy 'canary'; it is one of recreate, rolling"):
        strategy_named("canary")


def test_a_known_good_version_never_waits_and_replaces_where_both_cannot_run():
    assert strategy_named("rolling").returning == AT_ONCE
    assert strategy_named("recreate").returning == Strategy(sizes=at_once.instead, waits=False, back=at_once.instead)


def steps(*, honest: bool):
    """Any step; an honest one has no more stable pods than were told."""
    return st.builds(
        lambda size, full, told, ready, base, pods: step(
            size, full, (told, min(ready, told)), (min(base, full), min(pods, base, full) if honest else pods)
        ),
        st.integers(1, 40),
        *[st.integers(0, 40)] * 5,
    )


@given(steps(honest=False), st.sampled_from([rolling.sizes, recreate.sizes, at_once.sizes, at_once.instead]))
def test_every_row_stays_within_its_bounds_and_is_done_only_without_stable(given_step, sizes):
    answer = sizes(given_step)
    assert 0 <= answer.candidate <= max(given_step.size, given_step.candidate.told)
    assert 0 <= answer.stable <= given_step.stable.told
    assert not answer.done or (answer.stable == 0 and given_step.candidate.ready >= given_step.size)


@given(steps(honest=True))
def test_rolling_never_takes_ready_pods_below_the_smaller_of_both_sizes(given_step):
    """Scaling down ends pods that are not ready first."""
    now = given_step.stable.ready + given_step.candidate.ready
    answer = rolling.sizes(given_step)
    after = min(given_step.stable.ready, answer.stable) + given_step.candidate.ready
    assert after >= min(now, given_step.size, given_step.full)
