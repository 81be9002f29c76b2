"""`trunk accept`: what is shown, what is pushed, and a sentence for everything that is not as it should be."""

import subprocess

import pytest
from cli_world import ADA, REPOSITORY

from reconciler.edges.git.checkout import Checkout, history
from reconciler.trust.keys import load_private_key
from reconciler.trust.sshsig import read_signatures, sign


@pytest.fixture
def rewritten(world):
    """origin's main was squashed after it was accepted; `old`, `new` and a clone that has both."""
    origin = Checkout.init_bare(world.folder / "models.git")
    world.checkout.set_config("remote.origin.url", str(origin))
    world.old = world.checkout.head()
    world.checkout.push()
    git(world, "commit", "-q", "--amend", "-m", "squashed")
    world.new = world.checkout.head()
    git(world, "push", "-q", "-f", "origin", "main")
    world.origin = origin
    trust = world.trust(ada="platform", bo="science")
    trust.write_text(
        trust.read_text() + '    - {role: platform, may: [trunk], environments: ["*"]}\n', encoding="utf-8"
    )
    world.checkout.set_config("reconciler.trust", str(trust))
    return world


def git(world, *arguments, at=None):
    done = subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@y", "-C", str(at or world.root), *arguments],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def accept(rewritten, reconciler):
    def call(commit="", *arguments, who="ada", known=True):
        given = ("--from", rewritten.old) if known else ()
        key = ("--key", rewritten.key(who)) if who else ()
        return reconciler("trunk", "accept", commit or rewritten.new, *given, *key, *arguments, at=rewritten.root)

    return call


def ref(world):
    return f"refs/reconciler/trunk/{world.new}"


def test_it_shows_what_vanishes_and_appears_signs_and_pushes(rewritten, accept):
    said = accept(rewritten.new[:10])
    assert (said.code, said.err) == (0, "")
    old, new = rewritten.old[:12], rewritten.new[:12]
    assert said.out.splitlines() == [
        f"main of {REPOSITORY} would go on from {new} in place of {old}.",
        "1 commit vanishes:",
        f"  {old} Ada: documents",
        "1 commit appears:",
        f"  {new} Ada: squashed",
        f"accepted {new} in place of {old} as ada: the daemon goes on with its next look",
    ]
    with history(rewritten.origin) as opened:
        commit = opened.commit(opened.resolve(ref(rewritten)))
        files, _ = opened.read(commit.revision)
    assert commit.parents == ()
    assert list(files) == ["trunk.sig"]
    (signature,) = read_signatures(files["trunk.sig"])
    assert signature.namespace == "reconciler-trunk-v1@reconciler.dev"
    assert rewritten.checkout.changed() == ()
    assert rewritten.checkout.head() == rewritten.new


def test_accepting_it_again_pushes_again(rewritten, accept):
    assert accept().code == 0
    first = git(rewritten, "rev-parse", ref(rewritten), at=rewritten.origin)
    git(rewritten, "update-ref", ref(rewritten), rewritten.old, at=rewritten.origin)
    assert accept().code == 0
    assert git(rewritten, "rev-parse", ref(rewritten), at=rewritten.origin) != rewritten.old
    assert first


def test_to_an_origin_that_cannot_be_reached_people_push_themselves(rewritten, accept):
    git(rewritten, "fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*")
    rewritten.checkout.set_config("remote.origin.url", "http://127.0.0.1:9/acme/models.git")
    said = accept()
    assert said.code == 0
    assert said.err.startswith("http://127.0.0.1:9/acme/models.git could not be reached: ")
    assert said.out.rstrip().endswith(
        f"push it, and the daemon goes on with its next look: git push --force origin {ref(rewritten)}"
    )
    assert git(rewritten, "cat-file", "-p", f"{ref(rewritten)}:trunk.sig").startswith("-----BEGIN SSH SIGNATURE-----")


def test_what_was_accepted_need_not_be_in_the_clone(accept):
    said = accept("", "--from", "1" * 40, known=False)
    assert said.code == 0
    assert f"What vanishes cannot be shown: {'1' * 40} is not in this clone." in said.out


def test_many_commits_are_shown_shortly(rewritten, accept):
    for number in range(12):
        git(rewritten, "commit", "-q", "--allow-empty", "-m", f"number {number}\x1b[2J")
    git(rewritten, "push", "-q", "origin", "main")
    said = accept(rewritten.checkout.head())
    assert "13 commits appear:" in said.out
    assert "  … and 3 more" in said.out
    assert "\x1b" not in said.out


def denied(rewritten):
    git(rewritten, "config", "receive.hideRefs", "refs/reconciler", at=rewritten.origin)


MISTAKES = {
    "there is no such commit": (None, ("0123abc",), {}, 1, ("there is no commit '0123abc'", "git fetch origin")),
    "it is not the branch's head": (
        lambda w: w.old, (), {}, 1, ("is not what main is now: that is", "reconciler trunk accept"),
    ),
    "nothing was rewritten": (
        None, ("--from", "HEAD"), {"known": False}, 1, ("main was not rewritten", "which is accepted"),
    ),
    "there is no such branch": (None, ("--branch", "next"), {}, 1, ("next does not exist in",)),
    "there is no key": (None, (), {"who": ""}, 2, ("there is no key to sign with",)),
    "the key is not there": (None, ("--key", "nowhere"), {"who": ""}, 2, ("there is no key file nowhere",)),
    "the key's owner may not": (
        None, (), {"who": "bo"}, 1, ("it would not count: signed by bo", "may not accept a rewritten trunk"),
    ),
    "the key is the daemon's": (None, (), {"who": "daemon"}, 1, ("can release nothing",)),
    "the key is a stranger's": (None, (), {"who": "eve"}, 1, ("belongs to nobody in the trust file",)),
    "nobody knows what was accepted": (
        None, (), {"known": False}, 1, ("what is accepted now is not known", "give --from COMMIT"),
    ),
    "the settings are not there": (None, ("--config", "none.yaml"), {}, 2, ("there is no settings file none.yaml",)),
    "the trust file is not there": (None, ("--trust", "none.yaml"), {}, 2, ("none.yaml cannot be read",)),
    "the trust file is about something else": (
        None, ("--repository", "github.com/acme/other"), {}, 2, ("vouches for github.com/acme/models, not for",),
    ),
    "origin refuses it": (denied, (), {}, 1, ("could not be pushed",)),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_sentence_when(case, rewritten, accept):
    prepare, arguments, options, code, words = MISTAKES[case]
    commit = prepare(rewritten) if prepare else ""
    if arguments and not arguments[0].startswith("--"):
        commit, arguments = arguments[0], arguments[1:]
    said = accept(commit or "", *arguments, **options)
    assert said.code == code, said
    for word in words:
        assert word in said.err
    assert "Traceback" not in said.err
    assert not git(rewritten, "for-each-ref", "refs/reconciler", at=rewritten.origin)


def test_without_a_trust_file_nothing_is_signed(rewritten, accept):
    rewritten.checkout.set_config("reconciler.trust", "")
    said = accept()
    assert said.code == 2
    assert "it says who may accept a rewritten branch" in said.err


def test_what_was_accepted_is_in_the_ledger_of_the_clone(rewritten, accept):
    from reconciler.digest import sha256_of
    from reconciler.loop.chain import record_bytes, record_path, statement
    from reconciler.model.record import Record

    detail = {"branch": "main", "from": rewritten.old, "to": rewritten.new}
    row = Record.from_data(
        {"sequence": 1, "time": "2026-11-01T09:00:00Z", "kind": "TrunkRewritten", "repository": REPOSITORY,
         "revision": rewritten.old, "detail": detail}
    )  # fmt: skip
    daemon = load_private_key(rewritten.key("daemon").read_bytes())
    data = record_bytes(row)
    said = statement(row, data)
    ledger = Checkout.init(rewritten.folder / "ledger", "reconciler/ledger")
    file = ledger.top / record_path(row)
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    file.with_name(f"{file.name}.sig").write_text(sign(daemon, said.text(), said.namespace))
    ledger.commit("records", ADA)
    git(rewritten, "fetch", "-q", str(ledger.top), "reconciler/ledger:refs/remotes/origin/reconciler/ledger")
    assert sha256_of(data)
    done = accept(known=False)
    assert (done.code, done.err) == (0, "")
    assert f"in place of {rewritten.old[:12]}" in done.out
    forged = accept("", "--trust", rewritten.trust(ada="platform"), known=False, who="bo")
    assert forged.code == 1
