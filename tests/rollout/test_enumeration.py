"""Every small situation: phase x what was accepted x what is asked x gate x directive x health x reach x strategy.

Two clusters: `eu-1` takes every shape, `us-1` is always an ordinary one. The invariants hold in all of them, also in
those that no history of passes leads to.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from rollout_world import EU, NOW, US, digest, directive, health, retired, runnable, situation, told

from reconciler.model.state import ASLEEP, Directive, Phase, Role
from reconciler.rollout.machine import advance
from reconciler.rollout.situation import Advance, ClusterSeen, Progress, Situation

V1, V2, V3, OLD = runnable("1"), runnable("2"), runnable("3"), runnable("o")
IN_PLACE = runnable("1", 5, 12, effective="x")
FIXED = runnable("2", 4, 4)
ASLEEP_1 = retired("1")
ASKED = {
    "stable": (V1, False),
    "stable, changed in place": (IN_PLACE, False),
    "the candidate": (V2, False),
    "the candidate without an autoscaler": (FIXED, False),
    "another version": (V3, False),
    "a known-good version": (OLD, True),
    "stable, retired": (ASLEEP_1, False),
    "another version, retired": (retired("3"), False),
}
SHAPES = {
    "none": None,
    "steady": directive(told("1", "s", 4, 10), told("o", "p", 0)),
    "begun": directive(told("1", "s", 4), told("2", "c", 1), told("o", "p", 0)),
    "half": directive(told("1", "s", 2), told("2", "c", 3)),
    "last": directive(told("1", "s", 1), told("2", "c", 4)),
    "finished": directive(told("1", "s", 0), told("2", "c", 4, 10)),
    "emptied": directive(told("1", "s", 0), told("2", "c", 0)),
    "first": directive(told("2", "c", 4)),
    "aborted": directive(told("1", "s", 4), told("2", "c", 0), told("o", "p", 0)),
    "returning": directive(told("1", "s", 3), told("o", "c", 4)),
    "foreign": directive(told("z", "s", 2, 9)),
    "asleep": directive(told("1", "s", 0, effective="r"), told("o", "p", 0), retire=True),
}
HEALTH = {
    "unknown": None,
    "ready": lambda entry: health(entry.low, entry.low),
    "not ready": lambda entry: health(entry.low, 0, healthy=False),
    "failed": lambda entry: health(entry.low, 0, healthy=False, failed=True, reason="Deadline"),
}
REPORTS = {"settled": (1, True), "behind": (0, True), "unreachable": (1, False)}
PHASES = [
    (Phase.PENDING, None),
    (Phase.PROMOTED, None),
    (Phase.PREPARING, V2),
    (Phase.STEPPING, V2),
    (Phase.STEPPING, FIXED),
    (Phase.ROLLING_BACK, None),
    (Phase.ROLLING_BACK, OLD),
    (Phase.PROMOTED, V2),
]
STANDS = [(phase, candidate, stable) for phase, candidate in PHASES for stable in (V1, None)] + [
    (Phase.RETIRING, None, ASLEEP_1),
    (Phase.RETIRED, None, ASLEEP_1),
    (Phase.RETIRED, None, V1),
    (Phase.RETIRED, None, None),
    (Phase.PREPARING, None, V1),
    (Phase.PREPARING, V2, ASLEEP_1),
    (Phase.STEPPING, V2, ASLEEP_1),
    (Phase.ROLLING_BACK, OLD, ASLEEP_1),
]
SIZE = {EU: 4, US: 4}


@dataclass(frozen=True)
class Case:
    asked: str
    gates_open: bool
    known_good: bool
    situation: Situation

    @property
    def accepted(self) -> bool:
        return self.gates_open or self.known_good

    @property
    def retires(self) -> bool:
        """What is accepted is that nothing serves."""
        before = self.situation.progress
        stable, asked = before.stable, self.situation.wanted.runnable
        back = stable is not None and stable.retired and (asked.version == stable.version or before.candidate is None)
        return asked.retired if self.accepted else back or before.phase in ASLEEP


def report(plan: Directive | None, condition: str, how: str) -> ClusterSeen:
    sequence, reachable = REPORTS[how]
    judge = HEALTH[condition]
    entries = plan.versions if plan is not None and judge is not None else ()
    versions = {entry.version: judge(entry) for entry in entries}
    return ClusterSeen(reachable=reachable, sequence=sequence, versions=versions)


ORDINARY = (SHAPES["begun"], report(SHAPES["begun"], "ready", "settled"))


def cases(asked: str, strategy: str) -> Iterator[Case]:
    wanted, known_good = ASKED[asked]
    for (phase, candidate, stable), gates_open, shape, condition, how in itertools.product(
        STANDS, (True, False), SHAPES, HEALTH, REPORTS
    ):
        plan = SHAPES[shape]
        yield Case(
            asked=asked,
            gates_open=gates_open,
            known_good=known_good,
            situation=situation(
                wanted,
                {EU: (plan, report(plan, condition, how)), US: ORDINARY},
                gates_open=gates_open,
                known_good=known_good,
                strategy=strategy,
                phase=phase,
                stable=stable,
                candidate=candidate,
                previous=(OLD,),
                full=SIZE,
            ),
        )


@pytest.mark.parametrize("strategy", ["rolling", "recreate"])
@pytest.mark.parametrize("asked", ASKED)
def test_the_invariants_hold_in_every_small_situation(asked, strategy):
    for case in cases(asked, strategy):
        answer = advance(case.situation, NOW)
        for check in CHECKS:
            assert check(case, answer), (check.__name__, case, answer)


def high(versions, name: str) -> int:
    return next((entry.high for entry in versions if entry.version == digest(name)), 0)


def before(case: Case, cluster: str):
    plan = case.situation.directives.get(cluster)
    return plan.versions if plan is not None else ()


def settled(case: Case, cluster: str) -> bool:
    plan, reported = case.situation.directives.get(cluster), case.situation.seen[cluster]
    return plan is not None and reported.reachable and reported.sequence >= plan.sequence


def a_directive_is_well_formed(_case: Case, answer: Advance):
    for versions in answer.versions.values():
        names = [entry.version for entry in versions]
        ranges = all(0 <= entry.low <= entry.high for entry in versions)
        previous = all(entry.high == 0 for entry in versions if entry.role is Role.PREVIOUS)
        if len(names) != len(set(names)) or not ranges or not previous or not names:
            return False
    return True


def promoted_is_true_exactly_when_the_phase_becomes_promoted(case: Case, answer: Advance):
    became = answer.phase is Phase.PROMOTED and case.situation.progress.phase is not Phase.PROMOTED
    return answer.promoted == became


def promoted_means_that_no_candidate_is_left(_case: Case, answer: Advance):
    return answer.phase is not Phase.PROMOTED or (answer.candidate is None and answer.stable is not None)


def a_new_stable_is_ready_on_every_cluster(case: Case, answer: Advance):
    old = case.situation.progress.stable
    if answer.stable is None or (old is not None and old.version == answer.stable.version):
        return True
    return all(
        settled(case, name)
        and case.situation.seen[name].versions[answer.stable.version].ready >= answer.stable.low
        and case.situation.seen[name].versions[answer.stable.version].healthy
        for name in case.situation.clusters
    )


def a_closed_gate_gives_no_forward_change(case: Case, answer: Advance):
    progress = case.situation.progress
    stable = progress.stable
    returning = progress.phase is Phase.ROLLING_BACK
    if (
        case.accepted
        or case.retires
        or returning
        or stable is None
        or case.situation.wanted.runnable.version == stable.version
    ):
        return True
    return all(
        high(versions, "1") >= high(before(case, name), "1")
        and all(high(versions, other) <= high(before(case, name), other) for other in ("2", "3", "o", "z"))
        for name, versions in answer.versions.items()
    )


def a_closed_gate_never_brings_in_what_was_not_accepted(case: Case, answer: Advance):
    if case.accepted:
        return True
    stable = case.situation.progress.stable
    new = {digest("3"), *([digest("1")] if stable is None else [])}
    texts = {IN_PLACE.effective, ASLEEP_1.effective} - ({stable.effective} if stable is not None else set())
    told_before = {(entry.version, entry.effective) for name in (EU, US) for entry in before(case, name)}
    return all(
        (entry.version, entry.effective) in told_before or (entry.version not in new and entry.effective not in texts)
        for versions in answer.versions.values()
        for entry in versions
    )


def abort_reaches_stable_at_once(case: Case, answer: Advance):
    stable = case.situation.progress.stable
    if stable is None or case.situation.wanted.runnable.version != stable.version or case.retires:
        return True
    if set(answer.versions) != {EU, US} or answer.candidate is not None:
        return False
    return all(
        high(versions, "1") >= 4 and high(versions, "2") == 0 and high(versions, "3") == 0 and high(versions, "o") == 0
        for versions in answer.versions.values()
    )


def a_known_good_version_is_told_at_once(case: Case, answer: Advance):
    return not case.known_good or all(high(versions, "o") >= 4 for versions in answer.versions.values())


def a_cluster_that_serves_is_left_with_something_to_serve(case: Case, answer: Advance):
    stable = case.situation.progress.stable
    asleep = case.retires or (stable is not None and stable.retired)  # nothing of it has to serve
    return (
        asleep
        or case.situation.strategy == "recreate"
        or all(
            any(entry.high for entry in answer.versions.get(name, before(case, name)))
            for name in case.situation.clusters
            if any(entry.high for entry in before(case, name))
        )
    )


def a_cluster_without_a_counting_report_takes_no_step(case: Case, answer: Advance):
    """The candidate grows and stable shrinks only where the last directive was acted upon."""
    stepping = answer.phase in (Phase.PREPARING, Phase.STEPPING) and answer.stable is not None
    stepping = stepping and not answer.stable.retired  # nothing of that has to serve
    if not stepping or settled(case, EU) or answer.candidate is None:
        return True
    name = {V2.version: "2", V3.version: "3", OLD.version: "o", V1.version: "1"}[answer.candidate.version]
    versions = answer.versions.get(EU, ())
    grown = high(versions, name) > max(high(before(case, EU), name), answer.candidate.high * finished(case, name))
    return not grown and high(versions, "1") >= min(high(before(case, EU), "1"), 4)


def finished(case: Case, name: str) -> bool:
    """The candidate already had its autoscaler; a changed range is a change in place."""
    return any(entry.version == digest(name) and entry.low < entry.high for entry in before(case, EU))


def a_failed_candidate_takes_no_step_anywhere(case: Case, answer: Advance):
    progress, candidate = case.situation.progress, answer.candidate
    same = progress.candidate is not None and candidate is not None and progress.candidate.version == candidate.version
    if not same or answer.stable is None or case.known_good or progress.phase is Phase.ROLLING_BACK:
        return True
    failing = case.situation.seen[EU].versions.get(candidate.version)
    if failing is None or not failing.failed or not failing.replicas or not settled(case, EU):
        return True
    if answer.stable.retired:  # nothing of that has to serve
        return all(high(versions, "2") <= high(before(case, at), "2") for at, versions in answer.versions.items())
    return answer.versions[US] == before(case, US) and high(answer.versions[EU], "1") >= high(before(case, EU), "1")


def the_sentence_is_one_line_for_people(_case: Case, answer: Advance):
    return answer.message.endswith(".") and "\n" not in answer.message and "None" not in answer.message


def it_looks_again_exactly_while_something_moves(case: Case, answer: Advance):
    moving = answer.phase in (Phase.PREPARING, Phase.STEPPING, Phase.ROLLING_BACK, Phase.RETIRING)
    held = not case.accepted and answer.candidate is not None and answer.phase is not Phase.ROLLING_BACK
    return (answer.look_again is not None) == (moving and not held)


def what_retires_has_no_pods_and_stays_known(case: Case, answer: Advance):
    if not case.retires:
        return answer.phase not in ASLEEP
    stable = case.situation.progress.stable
    same = (answer.stable and answer.stable.version) == (stable and stable.version)
    known = stable is None or all(
        entry.role is Role.STABLE
        for versions in answer.versions.values()
        for entry in versions
        if entry.version == stable.version
    )
    sizes = [entry.high for versions in answer.versions.values() for entry in versions]
    named = stable is None or set(answer.versions) == {EU, US}
    return answer.phase in ASLEEP and answer.candidate is None and same and known and named and not any(sizes)


def it_is_retired_once_every_cluster_acted_and_has_no_pod(case: Case, answer: Advance):
    """us-1 still serves in every case, so no pass ends it."""
    return answer.phase is not Phase.RETIRED or case.situation.progress.phase is Phase.RETIRED


def what_is_retired_serves_again_only_when_that_is_accepted(case: Case, answer: Advance):
    stable = case.situation.progress.stable
    asleep = case.situation.progress.phase in ASLEEP or (stable is not None and stable.retired)
    if case.accepted or not asleep or case.situation.progress.phase is Phase.ROLLING_BACK:
        return True
    return all(
        high(versions, name) <= high(before(case, cluster), name)
        for cluster, versions in answer.versions.items()
        for name in ("1", "2", "3", "o", "z")
    )


def a_pass_before_the_clusters_act_changes_nothing_more(case: Case, answer: Advance):
    """What was just told is told again until it was acted upon, whatever the old reports say."""
    if answer.versions == {name: before(case, name) for name in case.situation.directives}:
        return True
    retire = answer.phase in ASLEEP
    plans = {name: directive(*versions, sequence=2, retire=retire) for name, versions in answer.versions.items()}
    progress = Progress(
        phase=answer.phase,
        since=answer.since,
        stable=answer.stable,
        candidate=answer.candidate,
        previous=previous(case, answer),
        full=answer.full,
        failed=answer.failed,
    )
    again = advance(replace(case.situation, directives=plans, progress=progress), NOW)
    return again.versions == answer.versions


def previous(case: Case, answer: Advance):
    """As the loop keeps it: the history without what is stable."""
    old = case.situation.progress.stable
    history = (*((old,) if old is not None else ()), *case.situation.progress.previous)
    versions = [answer.stable.version] if answer.stable is not None else []
    return tuple(entry for entry in history if entry.version not in versions)


CHECKS = [
    a_directive_is_well_formed,
    promoted_is_true_exactly_when_the_phase_becomes_promoted,
    promoted_means_that_no_candidate_is_left,
    a_new_stable_is_ready_on_every_cluster,
    a_closed_gate_gives_no_forward_change,
    a_closed_gate_never_brings_in_what_was_not_accepted,
    abort_reaches_stable_at_once,
    a_known_good_version_is_told_at_once,
    a_cluster_that_serves_is_left_with_something_to_serve,
    a_cluster_without_a_counting_report_takes_no_step,
    a_failed_candidate_takes_no_step_anywhere,
    the_sentence_is_one_line_for_people,
    it_looks_again_exactly_while_something_moves,
    what_retires_has_no_pods_and_stays_known,
    it_is_retired_once_every_cluster_acted_and_has_no_pod,
    what_is_retired_serves_again_only_when_that_is_accepted,
    a_pass_before_the_clusters_act_changes_nothing_more,
]
