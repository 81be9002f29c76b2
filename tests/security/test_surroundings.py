"""Hostile settings around git: in the remote, in the mirror, at home, in the environment, in a person's own clone.

Every trap leaves a marker file when it is run. What git's own server side runs at a push to another host is that host's
business; of a repository on this machine nothing is run either.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from attack_stage import markers, model
from stage_lab import Lab, lab

from reconciler.cli.app import run
from reconciler.demo.organisation import make
from reconciler.demo.story import PROD
from reconciler.edges.git.run import Git

HOOKS = (
    "pre-receive", "update", "post-receive", "post-update", "reference-transaction", "proc-receive", "push-to-checkout",
    "pre-commit", "post-commit", "pre-push", "post-checkout", "post-index-change", "pre-auto-gc", "post-rewrite",
)  # fmt: skip
SETTINGS = (
    "core.fsmonitor", "core.editor", "core.pager", "core.sshCommand", "core.askPass", "core.gitProxy",
    "core.alternateRefsCommand", "credential.helper", "diff.external", "gpg.program", "gpg.ssh.program",
    "filter.x.clean", "filter.x.smudge", "filter.x.process", "merge.x.driver", "diff.x.textconv",
    "uploadpack.packObjectsHook", "remote.origin.uploadpack", "remote.origin.receivepack", "sequence.editor",
)  # fmt: skip

QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.alternateRefsCommand=true")


def trap(ran: Path, name: str) -> str:
    """A command that leaves a marker."""
    return f"!touch {ran}/{name}" if name.startswith("credential") else f"touch {ran}/{name}; cat"


def hostile_config(ran: Path, *, prefix: str = "") -> str:
    """The text of a git configuration in which every program is a trap."""
    rows = []
    for setting in SETTINGS:
        section, _, key = setting.rpartition(".")
        head, _, sub = section.partition(".")
        rows.append(
            f'[{head}{f" {chr(34)}{sub}{chr(34)}" if sub else ""}]\n\t{key} = "{trap(ran, prefix + setting)}"\n'
        )
    return "".join(rows) + f"[core]\n\thooksPath = {ran.parent}/hooks\n[protocol]\n\tallow = always\n"


def hostile_hooks(folder: Path, ran: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in HOOKS:
        (folder / name).write_text(f"#!/bin/sh\ntouch {ran}/hook-{name}\n")
        (folder / name).chmod(0o755)


def include(config: Path, text: str) -> None:
    """Traps in a configuration file and in another one that it includes."""
    config.with_suffix(".included").write_text(text)
    with config.open("a") as file:
        file.write(f"{text}[include]\n\tpath = {config.with_suffix('.included')}\n")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the traps of the stage leave their markers."""
    folder = tmp_path_factory.mktemp("surroundings") / "ran"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def acme(ran: Path) -> Iterator[Lab]:
    """A daemon whose home, environment and remote are full of traps."""
    home = ran.parent / "home"
    (home / ".config/git").mkdir(parents=True)
    (home / ".ssh").mkdir()
    (home / ".ssh/config").write_text(f"Host *\n  ProxyCommand touch {ran}/ssh-config\n")
    hostile_hooks(ran.parent / "hooks", ran)
    for file in (home / ".gitconfig", home / ".config/git/config"):
        include(file, hostile_config(ran))
    (home / ".config/git/attributes").write_text("* filter=x merge=x diff=x\n")
    variables = {
        "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_SYSTEM": str(home / ".gitconfig"), "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor", "GIT_CONFIG_VALUE_0": trap(ran, "env"),
        "GIT_CONFIG_PARAMETERS": f"'core.fsmonitor'='{trap(ran, 'parameters')}'",
        "GIT_SSH_COMMAND": trap(ran, "ssh"), "GIT_ASKPASS": trap(ran, "ask"), "GIT_EXTERNAL_DIFF": trap(ran, "diff"),
        "GIT_PROXY_COMMAND": trap(ran, "proxy"), "GIT_EDITOR": trap(ran, "editor"), "GIT_PAGER": trap(ran, "pager"),
        "GIT_DIR": str(ran.parent / "other.git"), "GIT_WORK_TREE": str(ran.parent), "GIT_INDEX_FILE": "/nonexistent",
        "GIT_OBJECT_DIRECTORY": "/nonexistent", "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(ran.parent),
        "GIT_NAMESPACE": "evil", "GIT_REPLACE_REF_BASE": "refs/heads/", "GIT_SHALLOW_FILE": str(home / ".gitconfig"),
        "GIT_TEMPLATE_DIR": str(ran.parent), "GIT_CEILING_DIRECTORIES": "/",
    }  # fmt: skip
    with lab(ran.parent / "acme", start=False) as made:
        include(made.origin / "config", hostile_config(ran, prefix="remote-"))
        hostile_hooks(made.origin / "hooks", ran)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            made.stage.start_daemon()
        made.serves("1.3.0")
        yield made
        assert "Traceback" not in made.log()


@pytest.fixture
def releases(acme: Lab) -> Iterator[None]:
    """Afterwards what is signed goes out under these circumstances, its record is pushed, and no trap was run."""
    yield
    version = "1.4.0" if model(acme, "prod") != "1.4.0" else "1.5.1"
    receive = f"--receive-pack=git {' '.join(QUIET)} receive-pack"
    with pytest.MonkeyPatch.context() as patch:
        push = lambda _: acme.git("push", "-q", receive, "origin", "main")  # noqa: E731  # people push past the traps
        patch.setattr(type(acme.organisation.checkout), "push", push)
        acme.release(version, auc=0.957 if version == "1.4.0" else 0.96)
    acme.serves(version)
    acme.recorded()
    assert markers(ran_of(acme)) == []


def ran_of(acme: Lab) -> Path:
    return acme.folder.parent / "ran"


@pytest.mark.slow
@pytest.mark.usefixtures("releases")
def test_hooks_fsmonitor_include_and_credential_helpers_of_home_environment_and_remote_are_not_executed(acme):
    assert (acme.origin / "hooks/pre-receive").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("releases")
def test_replace_refs_and_grafts_in_the_remote_are_ignored(acme):
    head = acme.git("rev-parse", "main", at=acme.origin)
    text = acme.git("show", f"main:{PROD}", at=acme.origin)
    evil = acme.folder / "evil.yaml"
    evil.write_text(text.replace("min: 2", "min: 6") + "\n")
    blob = acme.git("hash-object", "-w", str(evil), at=acme.origin)
    acme.git(*QUIET, "replace", acme.git("rev-parse", f"main:{PROD}", at=acme.origin), blob, at=acme.origin)
    (acme.origin / "info").mkdir(exist_ok=True)
    (acme.origin / "info/grafts").write_text(f"{acme.git('rev-list', '--max-parents=0', head)}\n")


@pytest.mark.slow
@pytest.mark.usefixtures("releases")
def test_replace_refs_in_the_mirror_are_ignored(acme):
    (mirror,) = acme.organisation.data.glob("*.mirror")
    blob = acme.git("rev-parse", f"HEAD:{PROD}")
    text = Git(mirror).run(["cat-file", "blob", blob]).stdout
    evil = Git(mirror).run(["hash-object", "-w", "--stdin"], stdin=text.replace(b"min: 2", b"min: 6")).stdout
    assert Git(mirror).run(["update-ref", f"refs/replace/{blob}", evil.decode().strip()]).ok
    assert (
        subprocess.run(["git", "-C", mirror, "cat-file", "blob", blob], capture_output=True, check=True).stdout != text
    )


@pytest.mark.slow
@pytest.mark.usefixtures("releases")
def test_alternates_grafts_hooks_and_settings_in_the_mirror_are_ignored_after_a_start(acme):
    acme.stage.kill_daemon()
    (mirror,) = acme.organisation.data.glob("*.mirror")
    elsewhere = acme.folder / "elsewhere"
    shutil.copytree(acme.origin / "objects", elsewhere / "objects")
    (mirror / "objects/info").mkdir(exist_ok=True)
    (mirror / "objects/info/alternates").write_text(f"{elsewhere}/objects\n")
    (mirror / "info").mkdir(exist_ok=True)
    (mirror / "info/grafts").write_text(f"{acme.git('rev-parse', 'HEAD')}\n")
    (mirror / "info/attributes").write_text("* filter=x\n")
    hostile_hooks(mirror / "hooks", ran_of(acme))
    include(mirror / "config", hostile_config(ran_of(acme), prefix="mirror-"))
    acme.stage.start_daemon()
    acme.repairs()
    assert not (mirror / "objects/info/alternates").exists()
    assert not (mirror / "hooks").exists()


# --- a person's own clone, from somebody else


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's clone that came as an archive: its .git/config, attributes, hooks and a submodule are traps."""
    folder = tmp_path_factory.mktemp("clone")
    ran = folder / "ran"
    ran.mkdir()
    organisation = make(folder / "acme")
    top = organisation.checkout.top
    fetch = ["git", "-C", str(top), "fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*"]
    subprocess.run(fetch, check=True, capture_output=True)
    for key, value in (("user.name", "Bo"), ("user.email", "bo@example.com")):
        organisation.checkout.set_config(key, value)
    hostile_hooks(top / ".git/hooks", ran)
    hostile_hooks(folder / "hooks", ran)
    hostile_hooks(folder / "acme/models.git/hooks", ran)
    inner = top / "inner"
    somebody = ["-c", "user.name=x", "-c", "user.email=x@x"]
    commit = ["-C", str(inner), *somebody, "commit", "-q", "--allow-empty", "-m", "x"]
    for command in (["init", "-q", str(inner)], commit, ["-C", str(top), "add", "inner"]):
        subprocess.run(["git", *command], check=True, capture_output=True)
    include(inner / ".git/config", hostile_config(ran, prefix="inner-"))
    include(top / ".git/config", hostile_config(ran))
    (top / ".gitattributes").write_text("* filter=x merge=x diff=x\n")
    (inner / ".gitattributes").write_text("* filter=x\n")
    (top / ".git/info").mkdir(exist_ok=True)
    (top / ".git/info/attributes").write_text("* filter=x\n")
    for path in (PROD, "environments/prod.yaml"):
        with (top / path).open("a") as file:
            file.write("\n")
    for name in markers(ran):  # of making it
        (ran / name).unlink()
    return folder


COMMANDS = (
    ("sign", "--changed"), ("sign", PROD), ("statement", PROD), ("verify",), ("verify", "HEAD"), ("validate",),
    ("approve", PROD), ("reject", PROD), ("approvals",), ("policy", "test"), ("policy", "eval", PROD),
    ("suspend", "prod/fraud-detector"), ("resume", "prod/fraud-detector"),
    ("audit", "verify", "--repository-dir", "."), ("remove", PROD, "--worktree"),
    ("remove", "environments/dev.yaml", "--worktree"), ("remove", "clusters/us-1.yaml", "--no-pr"),
    ("promote", "fraud-detector", "--from", "dev", "--to", "prod", "--no-pr"),
    ("promote", "fraud-detector", "--from", "dev", "--to", "prod", "--dry-run"),
    ("rollback", "fraud-detector", "--env", "prod"),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_in_a_hostile_clone_runs_no_program_of_it(clone, command, monkeypatch, capfd):
    top = clone / "acme/models"
    judged = command[0] in ("verify", "approve", "reject", "approvals", "audit", "remove", "promote", "rollback")
    trust = ("--trust", str(clone / "acme/trust.yaml")) if judged and command[0] != "remove" else ()
    monkeypatch.chdir(top)
    code = run([*command, *trust])
    said = capfd.readouterr()
    assert code in (0, 1, 2), said
    assert code == 0 or command[-1] != "--no-pr", said
    assert markers(clone / "ran") == []


@pytest.mark.slow
def test_the_traps_of_the_hostile_clone_would_have_worked(clone, tmp_path):
    """With plain git they leave their markers: the rows above test something."""
    copy = tmp_path / "copy"
    shutil.copytree(clone / "acme/models", copy)
    with (copy / PROD).open("a") as file:
        file.write("#\n")
    subprocess.run(
        ["git", "-C", copy, "status"], capture_output=True, check=False, env={**os.environ, "HOME": str(tmp_path)}
    )
    left = markers(clone / "ran")
    for name in left:
        (clone / "ran" / name).unlink()
    assert left
