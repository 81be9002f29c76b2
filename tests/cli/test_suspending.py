"""`suspend` and `resume`: files in a clone, and what they say that is still to be done."""

import pytest

from reconciler.documents.schema import parse
from reconciler.model.hold import Hold

FILE = "holds/prod-fraud.yaml"


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


def test_resume_takes_it_out_and_says_that_it_stays_in_force_where_it_was_merged(world, reconciler):
    reconciler("suspend", "prod/fraud", "--until", "2099-12-02T09:00:00Z", at=world.root)
    said = reconciler("resume", "prod/fraud", at=world.root)
    assert said.code == 0
    assert not (world.root / FILE).exists()
    assert said.out.startswith(
        f"{FILE} is removed; where it was merged it stays in force until 2099-12-02T09:00:00Z, "
        "unless platform signs its removal:\n"
    )


def test_a_hold_that_has_ended_is_no_hindrance(world, reconciler):
    reconciler("suspend", "prod/fraud", "--until", "2099-12-02T09:00:00Z", at=world.root)
    world.write(FILE, (world.root / FILE).read_text().replace("2099", "2020"))
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
