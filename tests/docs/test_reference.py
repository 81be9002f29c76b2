"""The documentation says all there is: every field, flag, variable, metric and reason is on the reference page."""

import ast
import importlib.util
import re
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest
import typer
import yaml

import reconciler
from reconciler import errors
from reconciler.cli.app import COMMANDS, load, root
from reconciler.config import Config
from reconciler.documents.schema import KINDS
from reconciler.judge.variables import VARIABLES
from reconciler.loop.telemetry import METRICS
from reconciler.model import plan, policy, record, state
from reconciler.model.state import Phase
from reconciler.render.crds import KINDS as STATE_KINDS
from reconciler.trust.people import KeyState

TOP = Path(__file__).parents[2]
DOCS = TOP / "docs"
CODE = Path(reconciler.__file__).parent
REFERENCE = (DOCS / "reference.md").read_text()
PAGES = sorted(DOCS.glob("*.md"))

WORD = re.compile(r"[A-Z][A-Za-z]+")
REASON = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)+")
NOT_REASONS = {
    # kinds and words of the Kubernetes API
    "AlwaysAllow", "BearerToken", "ClusterRole", "ClusterRoleBinding", "ConfigMap", "ContainerCreating",
    "CustomResourceDefinition", "DeleteOptions", "ExecCredential", "FallbackToLogsOnError", "HorizontalPodAutoscaler",
    "IfNotPresent", "NamespaceTerminating", "NetworkPolicy", "NoExecute", "NoSchedule", "PersistentVolume",
    "PersistentVolumeClaim",
    "PodDisruptionBudget", "PodInitializing", "PodScheduled", "PreferNoSchedule", "ReplicaSet", "RoleBinding",
    "RollingUpdate", "RuntimeDefault", "ScheduleAnyway", "ServiceAccount", "StatefulSet",
    "ComponentStatus", "ExternalName", "LimitRange", "NamesAccepted", "PodMonitor", "PodTemplate",
    "ReferenceGrant", "ReplicationController", "ResourceQuota",
    # names of our own types, as text
    "BlobId", "CelEngine", "ClusterName", "EnvVar", "EnvironmentName", "FileChange", "HookJob", "LoadedPolicy",
    "ObjectRef", "PlanDigest", "PolicyTrace", "PruneMark", "ReleaseKey", "ReleaseName", "ReleaseState",
    "RepositoryName", "RepositoryState", "SshKey", "TargetState", "TrustFile", "TrustText", "TrustedKey",
}  # fmt: skip
"""PascalCase texts in the code that say why nothing."""


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["docs_generate"] = module
    spec.loader.exec_module(module)
    return module


generate = _generator()


def _trees() -> dict[str, ast.Module]:
    files = [file for file in sorted(CODE.rglob("*.py")) if "demo" not in file.parts]
    return {str(file.relative_to(CODE)): ast.parse(file.read_text()) for file in files}


def _texts(node: ast.AST) -> set[str]:
    return {one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def _types(tree: ast.Module) -> set[str]:
    """Texts that only name a type, in annotations."""
    found: set[str] = set()
    for one in ast.walk(tree):
        rows = [getattr(one, "annotation", None), getattr(one, "returns", None)]
        found |= {text for row in rows if isinstance(row, ast.AST) for text in _texts(row)}
    return found


def _reasons() -> dict[str, str]:
    """Every reason in the code, by text, with a file that has it: `reason="…"`, and every PascalCase text but a few."""
    found: dict[str, str] = {}
    for path, tree in _trees().items():
        keywords = [one.value for one in ast.walk(tree) if isinstance(one, ast.keyword) and one.arg == "reason"]
        said = {text for value in keywords for text in _texts(value) if WORD.fullmatch(text)}
        said |= {text for text in _texts(tree) if REASON.fullmatch(text)} - NOT_REASONS - _types(tree)
        found |= dict.fromkeys(said, path)
    return found


def _gate_kinds() -> dict[str, str]:
    """Kinds of gates: `Gate(kind="…")`, and the first argument of the helper that makes closed ones."""
    found: dict[str, str] = {}
    for path, tree in _trees().items():
        for call in (one for one in ast.walk(tree) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)):
            if call.func.id == "Gate":  # type: ignore[attr-defined]  # filtered above
                kinds = [text for word in call.keywords if word.arg == "kind" for text in _texts(word.value)]
            elif call.func.id == "_closed" and call.args:  # type: ignore[attr-defined]  # filtered above
                kinds = list(_texts(call.args[0]))
            else:
                continue
            found |= dict.fromkeys(kinds, path)
    return found


REASONS = _reasons()
ENUMS: list[type[StrEnum]] = [Phase, state.Role, plan.Action, plan.Outcome, policy.PolicyResult, KeyState]


def test_reference_page_is_generated_from_the_code_as_it_is() -> None:
    assert generate.generated(REFERENCE) == REFERENCE, "run: python docs/generate.py"


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_every_reason_has_its_line(reason: str) -> None:
    lines = [line for line in REFERENCE.splitlines() if line.startswith("|") and f"`{reason}`" in line]
    assert lines, f"{REASONS[reason]} gives the reason {reason}, and docs/reference.md has no table row for it"


def test_reasons_of_every_room_were_found() -> None:
    some = {"NotVerified", "PolicyDenied", "TrunkRewritten", "NamespaceMissing", "FoughtOver", "Healthy", "Invalid"}
    assert some <= REASONS.keys()


@pytest.mark.parametrize("kind", sorted(_gate_kinds()))
def test_every_kind_of_gate_has_its_line(kind: str) -> None:
    assert f"\n| {kind} |" in REFERENCE


@pytest.mark.parametrize("member", [member for enum in ENUMS for member in enum], ids=str)
def test_every_word_of_an_enumeration_is_told(member: StrEnum) -> None:
    assert f"`{member.value}`" in REFERENCE


@pytest.mark.parametrize("kind", get_args(record.RecordKind))
def test_every_kind_of_record_is_told(kind: str) -> None:
    assert f"| `{kind}` |" in REFERENCE


@pytest.mark.parametrize("kind", [*KINDS, "Config"])
def test_every_field_of_every_document_is_told_with_its_meaning(kind: str) -> None:
    for field in generate.fields(kind):
        assert f"| `{field.path}` |" in REFERENCE, field.path
        assert field.meaning.strip() or field.path in generate.EVERY, f"docs/meanings.yaml: {kind}: {field.path}"


def test_every_key_of_the_settings_is_told() -> None:
    section = REFERENCE.partition("\n## Settings\n")[2].partition("\n## Commands\n")[0]
    for name, info in Config.model_fields.items():
        assert f"| `{info.alias or name}" in section, name
    for allowance in ("fileRemotes", "plainLoopback", "fileReferences", "insecureTls", "exec:COMMAND"):
        assert f"| `{allowance}` |" in section


def test_meanings_speak_of_fields_that_exist() -> None:
    meanings = yaml.safe_load((DOCS / "meanings.yaml").read_text())
    for kind, rows in meanings.items():
        known = {field.path for field in generate.fields("Cluster" if kind == "*" else kind)}
        assert set(rows) <= known, f"docs/meanings.yaml: {kind}: {sorted(set(rows) - known)}"


@pytest.mark.parametrize(("usage", "command"), list(generate.commands()), ids=str)
def test_every_command_and_flag_is_told(usage: str, command: object) -> None:
    section = REFERENCE.partition(f"\n### {usage}\n")[2].partition("\n### ")[0]
    assert section, usage
    for option in generate.options(command):
        assert f"`{option}" in section, f"{usage} {option}"


def test_every_command_of_the_table_is_told() -> None:
    for name in COMMANDS:
        assert f"\n### reconciler {name}" in REFERENCE, name


@pytest.mark.parametrize("name", VARIABLES)
def test_every_policy_variable_is_told(name: str) -> None:
    assert f"| `{name}` | `{VARIABLES[name].type}` |" in REFERENCE


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_told_with_its_labels(name: str) -> None:
    kind, text, labels = METRICS[name]
    line = next(line for line in REFERENCE.splitlines() if line.startswith(f"| `{name}` |"))
    assert kind in line
    assert text in line
    assert all(f"`{label}`" in line for label in labels)


def test_every_exit_code_is_told() -> None:
    section = REFERENCE.partition("\n## Exit codes\n")[2].partition("\n## ")[0]
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert codes
    assert all(f"| {code} |" in section for code in codes)


def test_every_state_object_is_told_with_its_short_name() -> None:
    for kind in STATE_KINDS:
        assert f"| {kind.model.__name__} | `{kind.short}` |" in REFERENCE


LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def _anchors(page: Path) -> set[str]:
    """The anchors that a forge makes of headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def _typed(page: Path) -> list[str]:
    """Lines of code blocks that a person types and that start the program, continuation lines joined."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```$", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ reconciler ")]


def _words(line: str) -> list[str]:
    """One command line without what the shell does with its output."""
    words = shlex.split(line)
    ends = [at for at, word in enumerate(words) if word in ("|", ">", ">>", "&&")]
    return words[1 : ends[0]] if ends else words[1:]


TYPED = [(page.name, line) for page in PAGES for line in _typed(page)]


def test_the_pages_show_commands() -> None:
    assert len([name for name, _ in TYPED if name == "first-steps.md"]) > 20


@pytest.mark.parametrize(("page", "line"), TYPED)
def test_shown_commands_exist_with_these_flags(page: str, line: str) -> None:
    words = _words(line)
    name, rest = words[0], words[1:]
    assert name in root().commands, f"{page}: {line}"
    command = load(name)
    try:
        if hasattr(command, "commands"):
            assert rest[0] in command.commands, f"{page}: {line}"
            name, command, rest = f"{name} {rest[0]}", command.commands[rest[0]], rest[1:]
        command.make_context(f"reconciler {name}", list(rest)).close()
    except typer.Exit:
        pytest.fail(f"{page}: {line}: shows the help instead")
    except typer.TyperException as error:
        pytest.fail(f"{page}: {line}: {error.format_message()}")


def test_a_shown_command_that_does_not_exist_would_be_seen() -> None:
    with pytest.raises(pytest.fail.Exception):
        test_shown_commands_exist_with_these_flags("made-up.md", "reconciler sign --everything")
    with pytest.raises(AssertionError):
        test_shown_commands_exist_with_these_flags("made-up.md", "reconciler policy guess")
