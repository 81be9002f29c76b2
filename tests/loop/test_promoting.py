"""What is asked for by itself: which promotions are ready, why others are not, and what people said no to."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from loop_acme import ENVIRONMENT_PROD, FRAUD, NOW, PROD, REPOSITORY, Repo, key_of, snapshot
from loop_passes import Release
from loop_votes import PULL

from reconciler.digest import sha256_of
from reconciler.loop.pulls.promoting import (
    NotNow,
    Proposed,
    Ready,
    Texts,
    automatic,
    begun_in,
    candidates,
    declined,
    promotion_of,
    proposed,
)
from reconciler.loop.recording import Scene, proposed_entry
from reconciler.model.branches import branch_of
from reconciler.model.plan import Condition, Gate
from reconciler.model.pull import PullState
from reconciler.model.record import Record
from reconciler.model.state import Phase, ReleaseStatus, unpack

STAGING = key_of("staging", "fraud-detector")
STAGED = "releases/staging/fraud-detector.yaml"
AUTO = "spec:\n  after: staging\n  soak: 1h\n  promotion: auto\n"
NEW = "sha256:" + "e" * 64
OLD = sha256_of(b"fraud-detector:1.3.0")
HOUR = timedelta(hours=1)


def upgrade(repo: Repo, path: str, version: str, digest: str) -> None:
    """Another version of the model, signed."""
    text = repo.text(path).replace("version: 1.3.0", f"version: {version}")
    repo.write(path, text.replace(OLD, digest).encode())
    repo.sign(path)


@dataclass
class Story:
    """Production runs 1.3.0 and is promoted to by itself; staging ran 1.3.0 and is promoted at 1.4.0."""

    repo: Repo = field(default_factory=Repo)
    begun: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.repo.edit(ENVIRONMENT_PROD, "spec:\n", AUTO)
        self.prod = Release(repo=self.repo).settle()
        staging = Release(repo=self.repo, key=STAGING)
        staging.settle()
        upgrade(self.repo, STAGED, "1.4.0", NEW)
        self.staging: ReleaseStatus | None = staging.settle()
        self.since = next(row.since for row in self.staging.conditions if row.type == "Ready")

    def asked(self, now: datetime = NOW + 2 * HOUR) -> Ready | NotNow:
        trunk = snapshot(self.repo)
        known = {FRAUD: self.prod, STAGING: self.staging}
        texts = Texts(self.repo.read)
        rows = dict(candidates(trunk))
        return promotion_of(FRAUD, rows[FRAUD], trunk, known.get, texts, unpack, lambda _: self.begun, now)

    def why(self, now: datetime = NOW + 2 * HOUR) -> str:
        found = self.asked(now)
        assert isinstance(found, NotNow), found
        return found.reason


@pytest.fixture
def story() -> Story:
    return Story()


def test_what_is_stable_and_soaked_is_ready_with_the_values_of_where_it_serves(story):
    found = story.asked()
    assert isinstance(found, Ready)
    assert (found.key, found.source, found.path) == (FRAUD, STAGING, PROD)
    assert (found.before, found.after) == (("1.3.0", OLD), ("1.4.0", NEW))
    assert found.manifest == sha256_of(story.repo.text(STAGED).encode())
    assert found.stable == story.prod.stable.version != found.version
    assert found.branch == branch_of("promote", "prod", "fraud-detector", sha256_of(found.data))
    before, after = (text.splitlines() for text in (story.repo.text(PROD), found.data.decode()))
    gone = [line.strip() for line in before if line not in after]
    assert gone == ["version: 1.3.0", f"uri: oci://registry.example.com/models/fraud-detector@{OLD}", f"digest: {OLD}"]
    assert "replicas: {min: 2, max: 6}" in found.data.decode()


def test_the_end_of_the_soak_is_when_to_look_again(story):
    found = story.asked(NOW + timedelta(minutes=30))
    assert isinstance(found, NotNow)
    assert found.reason == "the soak in staging is not over"
    assert found.again is not None
    ready = story.asked(found.again)
    assert isinstance(ready, Ready)
    assert ready.since + HOUR == found.again
    assert isinstance(story.asked(found.again - timedelta(seconds=1)), NotNow)


def test_a_soak_begins_again_when_it_was_not_healthy(story):
    again = Condition(type="Ready", status="True", reason="Promoted", since=NOW + HOUR)
    story.staging = story.staging.model_copy(update={"conditions": (again,)})
    found = story.asked(NOW + 1.5 * HOUR)
    assert isinstance(found, NotNow)
    assert found.again == NOW + 2 * HOUR


def changed(**update):
    def change(story):
        story.prod = story.prod.model_copy(update=update)

    return change


def changed_upstream(**update):
    def change(story):
        story.staging = story.staging.model_copy(update=update)

    return change


def no_state(story):
    story.staging = None


def no_file_upstream(story):
    story.repo.remove(STAGED)


def the_same_text(story):
    upgrade(story.repo, PROD, "1.4.0", NEW)


def asked_for_more_upstream(story):
    upgrade(story.repo, STAGED, "1.5.0", "sha256:" + "f" * 64)
    story.repo.edit(STAGED, "version: 1.4.0", "version: 1.5.0")


def other_lines_upstream(story):
    story.repo.edit(STAGED, "replicas: {max: 2}", "replicas: {max: 3}")


def retired(story):
    story.repo.edit(PROD, "  environment: prod\n", "  environment: prod\n  state: retired\n")


def another_image_there(story):
    image = "registry.example.com/servers/onnx@sha256:" + "a" * 64
    story.repo.edit(ENVIRONMENT_PROD, "spec:\n", f"spec:\n  defaults: {{serving: {{image: '{image}'}}}}\n")


def not_read(story):
    story.repo.edit(PROD, "  environment: prod\n", "  environment: prod\n  state: asleep\n", by="")


def not_allowed(story):
    story.repo.edit(ENVIRONMENT_PROD, "modelSources: [oci]", "modelSources: [s3]")


def twice(story):
    story.repo.write("releases/prod/again.yaml", story.repo.text(PROD).encode())


NOT_READY = {
    "it runs nothing": (changed(stable=None), "a first promotion is a person's"),
    "its removal waits": (
        changed(gates=(Gate(kind="Removal", open=False, reason="RemovalNotSigned", message="m"),)), "ends",
    ),
    "it is being removed": (changed(phase=Phase.REMOVING), "ends"),
    "it is retired": (retired, "is retired"),
    "its text cannot be read": (not_read, "has no text"),
    "two files say that they are it": (twice, "has no text"),
    "its text would not be allowed there": (not_allowed, "'oci' is not allowed"),
    "it says the same": (the_same_text, "says the same"),
    "another image is what it would run": (another_image_there, "another artifact"),
    "nothing is known upstream": (no_state, "is not Promoted"),
    "there is none upstream": (no_file_upstream, "to promote from"),
    "a rollout goes on upstream": (changed_upstream(phase=Phase.STEPPING), "is not Promoted"),
    "it is retired upstream": (changed_upstream(phase=Phase.RETIRED), "is not Promoted"),
    "upstream is asked for more": (asked_for_more_upstream, "is not what the trunk asks for"),
    "upstream has a text that was not looked at": (other_lines_upstream, "is not what the trunk asks for"),
    "it is not healthy upstream": (
        changed_upstream(conditions=(Condition(type="Ready", status="False", reason="NotHealthy", since=NOW),)),
        "is not healthy",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_READY)
def test_nothing_is_asked_for_when(story, name):
    change, sentence = NOT_READY[name]
    change(story)
    assert sentence in story.why()


def test_a_version_that_began_there_before_is_nobodys_but_a_persons(story):
    version = story.asked().version
    story.begun = frozenset({version})
    assert "began in prod before" in story.why()
    story.begun = frozenset({"sha256:" + "0" * 64})
    assert isinstance(story.asked(), Ready)
    past = story.prod.history[0].model_copy(update={"version": version})
    story.prod = story.prod.model_copy(update={"history": (*story.prod.history, past)})
    assert "began in prod before" in story.why()


def test_other_evidence_of_what_runs_is_asked_for(story):
    """The version is the one that runs, so that it began there says nothing."""
    ready = story.asked()
    story.prod = story.prod.model_copy(
        update={"stable": story.prod.stable.model_copy(update={"version": ready.version})}
    )
    story.begun = frozenset({ready.version})
    assert isinstance(story.asked(), Ready)


def test_a_release_without_a_file_is_not_looked_at(story):
    story.repo.remove(PROD)
    assert FRAUD not in dict(candidates(snapshot(story.repo)))


def test_how_a_promotion_comes_about_is_in_no_version(story):
    assert story.prod.stable.version == Release(repo=Repo()).settle().stable.version


def test_only_what_is_automatic_is_looked_at(story):
    trunk = snapshot(story.repo)
    assert list(automatic(trunk)) == ["prod"]
    assert {key.environment for key, _ in candidates(trunk)} == {"prod"}
    assert candidates(snapshot(Repo())) == []


# --- what was asked for before

SCENE = Scene(repository=REPOSITORY, revision=None, files={}, now=NOW)


def entry(number, version, *, manifest=NEW, branch="b", supersedes=()):
    pull = replace(PULL, number=number, head_branch=branch)
    return proposed_entry(
        SCENE, pull, "7" * 40, of=FRAUD, source=STAGING, manifest=manifest, version=version,
        supersedes=supersedes, message="m",
    ).record  # fmt: skip


def test_records_tell_what_was_asked_for_by_release():
    other = Record(time=NOW, kind="Held", repository=REPOSITORY)
    (row,) = proposed([other, entry(12, "v4", branch="reconciler/promote/x", supersedes=[9])])["prod/fraud-detector"]
    assert row == Proposed(
        number=12, head=PULL.head, branch="reconciler/promote/x", version="v4", manifest=NEW, supersedes=(9,)
    )
    assert entry(12, "v4").revision == "", "it speaks of no revision of the trunk"


def asked_before(ready, *, same_version=True, same_text=False, same_branch=False, superseded=False):
    first = entry(
        9, ready.version if same_version else "v9", manifest=ready.manifest if same_text else NEW,
        branch=ready.branch if same_branch else "b",
    )  # fmt: skip
    later = [entry(10, "v10", supersedes=[9])] if superseded else []
    return proposed([first, *later])["prod/fraud-detector"]


OPEN, MERGED, CLOSED = PullState.OPEN, PullState.MERGED, PullState.CLOSED
TABLE = [
    ({}, CLOSED, "#9 asked for it and was closed"),
    ({"same_version": False, "same_text": True}, CLOSED, "#9 asked for it and was closed"),
    ({"same_version": False}, CLOSED, ""),
    ({"superseded": True}, CLOSED, ""),
    ({}, OPEN, "#9 asks for it"),
    ({}, MERGED, "#9 asked for it and was merged"),
    ({"same_version": False}, MERGED, ""),
]


@pytest.mark.parametrize(("before", "state", "sentence"), TABLE)
def test_what_people_said_no_to_is_not_asked_for_again(story, before, state, sentence):
    ready = story.asked()
    assert declined(ready, asked_before(ready, **before), lambda _: state) == sentence
    assert declined(ready, (), lambda _: state) == ""


@pytest.mark.parametrize(("same_branch", "sentence"), [(False, ""), (True, "#9 asked for it and was merged")])
def test_merged_evidence_of_what_runs_is_no_no_to_other_evidence(story, same_branch, sentence):
    ready = replace(story.asked(), stable=story.asked().version)
    assert declined(ready, asked_before(ready, same_branch=same_branch), lambda _: MERGED) == sentence


def record(kind, version, **more):
    return Record(
        time=NOW, kind=kind, repository=REPOSITORY, environment="prod", name="fraud-detector", version=version, **more
    )


def test_what_began_is_known_by_records_and_an_end_forgets_it():
    rows = [record("Started", "a"), record("Aborted", "b"), record("Held", "c"), record("RolledBack", "d")]
    assert begun_in(rows, FRAUD) == {"a", "b", "d"}
    assert begun_in(rows, STAGING) == frozenset()
    ended = [*rows, record("Removed", "", detail={"removal": "*"}), record("Promoted", "e")]
    assert begun_in(ended, FRAUD) == {"e"}
    on_one = [*rows, record("Removed", "", detail={"removal": "cluster"})]
    assert begun_in(on_one, FRAUD) == {"a", "b", "d"}
