"""Hooks over the passes of a release: what people are told and what is written down, from the merge to the end."""

import pytest
from loop_acme import FRAUD, PROD, fleet
from loop_passes import Release

from reconciler.loop import progress
from reconciler.model.ids import Revision
from reconciler.model.state import Phase, ReleaseStatus, canonical, pack, unpack
from reconciler.render import render

IMAGE = f"registry.example.com/hook@sha256:{'a' * 64}"


def hooks(**named: str) -> str:
    """`before="migrate"` as the text of a manifest."""
    lists = (f"{when}: [{{job: {{name: {name}, image: {IMAGE}}}}}]" for when, name in named.items())
    return f"hooks: {{{', '.join(lists)}}}\n  rollout: {{strategy: rolling}}"


def merge(release: Release, version: str, **named: str) -> None:
    """Bo merges another version with hooks."""
    text = release.repo.text(PROD)
    old = text[text.index("    version: ") :].splitlines()[0]
    release.repo.edit(PROD, f"{old}\n", f"    version: {version}\n", by="")
    correct(release, **named)


def correct(release: Release, **named: str) -> None:
    """Bo merges the same version with other hooks."""
    text = release.repo.text(PROD)
    begin = text.index("  hooks: ") if "  hooks: " in text else text.index("  rollout: ")
    end = text.index("  links:")
    new = f"  {hooks(**named)}\n" if named else "  rollout: {strategy: rolling}\n"
    release.repo.edit(PROD, text[begin:end], new)


def running(**more) -> Release:
    release = Release(**more)
    release.settle()
    return release


def told_hooks(release: Release) -> set[tuple[str, ...]]:
    return {entry.hooks for told in release.status.directives.values() for entry in told.versions}


def kinds(release: Release) -> list[str]:
    return [entry.record.kind for entry in release.status.outbox]


def gates(release: Release) -> list[tuple[str, str]]:
    return [(gate.kind, gate.reason) for gate in release.status.gates]


def held(release: Release) -> str:
    return next(row.reason for row in release.status.conditions if row.type == "Held")


def stable(release: Release) -> str:
    return release.status.stable.model_version


def test_a_version_with_hooks_is_promoted_once_they_completed_and_tells_of_them_without_an_alarm():
    release = running()
    release.hooks = {"migrate": "Running"}
    merge(release, "1.4.0", before="migrate", after="smoke")
    release.turn()
    assert (gates(release), held(release)) == ([("Hook", "HookRunning")], "HookRunning")
    assert ("migrate",) in told_hooks(release)
    assert release.status.candidate.model_version == "1.4.0"
    assert {entry.high for told in release.status.directives.values() for entry in told.versions} == {6, 0}
    release.hooks = {}
    release.settle()
    assert (stable(release), release.status.phase, gates(release)) == ("1.4.0", Phase.PROMOTED, [])
    assert kinds(release) == ["Started", "Promoted", "Started", "Promoted"]
    assert told_hooks(release) == {("migrate", "smoke"), ()}


def test_a_failed_hook_before_holds_the_release_and_another_version_goes_on():
    release = running()
    release.hooks = {"migrate": "Failed"}
    merge(release, "1.4.0", before="migrate")
    for _ in range(4):
        release.turn()
    (gate,) = release.status.gates
    assert (gate.kind, gate.reason, held(release)) == ("Hook", "HookFailed", "HookFailed")
    assert "hook migrate of 1.4.0 failed on eu-1: BackoffLimitExceeded: pod smoke-x: Error; exit code 1" in gate.message
    assert (stable(release), release.told()) == ("1.3.0", {release.status.stable.version})
    assert kinds(release)[-2:] == ["Started", "Held"]
    merge(release, "1.5.0", before="migrate-2")
    release.settle()
    assert (stable(release), gates(release)) == ("1.5.0", [])


def test_a_corrected_hook_of_the_same_version_takes_another_name():
    release = running()
    release.hooks = {"migrate": "Failed"}
    merge(release, "1.4.0", before="migrate")
    for _ in range(4):
        release.turn()
    version = release.status.candidate.version
    correct(release, before="migrate-again")
    release.settle()
    assert (stable(release), release.status.stable.version) == ("1.4.0", version)


@pytest.mark.parametrize("lost", [False, True])
def test_a_failed_hook_after_gives_the_version_up_until_something_else_is_merged(lost):
    release = running()
    release.hooks = {"smoke": "Failed"}
    merge(release, "1.4.0", after="smoke")
    release.settle()
    assert (stable(release), release.status.candidate, release.status.phase) == ("1.3.0", None, Phase.PENDING)
    assert (gates(release), held(release)) == ([("Hook", "HookFailed")], "HookFailed")
    assert release.told() == {release.status.stable.version}
    assert kinds(release)[-3:] == ["Started", "Held", "Aborted"]
    assert "because hook smoke failed on eu-1" in release.status.outbox[-1].record.message
    assert release.status.outbox[-1].record.version == release.status.stable.version
    assert ReleaseStatus.from_data(release.status.to_data()) == release.status
    if lost:  # what targets know is enough
        states = [row.state for row in fleet(FRAUD, release.status, hooks=release.hooks).values()]
        release.status = progress.refilled(ReleaseStatus(), progress.restored(states, release.status.history, {}, ()))
        release.settle()
        assert (release.status.failed.hook, release.told()) == ("smoke", {release.status.stable.version})
    release.hooks = {}
    merge(release, "1.5.0", after="smoke")
    release.settle()
    assert (stable(release), release.status.failed, gates(release)) == ("1.5.0", None, [])


def test_what_was_given_up_and_taken_back_may_be_tried_again():
    release = running()
    text = release.repo.text(PROD)
    release.hooks = {"smoke": "Failed"}
    merge(release, "1.4.0", after="smoke")
    release.settle()
    again = release.repo.text(PROD)
    release.repo.edit(PROD, again, text)
    release.settle()
    assert (release.status.failed, release.status.phase, told_hooks(release)) == (None, Phase.PROMOTED, {()})
    release.hooks = {}
    release.repo.edit(PROD, text, again)
    release.settle()
    assert stable(release) == "1.4.0"


def test_a_revert_to_what_was_good_runs_no_hooks():
    release = running()
    text = release.repo.text(PROD)
    merge(release, "1.4.0", before="migrate", after="smoke")
    release.settle()
    release.hooks = {"migrate": "Failed", "smoke": "Failed"}
    again = release.repo.text(PROD)
    release.repo.edit(PROD, again, text)
    release.settle()
    assert stable(release) == "1.3.0"
    release.repo.edit(PROD, text, again)
    release.settle()
    assert (stable(release), kinds(release)[-1], told_hooks(release)) == ("1.4.0", "RolledBack", {()})


def test_other_hooks_of_what_is_promoted_run_with_the_next_version():
    release = running()
    merge(release, "1.4.0", after="smoke")
    release.settle()
    release.hooks = {"other": "Failed"}
    correct(release, before="other", after="other-too")
    release.settle()
    assert (stable(release), release.status.phase, gates(release)) == ("1.4.0", Phase.PROMOTED, [])
    assert all("other" not in names for names in told_hooks(release))
    merge(release, "1.5.0", before="other")
    for _ in range(4):
        release.turn()
    assert gates(release) == [("Hook", "HookFailed")]


def test_what_policies_are_told_to_come_counts_the_jobs():
    release = running()
    merge(release, "1.4.0", before="migrate", after="smoke")
    release.settle()
    effective = unpack(release.status.effective[release.status.stable.version])
    told = progress.promoted(effective, revision=Revision("1" * 40), closure=release.status.closure)
    counted = progress.object_counts(render(told, {effective.version: effective}, key=FRAUD), 2)
    assert (counted["Job"], counted["Deployment"]) == (4, 2)
    assert unpack(pack(effective)) == effective
    assert b"migrate" in canonical(effective.to_data())
