"""`suspend` and `resume`: files in a clone, and what they say that is still to be done."""

import pytest
from cli_world import ADA

from reconciler.documents.schema import parse
from reconciler.model.hold import Hold
from reconciler.trust.sshsig import read_signatures

FILE = "holds/prod-fraud.yaml"
REMOVAL = f"removals/{FILE}.sig"
END = "2099-12-02T09:00:00Z"


def hold(world, path=FILE):
    return parse(path, (world.root / path).read_bytes()).as_(Hold)


def test_suspend_writes_a_hold_of_this_release_and_says_what_to_commit(world, reconciler):
    reason = 'incident "4711": # see wiki'
    said = reconciler("suspend", "prod/fraud", "--reason", reason, "--until", "2099-12-02T09:00:00Z", at=world.root)
    assert said.code == 0
    assert said.out == (
        f"{FILE} holds prod/fraud until 2099-12-02T09:00:00Z, once it is merged:\n"
        f'  git add {FILE} && git commit -m "Suspend prod/fraud" && git push\n'
    )
    spec = hold(world).spec
    assert (spec.reason, spec.released_by, spec.until.year) == (reason, "platform", 2099)
    assert spec.selector.matches("prod", "fraud", {})
    assert not spec.selector.matches("staging", "fraud", {})
    assert not spec.selector.matches("prod", "other", {})
    assert reconciler("validate", at=world.root).code == 0


def test_without_an_environment_it_holds_the_release_everywhere(world, reconciler):
    said = reconciler("suspend", "fraud", "--released-by", "risk", at=world.root)
    assert "until risk signs its removal" in said.out
    assert hold(world, "holds/fraud.yaml").spec.selector.matches("staging", "fraud", {})


def test_a_duration_counts_from_now(world, reconciler):
    assert reconciler("suspend", "prod/fraud", "--until", "4h", at=world.root).code == 0
    assert hold(world).spec.until is not None


def test_resume_deletes_a_hold_that_was_never_committed(world, reconciler):
    reconciler("suspend", "prod/fraud", "--until", END, at=world.root)
    said = reconciler("resume", "prod/fraud", at=world.root)
    assert said.code == 0
    assert not (world.root / FILE).exists()
    assert not (world.root / REMOVAL).exists()
    assert (
        said.out == f"{FILE} is removed; it was never committed and holds nothing (if you added it: git reset {FILE})\n"
    )


@pytest.fixture
def held(world, reconciler):
    """prod/fraud is suspended and that is committed; ada has the role that may end it, cy has not."""
    trust = world.trust(ada="platform", cy="risk")
    world.checkout.set_config("reconciler.trust", str(trust))
    assert reconciler("suspend", "prod/fraud", "--until", END, at=world.root).code == 0
    world.checkout.commit("Suspend prod/fraud", ADA)
    return world


def signed(world):
    (signature,) = read_signatures((world.root / REMOVAL).read_bytes())
    return signature.namespace


def test_resume_signs_the_end_of_a_hold_that_was_committed(held, reconciler):
    said = reconciler("resume", "prod/fraud", "--key", held.key("ada"), at=held.root)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"{FILE} is removed and its end is signed with SHA256:")
    assert said.out.endswith(
        f'; it ends once that is merged:\n  git add {REMOVAL} {FILE} && git commit -m "Resume prod/fraud" && git push\n'
    )
    assert not (held.root / FILE).exists()
    assert signed(held) == "reconciler-config-removal-v1@reconciler.dev"


def test_a_hold_whose_file_was_deleted_before_is_resumed_by_its_last_text(held, reconciler):
    (held.root / FILE).unlink()
    held.checkout.commit("delete it", ADA)
    said = reconciler("resume", "prod/fraud", "--key", held.key("ada"), at=held.root)
    assert (said.code, said.err) == (0, "")
    assert f"  git add {REMOVAL} && git commit" in said.out, "the file is in no index any more, and git would refuse it"
    again = reconciler("resume", "prod/fraud", "--key", held.key("ada"), at=held.root)
    assert (again.code, f"was removed already: its removal is {REMOVAL}" in again.err) == (1, True)


@pytest.mark.parametrize(
    ("who", "words"), [("cy", "who has not the role platform"), ("", "there is no key to sign with")]
)
def test_who_may_not_end_a_hold_takes_nothing_away(held, reconciler, who, words):
    said = reconciler("resume", "prod/fraud", *(("--key", held.key(who)) if who else ()), at=held.root)
    assert said.code != 0
    assert words in said.err
    assert (held.root / FILE).exists()
    assert not (held.root / "removals").exists()


def test_a_release_that_is_suspended_a_second_time_is_resumed_a_second_time(held, reconciler):
    reconciler("resume", "prod/fraud", "--key", held.key("ada"), at=held.root)
    held.checkout.commit("Resume prod/fraud", ADA)
    first = (held.root / REMOVAL).read_bytes()
    assert reconciler("suspend", "prod/fraud", "--reason", "again", at=held.root).code == 0
    held.checkout.commit("Suspend prod/fraud", ADA)
    (held.root / FILE).unlink()
    assert reconciler("resume", "prod/fraud", "--key", held.key("ada"), at=held.root).code == 0
    assert (held.root / REMOVAL).read_bytes() != first


def test_outside_of_a_clone_resume_says_that_it_stays_in_force_where_it_was_merged(world, reconciler, tmp_path):
    folder = tmp_path / "copy"
    (folder / "releases").mkdir(parents=True)
    (folder / "releases/fraud.yaml").write_text((world.root / "releases/prod/fraud.yaml").read_text())
    reconciler("suspend", "prod/fraud", at=folder)
    said = reconciler("resume", "prod/fraud", at=folder)
    assert said.out == (
        f"{FILE} is removed; where it was merged it stays in force without an end, unless platform signs its removal\n"
    )


def test_a_role_that_nobody_has_is_refused_and_those_that_there_are_are_listed(world, reconciler):
    trust = world.trust(ada="platform", cy="risk")
    world.checkout.set_config("reconciler.trust", str(trust))
    said = reconciler("suspend", "prod/fraud", "--released-by", "riks", at=world.root)
    assert said.code == 1
    assert f"nobody in {trust} has the role riks, so nobody could end this Hold" in said.err
    assert "give --released-by one of platform, risk" in said.err
    assert not (world.root / "holds").exists()
    assert reconciler("suspend", "prod/fraud", "--released-by", "risk", at=world.root).code == 0


def test_a_trust_file_that_cannot_be_read_does_not_hinder_stopping(world, reconciler):
    world.checkout.set_config("reconciler.trust", str(world.folder / "none.yaml"))
    said = reconciler("suspend", "prod/fraud", at=world.root)
    assert (said.code, "whether somebody has the role platform was not looked at" in said.err) == (0, True)


def test_a_hold_that_has_ended_is_no_hindrance(world, reconciler):
    reconciler("suspend", "prod/fraud", "--until", "2099-12-02T09:00:00Z", at=world.root)
    world.write(FILE, (world.root / FILE).read_text().replace("2099", "2020"))
    world.checkout.commit("it has ended", ADA)
    assert reconciler("suspend", "prod/fraud", "--until", "4h", at=world.root).code == 0
    world.write(FILE, (world.root / FILE).read_text().replace("\n  until: 2", "\n  until: 1"))
    assert "it has ended already" in reconciler("resume", "prod/fraud", at=world.root).out


REFUSED = {
    "a release that is not there": (["suspend", "prod/frod"], 1, "there is no release 'prod/frod' in"),
    "an environment that has it not": (["suspend", "dev/fraud"], 1, "there is prod/fraud"),
    "a time that is none": (["suspend", "fraud", "--until", "tomorrow"], 2, "--until is a time such as"),
    "a time without a zone": (["suspend", "fraud", "--until", "2099-12-02T09:00:00"], 2, "--until is a time such as"),
    "a time that is over": (["suspend", "fraud", "--until", "2020-12-02T09:00:00Z"], 2, "is over already"),
    "a role that is no name": (["suspend", "fraud", "--released-by", "A B"], 1, "spec.releasedBy"),
    "no reason": (["suspend", "fraud", "--reason", ""], 1, "spec.reason: this must not be empty"),
    "what is not suspended": (["resume", "prod/fraud"], 1, "prod/fraud is not suspended: there is no holds/prod-fraud"),
}


@pytest.mark.parametrize(("words", "code", "sentence"), REFUSED.values(), ids=REFUSED)
def test_is_refused(words, code, sentence, world, reconciler):
    said = reconciler(*words, at=world.root)
    assert said.code == code
    assert sentence in said.err
    assert not (world.root / "holds").exists()


def test_suspending_twice_is_refused(world, reconciler):
    reconciler("suspend", "prod/fraud", at=world.root)
    said = reconciler("suspend", "prod/fraud", at=world.root)
    assert (said.code, "is suspended by holds/prod-fraud.yaml already" in said.err) == (1, True)


def test_another_document_in_its_place_is_left_alone(world, reconciler):
    text = (world.root / "policies/two-replicas.yaml").read_text()
    world.write(FILE, text)
    for word in ("suspend", "resume"):
        said = reconciler(word, "prod/fraud", at=world.root)
        assert (said.code, "is a Policy and is left alone" in said.err) == (1, True)
    assert (world.root / FILE).read_text() == text
