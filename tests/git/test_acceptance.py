"""What people accepted of a rewritten branch, as real refs of a real repository say it."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from reconciler.edges.git import Moved, NotFromStart, Rewritten, Unchanged
from reconciler.errors import Retry
from reconciler.loop.rewritten import TRUNK_FILE, TRUNK_REFS, Step, ask_people, refusal, step_of
from reconciler.model.record import ACCEPTED, Record
from reconciler.trust.keys import generate_key, load_private_key
from reconciler.trust.people import read_trust
from reconciler.trust.sshsig import sign

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
NAME = "example.com/acme/models"
KEYS = {name: generate_key(name) for name in ("ada", "bo", "daemon", "eve")}
FILE = {"releases/prod/fraud.yaml": b"version: 1\n"}


def trust(**bo):
    people = [
        {"name": name, "roles": [role], "keys": [{"key": KEYS[name].public.strip(), **(bo if name == "bo" else {})}]}
        for name, role in (("ada", "science"), ("bo", "owner"))
    ]
    spec = {
        "repository": NAME, "version": 1, "threshold": {"role": "owner"}, "people": people,
        "daemon": [{"key": KEYS["daemon"].public.strip()}],
        "allow": [{"role": "owner", "may": ["trunk"], "environments": ["*"]},
                  {"role": "science", "may": ["release"], "environments": ["*"]}],
    }  # fmt: skip
    return read_trust({"apiVersion": "reconciler.dev/v1alpha1", "kind": "Trust", "spec": spec}, path="trust.yaml")


@pytest.fixture
def rewritten(upstream, mirror):
    """The branch was accepted at one commit and is another one without its history now; the step between them."""
    first = upstream.commit(FILE)
    assert mirror.poll(None, first) == Moved(old=None, new=first)
    second = upstream.commit({"a.yaml": b"2"})
    assert mirror.poll(first, None) == Rewritten(accepted=first, advertised=second)
    return step_of(NAME, "main", Rewritten(accepted=first, advertised=second))


@pytest.fixture
def push(upstream):
    """push("bo", step): somebody's signature over that step, where the daemon looks for it."""

    def make(who, step, *, at="", name=TRUNK_FILE, data=None):
        said = step.statement
        text = data if data is not None else sign(load_private_key(KEYS[who].private), said.text(), said.namespace)
        tree = upstream.raw_tree(("100644", name.encode(), upstream.blob(text.encode())))
        commit = upstream.git("commit-tree", tree, "-m", "accept")
        upstream.git("update-ref", f"{TRUNK_REFS}/{at or step.new}", commit)
        return commit

    return make


def ask(mirror, step, *, records=(), trusted=None):
    mirror.poll(step.old, None)
    return ask_people(mirror, step, trusted or trust(), records, now=NOW)


def test_a_signature_of_somebody_who_may_is_the_acceptance_and_its_blob_can_be_copied(mirror, rewritten, push):
    push("bo", rewritten)
    found = ask(mirror, rewritten).acceptance
    assert found
    assert found.step == rewritten
    assert found.verification.people == {"bo"}
    assert mirror.trees.read(found.blob).startswith(b"-----BEGIN SSH SIGNATURE-----")


def test_nobody_said_anything(mirror, rewritten):
    assert ask(mirror, rewritten) == ask_people(mirror, rewritten, trust(), (), now=NOW)
    assert ask(mirror, rewritten).notes == ()


def test_a_commit_that_the_branch_contains_may_be_the_accepted_one(upstream, mirror, rewritten, push):
    push("bo", rewritten)
    third = upstream.commit({"b.yaml": b"3"}, rewritten.new)
    later = Step(repository=NAME, branch="main", old=rewritten.old, new=third)
    found = ask(mirror, later).acceptance
    assert found
    assert found.step == rewritten


REFUSED = {
    "somebody whose role may not": (
        lambda push, step: push("ada", step),
        "signed by ada",
        "whose role science may not accept a rewritten trunk",
    ),
    "the daemon itself": (lambda push, step: push("daemon", step), "", "can release nothing"),
    "a stranger": (lambda push, step: push("eve", step), "", "belongs to nobody in the trust file"),
    "a signature of another step": (
        lambda push, step: push("bo", Step(repository=NAME, branch="main", old="1" * 40, new=step.new)),
        "",
        "but not as it is now",
    ),
    "a signature of another branch": (
        lambda push, step: push("bo", Step(repository=NAME, branch="next", old=step.old, new=step.new)),
        "",
        "but not as it is now",
    ),
    "a signature of another repository": (
        lambda push, step: push("bo", Step(repository="other", branch="main", old=step.old, new=step.new)),
        "",
        "but not as it is now",
    ),
    "a file of another name": (lambda push, step: push("bo", step, name="other.sig"), "", "there is no signature"),
    "rubbish": (lambda push, step: push("bo", step, data="rubbish\n"), "", "cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_accepts_nothing_and_is_told(case, mirror, rewritten, push):
    make, *words = REFUSED[case]
    make(push, rewritten)
    found = ask(mirror, rewritten)
    assert found.acceptance is None
    (note,) = found.notes
    assert note.startswith(f"{TRUNK_REFS}/{rewritten.new}")
    assert all(word in note for word in words)


@pytest.mark.parametrize("times", [{"revokedAt": "2026-11-01T00:00:00Z"}, {"validBefore": "2026-11-01T00:00:00Z"}])
def test_a_key_that_ended_accepts_nothing(mirror, rewritten, push, times):
    push("bo", rewritten)
    found = ask(mirror, rewritten, trusted=trust(**times))
    assert found.acceptance is None
    assert "whose key" in found.notes[0]


def test_a_step_that_was_accepted_once_is_not_accepted_again(mirror, rewritten, push):
    push("bo", rewritten)
    record = Record(time=NOW, kind=ACCEPTED, repository=NAME, detail=dict(rewritten.detail))
    found = ask(mirror, rewritten, records=(record,))
    assert found.acceptance is None
    assert "once already; push another commit" in found.notes[0]
    assert ask(mirror, rewritten, records=(record.model_copy(update={"kind": "TrunkRewritten"}),)).acceptance


def test_a_signature_that_was_used_up_for_an_earlier_step_is_no_news(mirror, rewritten, push):
    earlier = replace(rewritten, old="1" * 40)
    push("bo", earlier)
    record = Record(time=NOW, kind=ACCEPTED, repository=NAME, detail=dict(earlier.detail))
    assert ask(mirror, rewritten, records=(record,)).notes == ()
    assert "not as it is now" in ask(mirror, rewritten).notes[0]


@pytest.mark.parametrize("name", ["main", "1" * 40, "0" * 39])
def test_refs_that_name_no_commit_of_the_branch_are_not_looked_at(mirror, rewritten, push, name):
    push("bo", rewritten, at=name)
    assert ask(mirror, rewritten) == ask_people(mirror, rewritten, trust(), (), now=NOW)
    assert ask(mirror, rewritten).acceptance is None


def test_a_ref_that_is_no_commit_stops_only_itself(upstream, mirror, rewritten, push):
    upstream.git("update-ref", f"{TRUNK_REFS}/{rewritten.new}", upstream.blob(b"x"))
    found = ask(mirror, rewritten)
    assert found.acceptance is None
    assert "cannot be read" in found.notes[0]
    assert mirror.poll(rewritten.old, None) == Rewritten(accepted=rewritten.old, advertised=rewritten.new)
    push("bo", rewritten)
    assert ask(mirror, rewritten).acceptance


def test_a_host_that_does_not_answer_accepts_nothing(upstream, mirror, rewritten, push):
    push("bo", rewritten)
    mirror.poll(rewritten.old, None)
    shutil.move(upstream.folder, upstream.folder.with_name("gone"))
    found = ask_people(mirror, rewritten, trust(), (), now=NOW)
    assert found.acceptance is None
    assert found.notes[0].startswith(f"{TRUNK_REFS} cannot be read")


def test_a_newer_signature_under_the_same_name_is_fetched(mirror, rewritten, push):
    push("ada", rewritten)
    assert ask(mirror, rewritten).acceptance is None
    push("bo", rewritten)
    assert ask(mirror, rewritten).acceptance


def test_the_accepted_ref_moves_to_exactly_what_was_accepted(upstream, mirror, rewritten):
    third = upstream.commit({"b.yaml": b"3"}, rewritten.new)
    mirror.poll(rewritten.old, None)
    mirror.accept(rewritten.new)
    mirror.accept(rewritten.new)
    assert mirror.git.run(["rev-parse", "refs/accepted/trunk"]).stdout.decode().strip() == rewritten.new
    assert mirror.poll(rewritten.new, None) == Moved(old=rewritten.new, new=third)
    assert mirror.poll(third, None) == Unchanged(revision=third)


def test_what_the_branch_does_not_contain_is_never_accepted(mirror, rewritten):
    mirror.poll(rewritten.old, None)
    with pytest.raises(Retry, match="moved meanwhile"):
        mirror.accept(rewritten.old)
    with pytest.raises(Retry):
        mirror.accept("1" * 40)


def test_a_first_branch_without_the_start_is_a_step_from_the_start(upstream, mirror, push):
    head = upstream.commit(FILE)
    found = mirror.poll(None, "1" * 40)
    step = step_of(NAME, "main", found)
    assert (step.old, step.new) == ("1" * 40, head)
    reason, sentence = refusal(step, found, ["why not"])
    assert reason == "NotFromStart"
    assert sentence == (
        f"{head[:12]} does not contain the configured start 111111111111; whoever may accept it runs: reconciler trunk "
        f"accept {head}; why not"
    )
    push("bo", step)
    assert ask_people(mirror, step, trust(), (), now=NOW).acceptance
    assert isinstance(found, NotFromStart)
