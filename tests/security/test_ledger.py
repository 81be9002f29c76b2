"""Ledger truncated, deleted, rewritten, one byte changed: seen, named, ours pushed again; offline verify fails."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from attack_stage import signature
from stage_lab import LEDGER, Lab, lab

from reconciler.digest import sha256_of
from reconciler.loop.chain import record_bytes, record_path, statement
from reconciler.model.record import Record

BRANCH = LEDGER.removeprefix("refs/heads/")


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("ledger") / "acme") as made:
        made.recorded()
        made.release("1.4.0")
        made.serves("1.4.0")
        made.recorded()
        yield made
        assert "Traceback" not in made.log()


def truncate(acme: Lab, origin: Path) -> None:
    acme.git("update-ref", LEDGER, acme.git("rev-parse", f"{LEDGER}~1", at=origin), at=origin)


def delete(acme: Lab, origin: Path) -> None:
    acme.git("update-ref", "-d", LEDGER, at=origin)


def rewrite(acme: Lab, origin: Path, change: Callable[[list[Path]], object]) -> None:
    """Somebody who may write to the repository commits a change of the ledger's files."""
    work = origin.parent / f"rewrite-{origin.name}"
    shutil.rmtree(work, ignore_errors=True)
    acme.git("clone", "-q", "-b", BRANCH, str(origin), str(work))
    change(sorted(work.glob("records/*/*/*.json")))
    acme.git("add", "-A", at=work)
    acme.git("commit", "-qm", "evil", at=work)
    acme.git("push", "-q", "-f", "origin", f"HEAD:{LEDGER}", at=work)


def flip(at: int) -> Callable[[Lab, Path], None]:
    """One bit of one byte of a record."""

    def change(records: list[Path]) -> None:
        data = bytearray(records[at].read_bytes())
        data[len(data) // 2] ^= 1
        records[at].write_bytes(bytes(data))

    return lambda acme, origin: rewrite(acme, origin, change)


def forge(acme: Lab, origin: Path) -> None:
    """A record more, rightly chained and numbered, and signed by bo, who may release everything but write no record."""

    def add(records: list[Path]) -> None:
        last = Record.from_data(orjson.loads(records[-1].read_bytes()))
        update = {"sequence": last.sequence + 1, "previous": sha256_of(records[-1].read_bytes()), "message": "forged"}
        record = last.model_copy(update=update)
        data = record_bytes(record)
        said = statement(record, data)
        top = records[-1].parents[3]
        (top / record_path(record)).write_bytes(data)
        (top / f"{record_path(record)}.sig").write_bytes(signature(acme, said, "bo"))

    rewrite(acme, origin, add)


DAMAGE = {
    "an entry is forged": forge,
    "one byte of the first record is changed": flip(0),
    "one byte of the newest record is changed": flip(-1),
    "a record in the middle is gone": lambda acme, at: rewrite(acme, at, lambda rows: rows[len(rows) // 2].unlink()),
    "a record is another one's copy": lambda acme, at: rewrite(
        acme, at, lambda rows: rows[-1].write_bytes(rows[-2].read_bytes())
    ),
}
TAKEN_AWAY = {"it is truncated": truncate, "it is deleted": delete}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
def test_offline_verify_of_a_damaged_copy_fails_when(acme, damage, tmp_path):
    copy = tmp_path / "copy.git"
    acme.git("clone", "-q", "--mirror", str(acme.origin), str(copy))
    assert acme.audit(copy).returncode == 0, acme.audit(copy).stderr
    DAMAGE[damage](acme, copy)
    done = acme.audit(copy)
    assert done.returncode not in (0, 3), done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_offline_verify_of_a_copy_without_a_ledger_fails(acme, tmp_path):
    copy = tmp_path / "copy.git"
    acme.git("clone", "-q", "--mirror", str(acme.origin), str(copy))
    delete(acme, copy)
    assert acme.audit(copy).returncode != 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "running"),
    [("it is truncated", True), ("it is deleted", False), ("it is truncated", False),
     *((name, True) for name in DAMAGE), ("one byte of the first record is changed", False)],
)  # fmt: skip
def test_seen_named_and_ours_pushed_again_when(acme, damage, running):
    acme.recorded()
    before, rows = acme.git("rev-parse", LEDGER, at=acme.origin), acme.records()
    named = acme.log().count("ledger rewritten")
    if not running:
        acme.stage.stop_daemon()
    (TAKEN_AWAY | DAMAGE)[damage](acme, acme.origin)
    if not running:
        acme.stage.start_daemon()
    else:
        other = "1.5.1" if acme.status().stable.model_version == "1.4.0" else "1.4.0"
        acme.release(other, auc=0.96)  # a running daemon looks at its ledger when it writes
        acme.serves(other)
    acme.wait("it is named", lambda: acme.log().count("ledger rewritten") > named)
    again = ("merge-base", "--is-ancestor", before, LEDGER)  # it is named before it is pushed
    acme.wait("ours is pushed again", lambda: acme.git(*again, at=acme.origin) == "" and acme.records()[:1] == rows[:1])
    acme.recorded()
    assert acme.condition("LedgerIntact")["reason"] == "LedgerRewritten"
    assert acme.records()[: len(rows)] == rows
    assert acme.audit().returncode == 0, acme.audit().stderr
