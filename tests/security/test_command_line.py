"""Whatever somebody types, or names a file, the answer is a sentence and an exit code; never a traceback."""

from pathlib import Path

import pytest
from stage_lab import run as run_process

from reconciler.cli.app import run

COMMANDS = (
    ("run", "--config"), ("once", "--config"), ("plan", "--config"), ("status", "--config"),
    ("config", "check", "--config"),
    ("validate",), ("validate", "--format"), ("sign", "--key"), ("statement",), ("verify",), ("verify", "--trust"),
    ("trust", "check"), ("trust", "show"), ("trust", "import"), ("schema",), ("policy", "test"),
    ("audit", "verify", "--repository-dir"), ("audit", "verify", "--trust"), ("install", "--context"),
    ("install", "--apply", "--kubeconfig"), ("demo", "--kubeconfig"), ("nonsense",),
    ("approve",), ("approve", "--trust"), ("reject",), ("approvals",), ("approvals", "--root"), ("remove",),
    ("suspend",), ("suspend", "prod/x", "--root"), ("suspend", "prod/x", "--until"), ("resume",), ("why",),
    ("history",), ("wait",), ("reconcile",), ("plan", "--worktree"), ("plan", "--revision"), ("verify", "--root"),
    ("policy", "eval"), ("trust", "export"), ("audit", "show"), ("keygen", "--comment"), ("status", "-o"),
)  # fmt: skip
WORDS = (
    "new\nline",
    "",
    "--",
    "../../../etc",
    "/nonexistent",
    "\x1b[31mred",
    "a" * 5000,
    "%s{}",
    "/proc/self/mem",
    "~root",
)
FILES = {
    "bytes.yaml": bytes(range(256)) * 10,
    "empty.yaml": b"",
    "brackets.yaml": b"[" * 25_000,
    "braces.yaml": b"{a: " * 25_000,
    "utf16.yaml": "apiVersion: reconciler.dev/v1alpha1\nkind: Config\n".encode("utf-16"),
    "null.yaml": b"null",
    "list.yaml": b"- a",
    "kind.yaml": b"apiVersion: reconciler.dev/v1alpha1\nkind: [a]\n",
    "mapping.yaml": b"{apiVersion: {a: b}, kind: null}\n",
}


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strange")
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    (folder / "folder.yaml").mkdir()
    (folder / "loop.yaml").symlink_to("loop.yaml")
    return folder


def words(strange: Path) -> list[str]:
    return [*WORDS, *(str(path) for path in sorted(strange.iterdir()))]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_mistake_is_answered_with_a_sentence(command, strange, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for word in words(strange):
        code = run([*command, word])
        said = "".join(capfd.readouterr())
        assert code in (0, 1, 2, 3), (word, said)
        assert "Traceback" not in said, (word, said)
        assert "fault of reconciler" not in said, (word, said)
        assert "\x1b[31" not in said, (word, said)
        assert said.strip() or code == 0, word


@pytest.mark.slow
def test_the_process_itself_answers_bytes_that_are_no_text_with_a_sentence(tmp_path):
    done = run_process("validate", "\udcff", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
