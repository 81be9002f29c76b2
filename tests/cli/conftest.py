"""Commands as a person runs them: in this process where nothing is lost by it, else as the program itself."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cli_world import ADA, World

from reconciler.cli.app import run

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def somebody_without_settings(tmp_path, monkeypatch):
    """Nobody's own git settings, kubeconfig or agent reach a test."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("GIT_CONFIG_GLOBAL", "XDG_CONFIG_HOME", "KUBECONFIG", "RECONCILER_CONFIG", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def reconciler(capsys, monkeypatch) -> Callable[..., Result]:
    """reconciler("sign", …, at=folder): exit code, standard output, standard error."""

    def call(*arguments: object, at: Path | None = None) -> Result:
        with monkeypatch.context() as patch:
            if at is not None:
                patch.chdir(at)
            capsys.readouterr()
            code = run([str(argument) for argument in arguments])
            said = capsys.readouterr()
        return Result(code=code, out=said.out, err=said.err)

    return call


@pytest.fixture
def program() -> Callable[..., subprocess.CompletedProcess[str]]:
    """The program as its own process; options go to the interpreter."""

    def call(*arguments: object, options: tuple[str, ...] = (), **keywords) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *options, "-m", "reconciler", *map(str, arguments)]
        keywords = {"cwd": PROJECT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | keywords
        return subprocess.run(command, text=True, check=False, **keywords)

    return call


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path)


@pytest.fixture
def signed(world: World, reconciler: Callable[..., Result]) -> Callable[[], Callable[..., Result]]:
    """signed(): ada signs and commits all of it; dee may remove, cy approves. Gives `reconciler`, run in the clone."""

    def make() -> Callable[..., Result]:
        trust = world.trust(ada="platform", cy="risk", dee="lead")
        world.checkout.set_config("reconciler.trust", str(trust))

        def call(*arguments: object, who: str = "") -> Result:
            key = ("--key", world.key(who)) if who else ()
            return reconciler(*arguments, *key, at=world.root)

        for path in ("environments/prod.yaml", "clusters/eu-1.yaml", "releases/prod/fraud.yaml"):
            assert call("sign", path, who="ada").code == 0
        world.checkout.commit("signed", ADA)
        return call

    return make
