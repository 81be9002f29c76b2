"""An environment's limits over the passes of its releases: who waits, who is woken, and that not both start."""

import threading
from datetime import timedelta

import pytest
from loop_acme import FRAUD, REPOSITORY, Repo, key_of
from loop_exceptions import add_hold
from loop_world import Town, twin, update

from reconciler.errors import Retry
from reconciler.judge.limits import Use
from reconciler.loop.admitting import admit
from reconciler.loop.claims import Claim, Claims
from reconciler.loop.preview import _telling
from reconciler.loop.release import gather, judge, verify
from reconciler.model.state import Phase

ENVIRONMENT = "environments/prod.yaml"
MINUTE = timedelta(minutes=1)
LIMITS = "  limits: {gpus: 8, replicas: 40, concurrentRollouts: 2}\n"
CHAT = key_of("prod", "support-chat")


def town(limits="", *names):
    """Acme with its releases promoted, `names` beside fraud-detector in prod, and then these limits in force."""
    repo = Repo()
    repo.edit(ENVIRONMENT, LIMITS, "")
    keys = [twin(repo, name) for name in names]
    found = Town(repo)
    found.run()
    bound(found, limits)
    return (found, *keys) if keys else found


def bound(found, limits):
    text = found.repo.text(ENVIRONMENT)
    before = next((line + "\n" for line in text.splitlines() if line.startswith("  limits:")), "")
    after = f"  limits: {limits}\n" if limits else ""
    found.repo.write(ENVIRONMENT, (text.replace(before, after) if before else text + after).encode())
    found.repo.sign(ENVIRONMENT)
    found.merge()
    found.run()


def promote(found, *keys, version="1.4.0", old="1.3.0"):
    for key in keys:
        update(found.repo, key, f"version: {old}", f"version: {version}")
    found.merge()


def size(found, key, old, new):
    update(found.repo, key, old, new)
    found.merge()


def bigger_chat(found):
    size(found, CHAT, "replicas: {min: 2, max: 2}", "replicas: {min: 2, max: 3}")


# --- GPUs and replicas


def test_a_change_that_would_use_more_gpus_than_are_allowed_is_held_and_told_who_has_most():
    found = town("{gpus: 2}")
    bigger_chat(found)
    found.run()
    assert found.closed(CHAT) == ["GpuLimit"]
    assert found.said(CHAT) == (
        "environment prod may have 2 GPUs (environments/prod.yaml:16:18) and would have 3 with 3 of support-chat; "
        "most have support-chat (3); make one of them smaller, or raise the limit"
    )
    assert found.status(CHAT).directives["eu-1"].versions[0].high == 2
    assert found.closed(FRAUD) == []


def test_it_goes_on_when_the_limit_is_raised():
    found = town("{gpus: 2}")
    bigger_chat(found)
    found.run()
    bound(found, "{gpus: 3}")
    assert found.closed(CHAT) == []
    assert found.status(CHAT).directives["eu-1"].versions[0].high == 3


def test_it_goes_on_when_another_release_becomes_smaller():
    found = town("{replicas: 14}")  # fraud-detector 6 on two clusters, support-chat 2 on one
    bigger_chat(found)
    found.run()
    assert found.closed(CHAT) == ["ReplicaLimit"]
    size(found, FRAUD, "replicas: {min: 2, max: 6}", "replicas: {min: 2, max: 5}")
    found.run()
    assert found.closed(CHAT) == []
    assert found.status(CHAT).directives["eu-1"].versions[0].high == 3


FITTING = {
    "a new version of the same size": lambda found: promote(found, FRAUD),
    "a smaller size": lambda found: size(found, FRAUD, "max: 6}", "max: 4}"),
    "another change in place": lambda found: size(found, FRAUD, "labels: {team: risk}", "labels: {team: fraud}"),
}


@pytest.mark.parametrize("change", FITTING.values(), ids=FITTING)
def test_in_an_environment_that_is_over_its_limit_already(change):
    found = town("{replicas: 5, gpus: 0}")
    change(found)
    found.run()
    assert found.closed(FRAUD) == []
    assert found.status(FRAUD).phase is Phase.PROMOTED
    assert found.status(FRAUD).stable.manifest == found.source.snapshot.releases[FRAUD].sha256


def test_a_return_to_a_larger_version_is_not_held():
    found = town()
    before = found.repo.text("releases/prod/fraud-detector.yaml")
    update(found.repo, FRAUD, "replicas: {min: 2, max: 6}", "replicas: {min: 2, max: 2}")
    promote(found, FRAUD)
    found.run()
    bound(found, "{replicas: 6}")
    found.repo.write("releases/prod/fraud-detector.yaml", before.encode())
    found.repo.sign("releases/prod/fraud-detector.yaml")
    found.merge()
    found.turn(FRAUD)
    assert found.status(FRAUD).phase is Phase.ROLLING_BACK
    found.run()
    assert found.status(FRAUD).stable.model_version == "1.3.0"
    assert found.status(FRAUD).directives["eu-1"].versions[0].high == 6


def test_a_rollout_that_began_goes_on_when_the_limit_falls():
    found = town()
    update(found.repo, FRAUD, "replicas: {min: 2, max: 6}", "replicas: {min: 4, max: 9}")
    promote(found, FRAUD)
    found.turn(FRAUD)
    assert found.starting(FRAUD) == "1.4.0"
    bound(found, "{replicas: 5, concurrentRollouts: 1}")
    assert found.closed(FRAUD) == []
    assert found.status(FRAUD).stable.model_version == "1.4.0"


def test_a_rollout_under_way_that_is_asked_for_more_meanwhile_is_held():
    found = town("{replicas: 16}")
    found.lame.add(FRAUD)
    promote(found, FRAUD)
    found.turn(FRAUD)
    update(found.repo, FRAUD, "replicas: {min: 2, max: 6}", "replicas: {min: 2, max: 9}")
    found.merge()
    found.turn(FRAUD)
    assert found.closed(FRAUD) == ["ReplicaLimit"]


def test_two_changes_that_fit_one_by_one_and_not_together():
    found, twin_key = town("{replicas: 32}", "twin")  # 12 and 12 and 2
    for key in (FRAUD, twin_key):
        update(found.repo, key, "replicas: {min: 2, max: 6}", "replicas: {min: 2, max: 9}")
    found.merge()
    found.run()
    assert [found.closed(FRAUD), found.closed(twin_key)] == [[], ["ReplicaLimit"]]


# --- turns


def test_one_after_the_other_in_the_order_in_which_they_were_seen():
    found, alpha, zeta = town("{concurrentRollouts: 1}", "alpha", "zeta")
    promote(found, zeta)
    found.turn(zeta)
    found.run(without=frozenset({alpha, FRAUD, zeta}))
    found.lame.add(zeta)
    promote(found, FRAUD)
    found.turn(FRAUD)
    found.now += MINUTE
    promote(found, alpha)
    found.turn(alpha)
    assert (found.closed(FRAUD), found.closed(alpha)) == (["TooManyRollouts"], ["TooManyRollouts"])
    assert "zeta is under way; fraud-detector starts by itself" in found.said(FRAUD)
    order = []
    found.home.before_write = lambda value: order.append(value.key.name) if value.status.candidate else None
    found.lame.clear()
    found.run()
    assert list(dict.fromkeys(order)) == ["zeta", "fraud-detector", "alpha"]
    assert {found.status(key).stable.model_version for key in (zeta, FRAUD, alpha)} == {"1.4.0"}


def test_merged_together_as_many_start_as_may_and_all_arrive_by_themselves():
    found, *twins = town("{concurrentRollouts: 2}", "a", "b", "c", "d", "e")
    most = []

    def count(value):
        moving = {row.value.key: row.value.status for row in found.home.rows.values()} | {value.key: value.status}
        most.append(sum(key.environment == "prod" and bool(status.candidate) for key, status in moving.items()))

    found.home.before_write = count
    promote(found, FRAUD, *twins)
    found.run()
    assert max(most) == 2
    assert {found.status(key).stable.model_version for key in (FRAUD, *twins)} == {"1.4.0"}


def test_a_return_does_not_wait_for_a_turn_and_takes_none_away():
    found, other = town("{concurrentRollouts: 1}", "other")
    promote(found, FRAUD)
    found.run()
    found.lame.add(other)
    promote(found, other)
    found.turn(other)
    promote(found, FRAUD, version="1.3.0", old="1.4.0")
    found.turn(FRAUD)
    assert (found.status(FRAUD).phase, found.closed(FRAUD)) == (Phase.ROLLING_BACK, [])
    found.run()
    assert found.status(FRAUD).stable.model_version == "1.3.0"


def test_one_that_is_given_up_makes_room():
    found, other = town("{concurrentRollouts: 1}", "other")
    found.lame.add(other)
    promote(found, other)
    found.turn(other)
    promote(found, FRAUD)
    found.turn(FRAUD)
    assert found.closed(FRAUD) == ["TooManyRollouts"]
    found.lame.clear()
    promote(found, other, version="1.3.0", old="1.4.0")
    found.run()
    assert found.status(other).stable.model_version == "1.3.0"
    assert found.status(FRAUD).stable.model_version == "1.4.0"


UNABLE = {
    "is held meanwhile": lambda found, key: (
        add_hold(found.repo, f"names: [{key.name}]"), found.merge(), found.turn(key),
    ),
    "has another text that was not looked at": lambda found, key: promote(found, key, version="1.5.0", old="1.4.0"),
    "is gone from the trunk": lambda found, key: (
        found.repo.remove(f"releases/prod/{key.name}.yaml"), found.merge(),
    ),
    "fails whenever it is looked at": lambda found, key: found.world.trouble(key, "it breaks"),
}  # fmt: skip


@pytest.mark.parametrize("spoil", UNABLE.values(), ids=UNABLE)
def test_it_does_not_wait_behind_one_that(spoil):
    found, first, busy = town("{concurrentRollouts: 1}", "first", "busy")
    found.lame.add(busy)
    promote(found, busy)
    found.turn(busy)
    promote(found, first)
    found.turn(first)
    promote(found, FRAUD)
    found.turn(FRAUD)
    spoil(found, first)
    found.lame.clear()
    found.run(without=frozenset({first}))
    assert found.status(FRAUD).stable.model_version == "1.4.0"


def test_after_a_restart_the_order_is_the_same():
    found, alpha, busy = town("{concurrentRollouts: 1}", "alpha", "busy")
    found.lame.add(busy)
    promote(found, busy)
    found.turn(busy)
    promote(found, FRAUD)
    found.turn(FRAUD)
    found.now += MINUTE
    promote(found, alpha)
    found.turn(alpha)
    again = Town(found.repo)
    again.home.rows, again.now = found.home.rows, found.now
    for handle in again.world.fleet.handles("").values():
        handle.home = again.home
    order = []
    again.home.before_write = lambda value: order.append(value.key.name) if value.status.candidate else None
    again.run()
    assert list(dict.fromkeys(order)) == ["busy", "fraud-detector", "alpha"]


def test_one_whose_state_is_lost_counts_with_what_its_targets_run():
    found, other = town("{replicas: 26, concurrentRollouts: 1}", "other")
    promote(found, other)
    found.turn(other)
    found.turn(other)  # its targets are told of the candidate
    found.lame.add(other)
    found.lose(other)
    promote(found, FRAUD)
    found.turn(FRAUD)
    assert found.closed(FRAUD) == ["TooManyRollouts"]
    update(found.repo, FRAUD, "replicas: {min: 2, max: 6}", "replicas: {min: 2, max: 7}")
    found.merge()
    found.turn(FRAUD)
    assert found.closed(FRAUD) == ["ReplicaLimit", "TooManyRollouts"]
    found.lame.clear()
    found.run(without=frozenset({FRAUD}))
    assert found.status(other).stable.model_version == "1.4.0"


def test_who_waits_is_recorded_once_whoever_is_under_way():
    found, one, two = town("{concurrentRollouts: 1}", "one", "two")
    found.lame.update({one, two})
    promote(found, one)
    found.turn(one)
    promote(found, FRAUD)
    found.turn(FRAUD)
    before = found.records(FRAUD)
    assert before.count("Held") == 1
    update(found.repo, one, "version: 1.4.0", "version: 1.3.0")
    promote(found, two)
    found.lame.discard(one)
    found.turn(two)
    assert found.records(FRAUD).count("Held") == 1


# --- two passes at one moment


def slowly(found):
    """Writing takes a while, so that the other pass decides in between."""
    gate = threading.Barrier(2, timeout=0.5)

    def wait(_value):
        try:
            gate.wait()
        except threading.BrokenBarrierError:
            return  # the other one does not write at the moment

    found.home.before_write = wait


def together(found, *keys):
    threads = [threading.Thread(target=found.turn, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)


def test_of_two_passes_at_one_moment_one_starts():
    found, other = town("{concurrentRollouts: 1}", "other")
    promote(found, FRAUD, other)
    slowly(found)
    together(found, FRAUD, other)
    assert sorted([found.starting(FRAUD) or "", found.starting(other) or ""]) == ["", "1.4.0"]
    found.home.before_write = lambda _: None
    found.run()
    assert {found.status(key).stable.model_version for key in (FRAUD, other)} == {"1.4.0"}


def test_of_two_changes_at_one_moment_that_fit_one_by_one_one_is_made():
    found, other = town("{replicas: 32}", "other")
    for key in (FRAUD, other):
        update(found.repo, key, "replicas: {min: 2, max: 6}", "replicas: {min: 2, max: 9}")
    found.merge()
    slowly(found)
    together(found, FRAUD, other)
    assert sorted([found.closed(FRAUD), found.closed(other)]) == [[], ["ReplicaLimit"]]


def test_two_first_releases_at_one_moment_count_each_other_though_neither_has_a_state():
    repo = Repo()
    repo.edit(ENVIRONMENT, LIMITS, "  limits: {concurrentRollouts: 1}\n")
    found = Town(repo)
    slowly(found)
    together(found, FRAUD, CHAT)
    assert sorted(bool(found.starting(key)) for key in (FRAUD, CHAT)) == [False, True]


def test_a_write_that_fails_gives_the_turn_to_who_waited_because_of_it():
    found, other = town("{concurrentRollouts: 1}", "other")
    promote(found, FRAUD, other)

    def fail(value):
        if value.key == other:
            assert found.turn(FRAUD).candidate is None  # it sees the claim
            raise Retry("somebody wrote in between", reason="StateMoved")

    found.home.before_write = fail
    with pytest.raises(Retry):
        found.turn(other)
    found.home.before_write = lambda _: None
    found.run(without=frozenset({other}))
    assert found.status(FRAUD).stable.model_version == "1.4.0"


def test_claims_are_of_one_environment_and_last_for_one_pass():
    claims, staging = Claims(), key_of("staging", "support-chat")
    claim = Claim(use=Use(gpus=2), starts=True)
    claims.take(CHAT, claim)
    assert (claims.others(FRAUD), claims.others(CHAT), claims.others(staging)) == ({CHAT: claim}, {}, {})
    claims.wait(FRAUD)
    assert (claims.anybody(CHAT), claims.anybody(staging)) == (True, False)
    assert (claims.drop(CHAT), claims.drop(CHAT)) == (True, False)
    assert (claims.called(CHAT), claims.called(CHAT)) == ([FRAUD], [])
    assert claims.others(FRAUD) == {}
    assert CHAT.repository == REPOSITORY


def test_a_preview_shows_the_gate_and_what_is_left():
    found = town("{gpus: 3}")
    bigger_chat(found)
    facts = gather(CHAT, found.world)
    shown = _telling(admit(facts, judge(facts, verify(facts), found.world), found.world))
    found.world.claims.drop(CHAT)
    (gate,) = [row for row in shown if row.kind == "Limit"]
    assert gate.open
    assert gate.message.endswith("has 3")
