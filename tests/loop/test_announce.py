"""What a release pass tells: conditions, and records that come from the difference between two states."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from loop_acme import FRAUD, NOW, PROD, fleet, fleeting, later, signature, trust
from loop_passes import Release

from reconciler.loop.announce import NO_GATE, announce, conditions, records
from reconciler.loop.chain import identity
from reconciler.model.policy import PolicyResult, PolicyVerdict
from reconciler.model.state import Phase, ReleaseStatus, unpack
from reconciler.trust.people import read_trust


def edit(release, old="1.3.0", new="1.4.0", *, by="bo"):
    release.repo.edit(PROD, f"version: {old}", f"version: {new}", by=by)


def told(release, passes=12):
    """What the ledger was to be told, as (kind, sentence), over passes until nothing moves."""
    before = len(release.status.outbox)
    for _ in range(passes):
        release.turn()
    return [(row.record.kind, row.record.message) for row in release.status.outbox[before:]]


def running():
    release = Release()
    release.settle()
    return release


# --- records


def test_a_first_release():
    release = Release()
    assert told(release) == [
        ("Started", "fraud-detector: 1.3.0 on eu-1 and us-1"),
        ("Promoted", "fraud-detector 1.3.0 is Healthy on eu-1 and us-1"),
    ]


def test_a_promotion_is_recorded_with_all_that_is_needed_to_bring_it_back():
    release = running()
    edit(release)
    told(release)
    entry = release.status.outbox[-1]
    record, status = entry.record, release.status
    assert (record.kind, record.version, record.closure) == ("Promoted", status.stable.version, status.closure)
    assert record.from_version == status.history[1].version
    assert [(row.person, row.use) for row in record.signatures] == [("bo", "release")]
    assert record.manifest.path == PROD
    assert record.manifest.sha256 == status.manifest
    assert record.clusters == ("eu-1", "us-1")
    assert record.detail["promotion"] == status.history[0].to_data()
    assert unpack(record.detail["effective"]).version == status.stable.version
    stem = f"manifests/{status.manifest.removeprefix('sha256:')}.yaml"
    assert entry.blobs == {stem: release.repo.files[PROD], f"{stem}.sig": release.repo.files[f"{PROD}.sig"]}


def test_an_update_a_return_and_an_abort():
    release = running()
    edit(release)
    assert told(release) == [
        ("Started", "fraud-detector: 1.3.0 gives way to 1.4.0 on eu-1 and us-1"),
        ("Promoted", "fraud-detector 1.4.0 is Healthy on eu-1 and us-1"),
    ]
    left = release.status.stable.version
    edit(release, "1.4.0", "1.3.0")
    assert told(release) == [
        ("Started", "fraud-detector: 1.4.0 gives way to 1.3.0 on eu-1 and us-1"),
        ("RolledBack", "fraud-detector returned from 1.4.0 to 1.3.0, Healthy on eu-1 and us-1"),
    ]
    assert release.status.outbox[-1].record.from_version == left
    edit(release, "1.3.0", "1.5.0")
    release.turn()
    release.turn()
    edit(release, "1.5.0", "1.3.0")
    assert told(release)[-1:] == [
        ("Aborted", "the rollout was given up; fraud-detector 1.3.0 has its full size on eu-1 and us-1")
    ]
    record = release.status.outbox[-1].record
    assert (record.version, record.from_version) == (release.status.stable.version, "")


def test_a_change_in_place_is_a_promotion_of_the_same_version():
    release = running()
    version = release.status.stable.version
    release.repo.edit(PROD, "max: 6", "max: 5")
    assert told(release) == [("Promoted", "fraud-detector 1.3.0 is Healthy on eu-1 and us-1")]
    assert release.status.outbox[-1].record.version == version


def test_a_gate_that_closes_is_told_once_and_again_when_it_says_something_else():
    release = running()
    edit(release, by="")
    (row,) = told(release)
    assert row[0] == "Held"
    assert row[1].startswith(f"{PROD} is not verified")
    record = release.status.outbox[-1].record
    assert (record.version, record.from_version, record.detail) == ("", "", {})
    edit(release, "1.4.0", "1.5.0", by="ada")
    (row,) = told(release)
    assert "may not release in prod" in row[1]
    release.repo.sign(PROD)
    assert [kind for kind, _ in told(release)] == ["Started", "Promoted"]


def test_a_pass_that_is_repeated_after_a_crash_tells_the_same():
    release = running()
    edit(release)
    before, now = release.status, release.now
    once = release.turn()
    release.status, release.now = before, now
    assert release.turn() == once
    assert len(once.outbox) == len(before.outbox) + 1
    assert len({identity(row.record) for row in once.outbox}) == len(once.outbox)


def test_policies_that_were_asked_are_in_the_record_and_skips_only_with_their_reason():
    release = running()
    edit(release)
    before, after = release.status, release.turn()
    verdicts = tuple(
        PolicyVerdict(name=name, source="builtin:baseline", result=result, message=message)
        for name, result, message in [
            ("a", PolicyResult.PASS, ""),
            ("b", PolicyResult.SKIP, ""),
            ("c", PolicyResult.SKIP, "switched off: batch"),
        ]
    )
    judged = replace(release.judged, verdicts=verdicts)
    (entry,) = records(FRAUD, before, after, judged, NOW)
    assert [row.name for row in entry.record.policies] == ["a", "c"]


def test_nothing_moved_nothing_is_told():
    release = running()
    assert told(release, passes=5) == []
    assert records(FRAUD, release.status, release.status, release.judged, NOW) == ()


# --- conditions


def words(rows):
    return {row.type: (row.status, row.reason, row.message) for row in rows}


def found(status, clusters=None, notes=()):
    return words(conditions(status, status, fleet(FRAUD, status) if clusters is None else clusters, notes, NOW))


def test_promoted_and_healthy_everywhere():
    assert found(running().status) == {
        "Ready": ("True", "Promoted", "1.3.0 is Healthy on 2 of 2 clusters"),
        "Held": ("False", NO_GATE, ""),
        "Reconciling": ("False", "Settled", ""),
    }


def unhealthy(state):
    versions = {
        version: health.model_copy(update={"healthy": False, "message": "0 of 2 pods are ready"})
        for version, health in state.status.versions.items()
    }
    return state.model_copy(update={"status": state.status.model_copy(update={"versions": versions})})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param(
            lambda row: fleeting(unhealthy(row.state)), "us-1: 0 of 2 pods are ready", id="its pods are not ready"
        ),
        pytest.param(
            lambda row: fleeting(row.state, reachable=False), "us-1 cannot be reached", id="it does not answer"
        ),
        pytest.param(
            lambda row: fleeting(row.state, reachable=False, trouble="timed out"),
            "us-1 cannot be reached: timed out",
            id="it does not answer, and we know why",
        ),
        pytest.param(lambda _: None, "us-1 cannot be reached", id="it is not declared any more"),
        pytest.param(lambda _: fleeting(None), "us-1 has not reported yet", id="it has not reported"),
        pytest.param(
            lambda _: fleeting(None, trouble="namespace is missing"),
            "us-1: namespace is missing",
            id="it cannot report, and we know why",
        ),
    ],
)
def test_what_is_not_healthy_somewhere_is_not_ready_and_one_cluster_says_why(change, why):
    status = running().status
    clusters = fleet(FRAUD, status)
    row = change(clusters.pop("us-1"))
    if row:
        clusters["us-1"] = row
    ready = found(status, clusters)["Ready"]
    assert ready == ("False", "NotHealthy", f"1.3.0 is Healthy on 1 of 2 clusters; {why}")


def test_nothing_serves():
    release = Release()
    edit(release, by="")
    release.turn()
    status, reason, message = found(release.status)["Ready"]
    assert (status, reason) == ("False", "NothingServes")
    assert message == "1.4.0 waits for its gates; nothing serves yet."


def test_a_rollout_under_way_is_ready_by_what_serves_and_reconciling():
    release = running()
    edit(release)
    release.turn()
    seen = words(release.status.conditions)
    assert seen["Reconciling"][:2] == ("True", release.status.phase.value)
    assert seen["Reconciling"][2] == release.status.message
    assert seen["Ready"][0] == "True"
    assert release.status.phase in (Phase.PREPARING, Phase.STEPPING)


def test_held_names_the_first_gates_reason_and_every_gates_sentence():
    release = running()
    edit(release, by="")
    release.denied = True
    seen = words(release.turn().conditions)["Held"]
    assert seen[:2] == ("True", "NotVerified")
    assert seen[2].splitlines()[1] == "policy owner-named: name a team"
    assert words(release.status.conditions)["Ready"][0] == "True"


def test_a_text_that_is_not_trusted_is_named_once_until_it_is():
    status = running().status
    assert found(status, notes=("a", "b", "a"))["ConfigTrusted"] == ("False", "ConfigNotTrusted", "a\nb")
    assert "ConfigTrusted" not in found(status)


# --- telling


class Heard:
    """The four doors of a world that announcing goes through, as lists."""

    def __init__(self):
        self.lines, self.events, self.counted, self.woken = [], [], [], []
        self.log = self.telemetry = self

    def info(self, word, **fields):
        self.lines.append((word, fields["release"], fields["sentence"]))

    def decision(self, kind, key):
        self.counted.append((kind, key))

    def event(self, key, *, warning, reason, message):
        self.events.append((key, warning, reason, message))

    def wake_ledger(self, repository):
        self.woken.append(repository)


def test_what_is_new_is_said_everywhere_once():
    release = running()
    before = release.status
    edit(release, by="")
    after = release.turn()
    heard = Heard()
    announce(FRAUD, before, after, heard)
    sentence = after.outbox[-1].record.message
    assert heard.lines == [("held", "prod/fraud-detector", sentence)]
    assert heard.events == [(FRAUD, True, "Held", sentence)]
    assert heard.counted == [("Held", FRAUD)]
    assert heard.woken == [FRAUD.repository]


def test_nothing_new_wakes_nobody():
    heard = Heard()
    status = running().status
    announce(FRAUD, status, status, heard)
    assert (heard.lines, heard.events, heard.counted, heard.woken) == ([], [], [], [])


def test_of_very_many_notes_some_are_told_and_the_rest_is_counted():
    notes = [f"{number}.yaml is not signed" for number in range(5000)]
    rows = {row.type: row for row in conditions(ReleaseStatus(), ReleaseStatus(), {}, notes, NOW)}
    assert rows["ConfigTrusted"].message.endswith("9.yaml is not signed\nand 4990 more")


# --- keys that ended


def vouched(release):
    return next((row for row in release.status.conditions if row.type == "Vouched"), None)


@pytest.mark.parametrize(
    ("times", "status", "reason"),
    [
        ({"revokedAt": "2026-12-01T09:30:00Z"}, "False", "KeyRevoked"),
        ({"validBefore": "2026-12-01T09:30:00Z"}, "True", "KeyEnded"),
    ],
    ids=["revoked", "expired"],
)  # fmt: skip
def test_a_key_that_ends_later_names_what_it_released_and_moves_nothing(times, status, reason):
    release = running()
    before = release.status
    assert vouched(release) is None
    release.now = later(60)
    release.world.trust = trust(bo=times)
    release.world.publish(everything=True)
    release.settle()
    row = vouched(release)
    assert (row.status, row.reason) == (status, reason)
    assert row.message.startswith("1.3.0 was released with bo's key SHA256:")
    assert release.status.directives == before.directives
    assert not release.status.gates
    edit(release)
    release.turn()
    assert release.status.gates[0].reason == "NotVerified"


def test_a_candidate_on_its_way_is_named_too():
    release = running()
    edit(release)
    release.turn()
    assert release.status.candidate
    release.now = later(60)
    release.world.trust = trust(bo={"revokedAt": "2026-12-01T09:30:00Z"})
    release.world.publish(everything=True)
    release.turn(obey=False)
    assert "1.4.0 was released with bo's key" in vouched(release).message
    assert "1.3.0 was released with bo's key" in vouched(release).message


def test_a_revoked_key_makes_one_warning():
    release = running()
    before = release.status
    release.now = later(60)
    release.world.trust = trust(bo={"revokedAt": "2026-12-01T09:30:00Z"})
    release.world.publish(everything=True)
    after = release.turn()
    said = []
    world = SimpleNamespace(
        log=SimpleNamespace(warning=lambda *_, **__: None, info=lambda *_, **__: None),
        event=lambda _, **fields: said.append(fields), wake_ledger=lambda _: None, telemetry=None,
    )  # fmt: skip
    announce(FRAUD, before, after, world)
    announce(FRAUD, after, release.turn(), world)
    assert [(row["warning"], row["reason"]) for row in said] == [(True, "KeyRevoked")]
    assert said[0]["message"].endswith("; it keeps running")


def test_a_second_signature_beside_the_same_text_ends_the_alarm():
    release = running()
    release.now = later(60)
    dee = trust(bo={"revokedAt": "2026-12-01T09:30:00Z"}).to_data()
    dee["spec"]["people"][3]["roles"] = ["owner"]
    release.world.trust = read_trust(dee, path="trust.yaml")
    release.world.publish(everything=True)
    release.settle()
    assert vouched(release).status == "False"
    both = signature(PROD, release.repo.text(PROD).encode(), "bo") + signature(
        PROD, release.repo.text(PROD).encode(), "dee"
    )
    release.repo.write(f"{PROD}.sig", both)
    release.settle()
    assert (vouched(release).status, vouched(release).reason) == ("True", "OtherKeysValid")
