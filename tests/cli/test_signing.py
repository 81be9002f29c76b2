"""`sign`, `statement`, `keygen`: what lies beside a document afterwards, checked with the real ssh-keygen too."""

import json
import os
import shutil
import stat
import subprocess

import pytest
from cli_world import ADA, CLUSTER, POLICY, POLICY_TEST, RELEASE, REPOSITORY, policy_test

from reconciler.trust.sshsig import BEGIN, read_signatures

FILE = "clusters/eu-1.yaml"
STATEMENT = f"reconciler-config-v1\nrepository: {REPOSITORY}\npath: {FILE}\nkind: Cluster\nsha256: "
NAMESPACE = "reconciler-config-v1@reconciler.dev"

needs_ssh_keygen = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")


@pytest.fixture
def sign(world, reconciler):
    """sign("ada", *arguments): run `sign` in the clone with somebody's key."""
    return lambda who, *arguments: reconciler("sign", *(arguments or [FILE]), "--key", world.key(who), at=world.root)


@pytest.fixture
def signers(world):
    """signers(): fingerprints in the signature file of FILE."""
    return lambda: [one.key.fingerprint for one in read_signatures((world.root / f"{FILE}.sig").read_bytes())]


def fingerprint(world, who):
    from reconciler.trust.keys import parse_public_line

    return parse_public_line(world.public(who)).fingerprint


def test_a_signature_lies_beside_the_document_and_says_what_it_is(sign, signers, world):
    said = sign("ada")
    ada = fingerprint(world, "ada")
    assert (said.code, said.err) == (0, "")
    assert said.out == f"signed {FILE}: Cluster {FILE} of {REPOSITORY}, with {ada}\n"
    assert signers() == [ada]
    assert not list(world.root.glob("clusters/.*")), "nothing else is left there"


@needs_ssh_keygen
def test_the_bytes_of_the_statement_are_what_ssh_keygen_verifies(sign, reconciler, world):
    sign("ada")
    said = reconciler("statement", FILE, at=world.root)
    assert said.code == 0
    assert said.out.startswith(STATEMENT)
    (world.folder / "allowed").write_text(f"ada {world.public('ada')}\n")
    command = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "ada", "-n", NAMESPACE, "-s"]
    done = subprocess.run(
        [*command, str(world.root / f"{FILE}.sig")],
        cwd=world.folder,
        input=said.out.encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_signatures_of_others_that_hold_stay(sign, signers, world):
    sign("ada")
    assert "; kept 1 of others" in sign("bo").out
    assert signers() == [fingerprint(world, "ada"), fingerprint(world, "bo")]


def test_signing_twice_changes_nothing(sign, world):
    sign("ada")
    sign("bo")
    before = (world.root / f"{FILE}.sig").read_bytes()
    said = sign("bo")
    assert said.out.startswith(f"signed already {FILE}")
    assert (world.root / f"{FILE}.sig").read_bytes() == before


def test_after_a_change_only_the_new_signature_is_there(sign, signers, world):
    sign("ada")
    sign("bo")
    world.write(FILE, CLUSTER + "# another text\n")
    assert "; removed 2 that no longer matched" in sign("bo").out
    assert signers() == [fingerprint(world, "bo")]


def test_what_is_not_a_signature_goes(sign, signers, world):
    (world.root / f"{FILE}.sig").write_text(f"hello\n{BEGIN}\nAAAA\n-----END SSH SIGNATURE-----\n")
    assert "removed 1 that no longer matched" in sign("ada").out
    assert signers() == [fingerprint(world, "ada")]


def test_a_copied_signature_of_another_file_does_not_stay(sign, signers, world):
    world.write("clusters/us-1.yaml", CLUSTER.replace("eu-1", "us-1"))
    sign("ada", "clusters/us-1.yaml")
    shutil.copy(world.root / "clusters/us-1.yaml.sig", world.root / f"{FILE}.sig")
    sign("bo")
    assert signers() == [fingerprint(world, "bo")]


REFUSED = {
    "a document that does not validate": (FILE, "spec: 1\n" + CLUSTER, 1, "spec"),
    "a release in another environment's folder": ("releases/dev/fraud.yaml", RELEASE, 1, "move it to releases/prod/"),
    "a file of somebody else": ("values.yaml", "a: 1\n", 1, "values.yaml is no document of reconciler.dev"),
    "a kind that decides nothing": ("policies/test.yaml", policy_test(POLICY_TEST), 1, "decides nothing"),
    "a file that is not there": ("none.yaml", None, 1, "none.yaml cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_is(case, sign, world):
    path, text, code, words = REFUSED[case]
    if text is not None:
        world.write(path, text)
    said = sign("ada", path)
    assert said.code == code
    assert words in said.err
    assert not (world.root / f"{path}.sig").exists()


def test_links_are_not_followed(sign, world):
    (world.root / "clusters/link.yaml").symlink_to(world.root / FILE)
    said = sign("ada", "clusters/link.yaml")
    assert (said.code, said.err) == (1, "clusters/link.yaml is a symbolic link; links are not followed\n")
    target = world.write("target", "kept")
    (world.root / f"{FILE}.sig").symlink_to(target)
    assert sign("ada").code == 1
    assert target.read_text() == "kept"


def test_a_file_outside_of_the_clone_is_not_signed(sign, world):
    outside = world.folder / "outside.yaml"
    outside.write_text(CLUSTER)
    said = sign("ada", FILE, outside)
    assert said.code == 2
    assert "does not lie in" in said.err


def test_the_name_of_the_repository_comes_from_the_setting_or_the_option(sign, world):
    other = sign("ada", FILE, "--repository", "github.com/acme/other")
    assert "of github.com/acme/other" in other.out
    world.checkout._run(["config", "--local", "--unset", "reconciler.repository"])
    said = sign("ada")
    assert said.code == 2
    assert "git config reconciler.repository NAME" in said.err


def test_paths_start_at_the_watched_folder(sign, reconciler, world):
    world.write("watched/clusters/eu-1.yaml", CLUSTER)
    world.checkout.set_config("reconciler.path", "watched")
    sign("ada", "watched/clusters/eu-1.yaml")
    said = reconciler("statement", "watched/clusters/eu-1.yaml", at=world.root)
    assert said.out.startswith(STATEMENT)


def test_the_key_may_be_gits(reconciler, world):
    without = reconciler("sign", FILE, at=world.root)
    assert (without.code, without.err.splitlines()[0]) == (2, "there is no key to sign with")
    (world.folder / ".gitconfig").write_text(f"[user]\n\tsigningkey = {world.key('ada')}\n")
    assert fingerprint(world, "ada") in reconciler("sign", FILE, at=world.root).out
    world.checkout.set_config("user.signingkey", str(world.key("bo")))
    assert fingerprint(world, "bo") in reconciler("sign", FILE, at=world.root).out


def test_changed_signs_what_differs_from_the_last_commit(sign, world):
    assert sign("ada", "--changed").out == "no changed document needs a signature\n"
    world.write(FILE, CLUSTER + "# new\n")
    world.write("policies/more.yaml", POLICY.replace("two-replicas", "more"))
    world.write("policies/test.yaml", policy_test(POLICY_TEST))
    world.write("values.yaml", "a: 1\n")
    world.write("README.md", "new\n")
    (world.root / "environments/prod.yaml").unlink()
    said = sign("ada", "--changed")
    assert said.code == 0
    assert [line.split()[1].rstrip(":") for line in said.out.splitlines()] == [FILE, "policies/more.yaml"]
    world.checkout.commit("more", ADA)
    assert sign("ada", "--changed").out == "no changed document needs a signature\n"


def test_files_and_changed_exclude_each_other(sign):
    assert sign("ada", FILE, "--changed").code == 2


@needs_ssh_keygen
def test_a_key_with_a_passphrase_is_ssh_keygens_business(sign, world, monkeypatch):
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", world.key("ada")], check=True)
    asked = world.folder / "askpass"
    asked.write_text("#!/bin/sh\necho secret\n")
    asked.chmod(0o700)
    monkeypatch.setenv("SSH_ASKPASS", str(asked))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    assert sign("ada").code == 0
    asked.write_text("#!/bin/sh\necho wrong\n")
    said = sign("ada")
    assert said.code == 1
    assert said.err.startswith("ssh-keygen does not sign with ")
    assert len(said.err.splitlines()) == 1


@needs_ssh_keygen
@pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="ssh-agent is not installed")
def test_a_key_in_an_agent_is_named_by_its_public_half(reconciler, world, monkeypatch):
    socket = world.folder / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE, text=True)
    try:
        assert agent.stdout is not None
        agent.stdout.readline()  # it says where it listens once it does
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(["ssh-add", "-q", world.key("ada")], check=True, stderr=subprocess.DEVNULL)
        line = world.public("ada")
        for key in (line, f"key::{line}"):
            assert fingerprint(world, "ada") in reconciler("sign", FILE, "--key", key, at=world.root).out
        other = reconciler("sign", FILE, "--key", world.public("bo"), at=world.root)
        assert other.code == 1
        assert "ssh-keygen does not sign with" in other.err
    finally:
        agent.kill()
        agent.wait()
        agent.stdout.close()


def test_without_ssh_keygen_an_unencrypted_key_signs_in_process(sign, reconciler, signers, world, monkeypatch):
    ada = fingerprint(world, "ada")
    bin_folder = world.folder / "bin"
    bin_folder.mkdir()
    (bin_folder / "git").symlink_to(shutil.which("git"))
    monkeypatch.setenv("PATH", str(bin_folder))
    assert sign("ada").code == 0
    assert signers() == [ada]
    agents = reconciler("sign", FILE, "--key", world.public("ada"), at=world.root)
    assert agents.code == 2
    assert "only ssh-keygen can ask an agent" in agents.err


def test_a_key_that_is_not_there_is_named(reconciler, world):
    said = reconciler("sign", FILE, "--key", "none", at=world.root)
    assert (said.code, said.err.splitlines()[0]) == (2, "there is no key file none")


def test_keygen_makes_a_private_file_and_overwrites_nothing(reconciler, tmp_path):
    said = reconciler("keygen", "ada", "--comment", "ada@laptop", at=tmp_path)
    assert said.code == 0
    assert stat.S_IMODE((tmp_path / "ada").stat().st_mode) == 0o600
    line = (tmp_path / "ada.pub").read_text()
    assert line.startswith("ssh-ed25519 ")
    assert line.endswith(" ada@laptop\n")
    assert said.out.endswith(line)
    before = (tmp_path / "ada").read_bytes()
    again = reconciler("keygen", "ada", at=tmp_path)
    assert (again.code, again.err) == (1, "ada exists already and is not overwritten\n")
    (tmp_path / "ada").rename(tmp_path / "kept")
    assert reconciler("keygen", "ada", at=tmp_path).err == "ada.pub exists already and is not overwritten\n"
    assert (tmp_path / "kept").read_bytes() == before


def test_keygen_answers_programs_and_says_why_it_cannot_write(reconciler, tmp_path):
    data = json.loads(reconciler("keygen", "a", "-o", "json", at=tmp_path).out)
    assert data["public"] == (tmp_path / "a.pub").read_text().strip()
    assert reconciler("keygen", "none/a", at=tmp_path).code == 2
    assert reconciler("keygen", "b", "--comment", "two\nlines", at=tmp_path).code == 2
    assert not (tmp_path / "b").exists()


def test_as_a_program_it_signs_and_verifies(program, world):
    trust = world.trust(ada="platform")
    made = program("sign", FILE, "--key", world.key("ada"), cwd=world.root, env=_environment(world))
    assert (made.returncode, made.stderr) == (0, "")
    done = program("verify", "--trust", trust, cwd=world.root, env=_environment(world))
    assert done.returncode == 1
    assert f"verified  {FILE}: signed by ada" in done.stdout


def _environment(world):
    import os

    from reconciler.cli import __file__ as package

    project = package.partition("/reconciler/cli/")[0]
    return {"PATH": os.environ["PATH"], "HOME": str(world.folder), "PYTHONPATH": project}


@pytest.mark.parametrize("size", [1_000, 1_000_000], ids=["small", "large"])
def test_a_signature_file_of_beginnings_without_an_end_is_answered_in_a_moment(sign, world, size):
    beside = world.root / "clusters/eu-1.yaml.sig"
    beside.write_bytes(f"{BEGIN}\n".encode() * size)
    done = sign("ada", "clusters/eu-1.yaml")
    assert done.code == (0 if size == 1_000 else 1), done
    assert ("is the most that is read" in done.err) is (size > 1_000)


def test_what_is_no_file_or_too_large_is_not_signed(sign, world):
    os.mkfifo(world.root / "clusters/pipe.yaml")
    (world.root / "clusters/large.yaml").write_bytes(b"#" * 300_000)
    assert "is not a plain file" in sign("ada", "clusters/pipe.yaml").err
    assert "has more than 262144 bytes" in sign("ada", "clusters/large.yaml").err
