"""The table of commands, what is imported when, and what becomes of every kind of error."""

import importlib.util
import os
import re
import sys
import types

import pytest
import typer

from reconciler import __version__
from reconciler.cli.app import COMMANDS, Entry, load
from reconciler.errors import Conflict, Invalid, Misused, NotFound, Problem, Refused, Retry, Stalled, Unreachable

HEAVY = {"pydantic", "kubernetes", "cryptography", "rich", "yaml", "git", "orjson", "urllib3", "structlog", "httpx"}
WRITTEN = [
    name
    for name, entry in COMMANDS.items()
    if importlib.util.find_spec(f"reconciler.cli.{entry.target.partition(':')[0]}")
]


def imported(said: str) -> set[str]:
    """The modules of `-X importtime`."""
    return {line.rpartition("|")[2].strip() for line in said.splitlines() if line.startswith("import time:")}


def test_the_version_is_answered_before_anything_heavy_is_imported(program):
    done = program("--version", options=("-X", "importtime"))
    assert (done.returncode, done.stdout) == (0, f"reconciler {__version__}\n")
    modules = imported(done.stderr)
    assert "reconciler" in modules
    assert not {module.partition(".")[0] for module in modules} & (HEAVY | {"typer", "click"})


def test_the_help_lists_every_command_and_imports_none_of_them(program):
    done = program("--help", options=("-X", "importtime"))
    assert done.returncode == 0
    for name, entry in COMMANDS.items():
        assert re.search(rf"(?m)^  {name} +{re.escape(entry.line)}$", done.stdout), name
    modules = imported(done.stderr)
    commands = {f"reconciler.cli.{entry.target.partition(':')[0]}" for entry in COMMANDS.values()}
    assert not modules & commands
    assert not {module.partition(".")[0] for module in modules} & HEAVY


def test_without_arguments_there_is_the_help(reconciler):
    bare, asked = reconciler(), reconciler("--help")
    assert bare == asked
    assert bare.code == 0
    assert bare.out.startswith("Usage: reconciler ")


@pytest.mark.parametrize("name", WRITTEN)
def test_every_command_has_a_help_with_an_example(name, reconciler):
    said = reconciler(name, "--help")
    assert said.code == 0
    inner = getattr(load(name), "commands", {})
    for words in [[name, one] for one in inner] or [[name]]:
        text = " ".join(reconciler(*words, "--help").out.split())
        assert f"Example: reconciler {' '.join(words)}" in text


def test_the_version_can_be_asked_for_beside_other_words(reconciler):
    assert reconciler("--version", "--verbose").out == f"reconciler {__version__}\n"


MISTAKES = {
    "an unknown command": (["sgn"], 2, "no such command 'sgn'. Did you mean 'sign'?"),
    "an unknown command of a group": (["trust", "shwo"], 2, "no such command 'shwo'. Did you mean 'show'?"),
    "a group without a command": (["policy"], 2, "missing command"),
    "an unknown option": (["validate", "--fast"], 2, "no such option: --fast"),
    "an option without its value": (["validate", "--format"], 2, "--format"),
    "a value that is none of the choices": (["validate", "--format", "xml"], 2, "'xml' is not one of"),
    "a missing argument": (["schema"], 2, "missing argument 'KIND'"),
    "a missing option": (["verify"], 2, "missing option '--trust'"),
    "too many arguments": (["schema", "Policy", "Cluster"], 2, "unexpected extra argument"),
    "a kind that does not exist": (["schema", "Modelrelease"], 2, "did you mean 'ModelRelease'?"),
    "a settings file that does not exist": (["config", "check", "--config", "none.yaml"], 2, "no settings file"),
    "a trust file that does not exist": (["trust", "check", "none.yaml"], 2, "none.yaml cannot be read"),
    "a folder that is no clone": (["verify", "HEAD", "--trust", "trust.yaml"], 2, "trust.yaml cannot be read"),
    "a path that does not exist": (["validate", "none.yaml"], 2, "there is no file or folder none.yaml"),
    "signing nothing": (["sign"], 2, "name the documents to sign"),
    "signing outside of a clone": (["sign", "a.yaml"], 2, "is not in a Git repository"),
    "a kubeconfig that does not exist": (["install", "--apply", "--kubeconfig", "none"], 2, "cannot be read"),
    "a folder without policies": (["policy", "test", "none"], 2, "there is no folder none"),
    "no ledger to look at": (["audit", "verify", "--trust", "none.yaml"], 2, "none.yaml cannot be read"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_sentence_and_a_hint(case, reconciler, tmp_path):
    arguments, code, words = MISTAKES[case]
    said = reconciler(*arguments, at=tmp_path)
    assert said.code == code
    assert said.out == ""
    assert words in said.err
    assert "Traceback" not in said.err
    assert 1 <= len(said.err.splitlines()) <= 2


@pytest.fixture
def failing(monkeypatch, reconciler):
    """failing(error, *more): a command that raises it, or returns it when it is none, run with more arguments."""

    def call(outcome, *more):
        def boom() -> object:
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        module = types.ModuleType("reconciler.cli.boom")
        module.boom = boom
        monkeypatch.setitem(sys.modules, "reconciler.cli.boom", module)
        monkeypatch.setitem(COMMANDS, "boom", Entry(target="boom:boom", line="Fails."))
        return reconciler("boom", *more)

    return call


PROBLEM = Problem(path="a.yaml", line=3, column=5, field="spec", message="is missing")
ENDINGS = {
    "nothing": (None, 0, ""),
    "the answer is yes": (0, 0, ""),
    "the answer is no": (1, 1, ""),
    "an exit": (typer.Exit(1), 1, ""),
    "refused": (Refused("no, because"), 1, "no, because\n"),
    "invalid": (Invalid([PROBLEM]), 1, "a.yaml:3:5: spec: is missing\n"),
    "not there": (NotFound("there is no x"), 1, "there is no x\n"),
    "conflict": (Conflict("it moved"), 1, "it moved\n"),
    "stalled": (Stalled("somebody has to act", reason="X"), 1, "somebody has to act\n"),
    "misused": (Misused("not like that", hint="like this"), 2, "not like that\nlike this\n"),
    "unreachable": (Unreachable("nobody answers"), 3, "nobody answers\n"),
    "retry": (Retry("not now", reason="X"), 3, "not now\n"),
    "a fault": (
        ValueError("a\nb"), 3, "this is a fault of reconciler: ValueError: a b; run again with --verbose\n",
    ),
    "a fault without words": (
        KeyError(), 3, "this is a fault of reconciler: KeyError; run again with --verbose\n",
    ),
    "a fault with a secret": (
        RuntimeError("ghp_" + "a1B2" * 9), 3,
        "this is a fault of reconciler: RuntimeError: (hidden); run again with --verbose\n",
    ),
    "interrupted": (KeyboardInterrupt(), 130, ""),
    "not confirmed": (typer.Abort(), 1, "stopped: nothing was confirmed\n"),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDINGS)
def test_every_ending_has_its_exit_code_and_its_sentence(case, failing):
    outcome, code, words = ENDINGS[case]
    said = failing(outcome)
    assert (said.code, said.out, said.err) == (code, "", words)


def test_verbose_adds_the_trace_wherever_it_stands(failing, reconciler):
    said = failing(Misused("not like that"), "--verbose")
    assert said.code == 2
    assert "Traceback" in said.err
    assert said.err.endswith("not like that\n")
    assert "Traceback" in reconciler("--verbose", "boom").err


def test_after_two_dashes_verbose_is_a_name_like_any_other(reconciler, tmp_path):
    said = reconciler("schema", "--", "--verbose", at=tmp_path)
    assert said.code == 2
    assert "There is no kind '--verbose'" in said.err


def test_a_reader_that_goes_away_is_not_complained_about(program):
    reading, writing = os.pipe()
    os.close(reading)
    done = program("schema", "ModelRelease", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
