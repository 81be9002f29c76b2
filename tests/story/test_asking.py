"""A suspended release, as a person lives through it: suspend, merge, why, wait, resume, history, with a daemon."""

import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess, run

import pytest

from reconciler.demo.stage import Stage, staged

FRAUD = "staging/fraud-detector"
MANIFEST = "releases/staging/fraud-detector.yaml"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path / "acme", kubeconfig=None, pace=0.0, progress=lambda _: None) as found:
        try:
            found.start_daemon()
            yield found
        finally:
            found.close()


def ask(stage: Stage, *words: str) -> CompletedProcess[str]:
    """One command as a person at a terminal gives it, in the clone."""
    environment = {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PATH": "/usr/bin:/bin",
        "HOME": str(stage.organisation.folder),
    }
    given = [] if words[0] in ("suspend", "resume") else ["--config", str(stage.organisation.settings)]
    return run(
        [sys.executable, "-m", "reconciler", *words, *given],
        cwd=stage.organisation.checkout.top, capture_output=True, text=True, check=False, timeout=120,
        env=environment,
    )  # fmt: skip


def merge(stage: Stage, old: str, new: str) -> None:
    organisation = stage.organisation
    file = organisation.checkout.top / MANIFEST
    text = file.read_text()
    assert text.count(f"version: {old}\n") == 1
    file.write_text(text.replace(f"version: {old}\n", f"version: {new}\n"))
    organisation.sign(MANIFEST, organisation.person("ada"))
    organisation.commit(f"fraud-detector {new}", organisation.person("ada"))


@pytest.mark.slow
def test_a_suspended_release_is_held_and_says_why_until_it_is_resumed(stage: Stage) -> None:
    bo = stage.organisation.person("bo")
    stage.wait("it is there", lambda: stage.status("staging", "fraud-detector").stable is not None)
    first = ask(stage, "wait", FRAUD, "--healthy", "--timeout", "60")
    assert first.returncode == 0, first
    before = stage.status("staging", "fraud-detector").stable
    assert before is not None
    old = before.model_version
    assert ask(stage, "why", FRAUD).stdout.startswith(f"{FRAUD} {old} is live: {old} is Healthy on ")

    held = ask(stage, "suspend", FRAUD, "--reason", "incident 4711", "--until", "10m")
    assert held.returncode == 0, held
    assert "holds/staging-fraud-detector.yaml holds staging/fraud-detector until" in held.stdout
    stage.organisation.commit("Suspend staging/fraud-detector", bo)
    merge(stage, old, "9.0.0")
    stage.wait("it is held", lambda: bool(stage.status("staging", "fraud-detector").gates))
    why = ask(stage, "why", FRAUD)
    assert why.returncode == 1
    assert why.stdout.startswith(f"{FRAUD} 9.0.0 is held: Hold staging-fraud-detector holds it until 20")
    assert (
        "incident 4711 (holds/staging-fraud-detector.yaml); to end it earlier, somebody with the role platform runs: "
        "reconciler remove holds/staging-fraud-detector.yaml"
    ) in why.stdout
    assert why.stdout.endswith(f"{old} keeps serving\n")
    late = ask(stage, "wait", FRAUD, "--healthy", "--timeout", "0")
    assert (late.returncode, late.stdout.partition(" is not live: ")[0]) == (1, f"after 0 s {FRAUD}")

    resumed = ask(stage, "resume", FRAUD)
    assert "its end is signed with" in resumed.stdout
    stage.organisation.commit("Resume staging/fraud-detector", bo)
    done = ask(stage, "wait", FRAUD, "--healthy", "--version", "9.0.0", "--timeout", "90")
    assert done.returncode == 0, done

    looked = ask(stage, "reconcile", FRAUD)
    assert looked.stdout == f"the daemon is asked to look at {FRAUD} now\n"
    stage.wait("the ledger has it", lambda: "9.0.0 is Healthy" in _history(stage), every=0.5)
    told = _history(stage)
    assert told.index("9.0.0") < told.index(old)  # the newest promotion stands first
    assert " Held " in told
    stage.stop_daemon()
    folder = stage.organisation.folder
    stage.command(
        "audit", "verify", "--repository-dir", str(folder / "models.git"), "--trust", str(folder / "trust.yaml")
    )


def _history(stage: Stage) -> str:
    said = ask(stage, "history", FRAUD, "--repository-dir", str(stage.organisation.folder / "models.git"))
    assert said.returncode == 0, said
    return said.stdout
