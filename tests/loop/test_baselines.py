"""Baselines over passes: what an environment's `defaults` make of its releases, when they change and return."""

import pytest
from loop_acme import FRAUD, NOW, PROD, Published, Repo, key_of, snapshot, specs_of
from loop_passes import Release

from reconciler.documents import complete as completing
from reconciler.loop.standing import stand
from reconciler.model.state import Phase, unpack

ENVIRONMENT = "environments/prod.yaml"
CHAT = key_of("prod", "support-chat")
STAGING = key_of("staging", "fraud-detector")
MEMORY = '    resources: {cpu: "1", memory: 2Gi}\n'
BASELINE = '  defaults: {serving: {resources: {cpu: "1", memory: 2Gi}}}\n'


def repo_with(baseline=BASELINE, *, cut=MEMORY):
    """Acme's models, with fraud-detector leaving its resources to prod."""
    repo = Repo()
    give(repo, baseline)
    repo.edit(PROD, cut, "")
    return repo


def give(repo, baseline, *, by="bo"):
    """Another baseline for prod, in place of what it has."""
    text = repo.text(ENVIRONMENT).partition("  defaults:")[0] + baseline
    repo.write(ENVIRONMENT, text.encode())
    if by:
        repo.sign(ENVIRONMENT, by)


def last_line(repo):
    """Where prod's baseline stands: behind all that the sample says."""
    return f"{ENVIRONMENT}:{repo.text(ENVIRONMENT).count(chr(10))}"


def more(memory):
    return BASELINE.replace("2Gi", memory)


def resolved(repo, key=FRAUD):
    return stand(key, snapshot(repo), (), first_seen=NOW, now=NOW)


# --- what it is worth


def test_a_field_that_moves_into_the_baseline_changes_no_version_and_restarts_nothing():
    before, after = resolved(Repo()), resolved(repo_with())
    assert all(gate.open for gate in after.gates)
    assert after.resolved.effective.version == before.resolved.effective.version
    assert after.resolved.effective.spec == before.resolved.effective.spec
    assert after.closure != before.closure


def test_a_release_that_lacks_something_is_held_with_both_places():
    repo = repo_with("")
    (gate,) = [gate for gate in resolved(repo).gates if not gate.open]
    assert (gate.kind, gate.reason) == ("Reference", "Invalid")
    assert f"{PROD}:31:3: spec.serving.resources: this field is missing" in gate.message
    assert f"or under 'spec.defaults.serving' in {ENVIRONMENT}" in gate.message
    assert resolved(repo, CHAT).resolved  # it lacks nothing


def test_a_baseline_that_makes_no_sense_with_a_release_is_named_where_it_stands():
    repo = repo_with(
        BASELINE.replace("{serving", "{targets: {namespace: kube-system}, serving"), cut="    namespace: fraud\n"
    )
    (gate,) = [gate for gate in resolved(repo).gates if not gate.open]
    assert gate.message.startswith(
        f"{last_line(repo)}:35: spec.defaults.targets.namespace: 'kube-system' is not allowed"
    )
    assert resolved(repo, CHAT).resolved


def test_a_schedule_of_the_baseline_holds_with_its_place():
    release = Release(repo=Repo())
    give(release.repo, "  defaults: {schedule: {notBefore: 2027-01-01T00:00:00Z}}\n")
    release.turn()
    (gate,) = release.status.gates
    assert gate.kind == "Schedule"
    assert f"{last_line(release.repo)}:36" in gate.message


def test_an_environment_that_was_never_accepted_gives_nothing_and_is_what_holds():
    repo = repo_with()
    repo.files.pop(f"{ENVIRONMENT}.sig")
    found = resolved(repo)
    assert [(gate.kind, gate.reason) for gate in found.gates if not gate.open] == [("Config", "ConfigNotTrusted")]


# --- who has to look again, and what it costs


def test_a_runtime_that_the_baseline_names_wakes_the_releases_that_leave_it_out():
    repo = repo_with("  defaults: {serving: {runtime: onnx-http}}\n", cut="    runtime: onnx-http\n")
    world = Published(repo)
    world.publish()
    repo.edit("runtimes/onnx-http.yaml", "8080", "8081")
    found = world.publish()
    assert {FRAUD, STAGING} <= world.last.affected
    assert CHAT not in world.last.affected
    assert stand(FRAUD, found, (), first_seen=NOW, now=NOW).resolved.effective.runtime.spec.ports[0].port == 8081


def test_a_runtime_that_the_baseline_names_and_nobody_trusts_holds():
    repo = repo_with("  defaults: {serving: {runtime: onnx-http}}\n", cut="    runtime: onnx-http\n")
    repo.files.pop("runtimes/onnx-http.yaml.sig")
    assert [gate.reason for gate in resolved(repo).gates if not gate.open] == ["ConfigNotTrusted"]


def test_a_release_is_completed_once_however_many_passes_there_are(monkeypatch):
    count = []
    real = completing.complete
    monkeypatch.setattr(completing, "complete", lambda *files: count.append(files[0].path) or real(*files))
    release = Release(repo=repo_with())
    release.settle()
    assert count == [PROD]
    release.repo.edit("clusters/us-1.yaml", "context: us-1", "context: us")
    release.settle()
    assert count == [PROD]
    give(release.repo, more("4Gi"))
    release.settle()
    assert count == [PROD, PROD]


# --- journeys


def running(**kwargs):
    release = Release(repo=repo_with(**kwargs))
    release.settle()
    assert release.status.phase is Phase.PROMOTED
    return release


def memory(release):
    """What stable has, and what is on its way."""
    now, kept = release.status, release.status.effective
    return tuple(
        unpack(kept[ref.version]).spec.serving.resources.memory if ref else None for ref in (now.stable, now.candidate)
    )


def test_a_changed_baseline_makes_an_ordinary_candidate():
    release = running()
    manifest = release.status.manifest
    give(release.repo, more("4Gi"))
    release.turn()
    assert memory(release) == ("2Gi", "4Gi")
    assert release.status.phase is not Phase.ROLLING_BACK
    release.settle()
    assert memory(release) == ("4Gi", None)
    assert [row.manifest for row in release.status.history] == [manifest, manifest]
    assert release.status.history[0].version != release.status.history[1].version


def test_a_changed_baseline_goes_through_every_gate():
    release = running()
    give(release.repo, more("4Gi"))
    release.denied = True
    for _ in range(3):
        release.turn()
    assert memory(release) == ("2Gi", None)


def test_a_baseline_that_changes_no_version_applies_in_place():
    release = running()
    before = release.status.stable.version
    give(release.repo, BASELINE.replace("{serving: {", "{serving: {disruption: {maxUnavailable: 2}, "))
    release.settle()
    assert release.status.stable.version == before
    assert {row.spec.serving.disruption.max_unavailable for row in specs_of(release.status).values()} == {2}


@pytest.mark.parametrize("by", ["", "ada"])
def test_an_unsigned_baseline_is_not_in_force_and_the_accepted_one_stays(by):
    release = running()
    before = release.status
    give(release.repo, more("4Gi"), by=by)
    for _ in range(3):
        release.turn()
    assert release.status.directives == before.directives
    assert release.status.candidate is None
    assert any(note.startswith(f"{ENVIRONMENT}: ") for note in release.judged.notes)
    # A new text is completed with the accepted baseline, too.
    release.repo.edit(PROD, "version: 1.3.0", "version: 1.4.0")
    release.settle()
    assert release.status.stable.model_version == "1.4.0"
    assert memory(release) == ("2Gi", None)


def test_a_revert_returns_the_recorded_version_at_once_and_todays_baseline_follows_as_a_candidate():
    release = running()
    recorded = release.status.stable.version
    release.repo.edit(PROD, "version: 1.3.0", "version: 1.4.0")
    give(release.repo, more("4Gi"))
    release.settle()
    assert (release.status.stable.model_version, *memory(release)) == ("1.4.0", "4Gi", None)

    release.repo.edit(PROD, "version: 1.4.0", "version: 1.3.0")  # a revert: the manifest of before, byte for byte
    release.turn()
    assert release.status.phase is Phase.ROLLING_BACK
    seen = []
    for _ in range(40):
        release.turn()
        row = (release.status.stable.version, *memory(release))
        if not seen or seen[-1] != row:
            seen.append(row)
    assert (
        recorded,
        "2Gi",
        "4Gi",
    ) in seen  # the recorded version served; then what today's baseline makes of its text came as a candidate …
    assert seen[-1][1:] == ("4Gi", None)  # … and was promoted
    assert release.status.stable.model_version == "1.3.0"


def test_a_revert_returns_although_a_policy_would_deny_what_todays_baseline_makes_of_it():
    release = running()
    recorded = release.status.stable.version
    release.repo.edit(PROD, "version: 1.3.0", "version: 1.4.0")
    give(release.repo, more("4Gi"))
    release.settle()
    release.repo.edit(PROD, "version: 1.4.0", "version: 1.3.0")
    release.denied = True
    release.settle()
    assert release.status.stable.version == recorded
    assert memory(release) == ("2Gi", None)
    assert release.status.gates  # the candidate of today's baseline waits


def test_a_revert_returns_the_recorded_version_although_todays_baseline_lacks_what_it_needs():
    release = running()
    recorded = release.status.stable.version
    text = release.repo.text(PROD)
    release.repo.edit(PROD, "version: 1.3.0", "version: 1.4.0", by="")
    release.repo.edit(PROD, "    access:", f"{MEMORY}    access:")
    give(release.repo, "")
    release.settle()
    assert release.status.stable.model_version == "1.4.0"
    release.repo.write(PROD, text.encode())
    release.repo.sign(PROD)
    release.settle()
    assert release.status.stable.version == recorded
    assert any("spec.serving.resources: this field is missing" in gate.message for gate in release.status.gates)
