"""What attacks on a running daemon have in common: merges of every kind, votes, and that everybody else goes on.

Not the attacks. Rule: whoever merges here may merge but not sign, unless a person is named.
"""

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from stage_lab import Lab

from reconciler.cli.signing import sign_file
from reconciler.demo.story import PROD, STAGING
from reconciler.loop.approving import approve_statement
from reconciler.model.ids import Closure
from reconciler.trust.keys import PrivateKey, generate_key, load_private_key
from reconciler.trust.sshsig import sign
from reconciler.trust.statement import Statement

ENVIRONMENT = "environments/prod.yaml"
RUNTIME = "runtimes/onnx-http.yaml"


def model(acme: Lab, environment: str) -> str | None:
    """The model version that is stable."""
    stable = acme.status(environment).stable
    return stable.model_version if stable else None


def others_continue(acme: Lab) -> None:
    """A signed change of another release goes out."""
    version = "1.4.0" if model(acme, "prod") != "1.4.0" else "1.5.1"
    acme.release(version, auc=0.957 if version == "1.4.0" else 0.96)
    acme.serves(version)


def restore(acme: Lab, *paths: str) -> None:
    """Staging as it was at first."""
    acme.git("checkout", "-q", acme.git("rev-list", "--max-parents=0", "HEAD"), "--", *paths)
    acme.commit("restore")
    acme.wait("staging is not held", lambda: not acme.status("staging").gates)


def forged(acme: Lab) -> None:
    """A text for staging that nobody signed."""
    text = (acme.work / PROD).read_text().replace("environment: prod", "environment: staging")
    (acme.work / STAGING).write_text(re.sub(r"version: \S+", "version: 9.9.9", text))


def change(acme: Lab, path: str, edit: Callable[[str], str], *, by: str = "") -> None:
    """Edit a file of the work tree, signed by somebody or by nobody; the edit must change it."""
    file = acme.work / path
    before = file.read_text()
    assert edit(before) != before, path
    file.write_text(edit(before))
    if by:
        sign_as(acme, path, by)


def sign_as(acme: Lab, path: str, by: str) -> None:
    """Put somebody's signature beside a document."""
    sign_file(acme.work, path, repository=acme.organisation.repository, key=str(acme.folder / "keys" / by))


def back_to(acme: Lab, revision: str, message: str = "taken back") -> None:
    """Merge the tree of an earlier commit."""
    acme.git("rm", "-rqf", "--ignore-unmatch", ".")
    acme.git("checkout", "-q", revision, "--", ".")
    if acme.git("status", "--porcelain"):
        acme.commit(message)


def new_key(acme: Lab, name: str) -> str:
    """A key pair in the folder of keys; returns the public line."""
    pair = generate_key(name)
    file = acme.folder / "keys" / name
    file.write_bytes(pair.private)
    file.chmod(0o600)
    return " ".join(pair.public.split()[:2])


def private(acme: Lab, name: str) -> PrivateKey:
    return load_private_key((acme.folder / "keys" / name).read_bytes())


def signature(acme: Lab, said: Statement, by: str) -> bytes:
    """Somebody's signature over a statement, made without any command of ours."""
    return sign(private(acme, by), said.text(), said.namespace).encode()


def vote(acme: Lab, by: str, *, action: str = "approve", file: str = "", closure: Closure | str = "") -> None:
    """Somebody's vote on what prod is asked for, in their file."""
    digest = closure or acme.status().closure
    said = replace(approve_statement(acme.stage._key("prod", "fraud-detector"), digest), action=action)
    path = acme.work / f"approvals/prod/fraud-detector/{file or by}.sig"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(signature(acme, said, by))


def push_vote(acme: Lab, name: str, data: bytes) -> str:
    """Anybody with write access pushes bytes as `refs/reconciler/approvals/prod/fraud-detector/<name>`."""
    tree = raw(acme, "tree", tree_of(("100644", b"approval.sig", raw(acme, "blob", data))))
    ref = f"refs/reconciler/approvals/prod/fraud-detector/{name}"
    acme.git("update-ref", ref, acme.git("commit-tree", "-m", "vote", tree, at=acme.origin), at=acme.origin)
    look(acme)
    return ref


def look(acme: Lab) -> None:
    """Wake the daemon as any change of the origin's refs does: of those under refs/reconciler only the poll tells."""
    (acme.origin / "packed-refs").touch()


def block_of(acme: Lab, by: str, *, action: str = "approve", name: str = "fraud-detector") -> bytes:
    """Somebody's signature on what prod is asked for, or on the same closure of another release."""
    said = approve_statement(acme.stage._key("prod", name), acme.status().closure)
    return signature(acme, replace(said, action=action), by)


def raw(acme: Lab, kind: str, data: bytes) -> str:
    """Write an object into the origin, also one that git would not make; returns its id."""
    done = subprocess.run(
        ["git", "-C", str(acme.origin), "hash-object", "-t", kind, "-w", "--literally", "--stdin"],
        input=data, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout.decode().strip()


def tree_of(*entries: tuple[str, bytes, str]) -> bytes:
    """The bytes of a tree object of exactly these (mode, name, id)."""
    return b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)


def entries_of(acme: Lab, tree: str = "main^{tree}") -> list[tuple[str, bytes, str]]:
    """What a tree of the origin holds."""
    rows = acme.git("ls-tree", tree, at=acme.origin).splitlines()
    found = []
    for row in rows:
        mode, _, rest = row.split(" ", 2)
        oid, _, name = rest.partition("\t")
        found.append((mode.lstrip("0"), name.encode(), oid))
    return found


def push_tree(acme: Lab, *more: tuple[str, bytes, str], top: list[tuple[str, bytes, str]] | None = None) -> str:
    """Put a commit with more entries at the top onto main in the origin, past every check of a push."""
    rows = sorted([*(top if top is not None else entries_of(acme)), *more], key=_order)
    commit = acme.git("commit-tree", "-p", "main", "-m", "hostile", raw(acme, "tree", tree_of(*rows)), at=acme.origin)
    acme.git("update-ref", "refs/heads/main", commit, at=acme.origin)
    return commit


def _order(row: tuple[str, bytes, str]) -> bytes:
    """How git sorts: a folder as if its name ended with a slash."""
    mode, name, _ = row
    return name + (b"/" if mode == "40000" else b"")


def undo(acme: Lab, good: str) -> None:
    """Main as it was: as a new commit when the hostile one was accepted, else as if it had never been there."""
    if acme.repository()["revision"] != good:
        commit = acme.git("commit-tree", "-p", "main", "-m", "taken back", f"{good}^{{tree}}", at=acme.origin)
        acme.git("update-ref", "refs/heads/main", commit, at=acme.origin)
    else:
        acme.git("update-ref", "refs/heads/main", good, at=acme.origin)
    acme.git("fetch", "-q", "origin", "+main:refs/remotes/origin/main")
    acme.git("reset", "-q", "--hard", "origin/main")


def markers(folder: Path) -> list[str]:
    """The names of the programs that were run though nobody may run them."""
    return sorted(file.name for file in folder.iterdir())
