"""Hostile trees, packs and floods of files, pushed past every check of a host; another repository is never affected.

Two repositories share the daemon: the one that is attacked, and a small one whose release must go on.
"""

import hashlib
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from attack_stage import entries_of, push_tree, raw, tree_of, undo
from stage_lab import HOME, Lab, lab

from reconciler.demo.organisation import Organisation, make
from reconciler.demo.story import PROD
from reconciler.model.ids import EnvironmentName, ReleaseKey, ReleaseName, RepositoryName

OTHER = "github.com/acme/other"
RELEASE = "releases/dev/other.yaml"
SERVICE = "/api/v1/namespaces/fraud-dev/services/other"
KEY = ReleaseKey(
    repository=RepositoryName(OTHER), environment=EnvironmentName("dev"), name=ReleaseName("other")
).state_name


@pytest.fixture(scope="module")
def other(acme: Lab) -> Organisation:
    return Organisation(folder=acme.folder / "other", repository=OTHER, checkout=_other.checkout)


_other: Organisation


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A daemon of two repositories that fetches at most 2 MiB."""
    global _other  # noqa: PLW0603  # the second repository of the only stage of this module
    with lab(tmp_path_factory.mktemp("trees") / "acme", start=False) as made:
        _other = make(made.folder / "other", repository=OTHER, metrics="127.0.0.1:0")
        top = _other.checkout.top
        text = (top / "releases/dev/fraud-detector.yaml").read_text()
        shutil.rmtree(top / "releases")
        (top / RELEASE).parent.mkdir(parents=True)
        (top / RELEASE).write_text(text.replace("\n  name: fraud-detector", "\n  name: other", 1))
        _other.sign(RELEASE, _other.person("bo"))
        _other.commit("only one release", _other.person("bo"))
        settings = made.organisation.settings
        theirs = _other.settings.read_text()
        row = theirs[theirs.index("  - name:") : theirs.index("signing:")].replace("trust.yaml", "other/trust.yaml")
        text = settings.read_text().replace("signing:", f"{row.replace('poll: 30s', 'poll: 1s')}signing:")
        settings.write_text(f"{text}limits: {{fetch: 2Mi, fetchTimeout: 20s}}\n")
        trust = made.folder / "other/trust.yaml"  # one daemon has one key
        ours = (made.folder / "keys/daemon.pub").read_text().split()
        key = (made.folder / "other/keys/daemon.pub").read_text().split()
        trust.write_text(trust.read_text().replace(key[1], ours[1]))
        made.stage.start_daemon()
        made.serves("1.3.0")
        made.wait("the other one serves", lambda: made.ask("eu-1", "GET", SERVICE))
        yield made
        assert "Traceback" not in made.log()


def first(acme: Lab) -> dict:
    """The status of the attacked repository."""
    rows = acme.ask("eu-1", "GET", f"{HOME}/repositorystates")["items"]
    return next(row["status"] for row in rows if row["spec"]["repository"] == acme.organisation.repository)


@pytest.fixture(autouse=True)
def unaffected(acme: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Meanwhile and afterwards the other repository goes on, nothing is left on the disk, and ours recovers."""
    monkeypatch.setattr(Lab, "repository", first)
    good = acme.git("rev-parse", "main", at=acme.origin)
    running = acme.running()
    yield
    change = _other.checkout.top / "environments/dev.yaml"
    change.write_text(change.read_text() + "\n")
    _other.sign("environments/dev.yaml", _other.person("bo"))
    head = _other.commit("the other repository goes on", _other.person("bo"))
    rows = lambda: acme.ask("eu-1", "GET", f"{HOME}/repositorystates")["items"]  # noqa: E731
    acme.wait("the other one is read", lambda: head in [row["status"].get("revision") for row in rows()])
    acme.repairs("eu-1", SERVICE)
    acme.repairs()
    undo(acme, good)
    acme.wait("ours is well again", lambda: acme.condition("Synced")["status"] == "True"
              and not acme.condition("Synced").get("message"))  # fmt: skip
    assert acme.running().keys() == running.keys()
    acme.wait("no temporary pack is left", lambda: leftovers(acme) == [])


def leftovers(acme: Lab) -> list[Path]:
    """Temporary packs and locks in the mirrors."""
    return [file for folder in acme.organisation.data.glob("*.mirror") for pattern in ("tmp_*", "*.lock", ".tmp-*")
            for file in folder.rglob(pattern)]  # fmt: skip


def said(acme: Lab, *words: str) -> None:
    """The repository's condition says it."""
    acme.wait(f"it says {' and '.join(words)}", lambda: all(
        word in f"{acme.condition('Synced')['reason']} {acme.condition('Synced').get('message')}" for word in words
    ))  # fmt: skip


def blob(acme: Lab, data: bytes) -> str:
    return raw(acme, "blob", data)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "name", "reason"),
    [("40000", b"..", "hasDotdot"), ("40000", b".git", "hasDotgit"), ("40000", b".GIT", "hasDotgit"),
     ("100644", b"README.md", "duplicateEntries"), ("40000", b"README.md", "duplicateEntries"),
     ("100644", b"a/b", "fullPathname")],
    ids=["..", ".git", ".GIT", "a file twice", "a file and a folder", "a name with a slash"],
)  # fmt: skip
def test_a_tree_that_git_finds_malformed_is_rejected_at_the_fetch(acme, mode, name, reason):
    inner = raw(acme, "tree", tree_of(("100644", b"x.yaml", blob(acme, b"x: 1\n"))))
    push_tree(acme, (mode, name, inner if mode == "40000" else blob(acme, b"y")))
    said(acme, "FetchRefused", reason)


@pytest.mark.slow
def test_symlink_submodule_and_case_collisions_are_rejected_with_the_path_and_others_continue(acme):
    signature = acme.git("rev-parse", f"main:{PROD}.sig", at=acme.origin)
    push_tree(
        acme, ("120000", b"link.yaml", blob(acme, b"/etc/passwd")), ("120000", b"up", blob(acme, b"../..")),
        ("160000", b"module", "1" * 40), ("100644", b"Case.yaml", signature), ("100644", b"case.yaml", signature),
        ("100644", "e\u0301.yaml".encode(), signature), ("100644", "\u00e9.yaml".encode(), signature),
    )  # fmt: skip
    said(acme, "Synced", "link.yaml is a symbolic link", "up is a symbolic link", "module is a submodule",
         "Case.yaml differs from case.yaml only by case", "\u00e9.yaml differs from")  # fmt: skip


@pytest.mark.slow
def test_a_signature_that_is_a_symlink_to_a_good_one_is_no_signature(acme):
    top = {name: oid for _, name, oid in entries_of(acme)}
    releases = entries_of(acme, f"main:{PROD.rpartition('/')[0]}")
    names = {name: (mode, oid) for mode, name, oid in releases}
    link = [(mode, name, oid) for mode, name, oid in releases if name != b"fraud-detector.yaml.sig"]
    link.append(("120000", b"fraud-detector.yaml.sig", blob(acme, b"../../kept.sig")))
    prod = raw(acme, "tree", tree_of(*sorted(link, key=lambda row: row[1])))
    folders = [(mode, name, prod if name == b"prod" else oid)
               for mode, name, oid in entries_of(acme, "main:releases")]  # fmt: skip
    tree = raw(acme, "tree", tree_of(*folders))
    rows = [(mode, name, tree if name == b"releases" else oid) for mode, name, oid in entries_of(acme)]
    assert top[b"releases"] != tree
    push_tree(acme, ("100644", b"kept.sig", names[b"fraud-detector.yaml.sig"][1]), top=rows)
    said(acme, "fraud-detector.yaml.sig is a symbolic link")
    acme.wait("it is not verified", lambda: "Held=True NotVerified" in acme.reasons())


@pytest.mark.slow
def test_a_huge_pack_is_cut_off_at_the_limit_and_its_temporary_pack_is_removed(acme):
    push_tree(acme, ("100644", b"model.bin", blob(acme, os.urandom(4_000_000))))
    said(acme, "FetchRefused", "more than 2 MiB (limits.fetch)")


@pytest.mark.slow
def test_a_huge_blob_that_packs_well_is_named_and_not_read(acme):
    push_tree(acme, ("100644", b"huge.yaml", blob(acme, b"#" * 200_000_000)))
    said(acme, "huge.yaml has 200000000 bytes; the limit is 262144")


@pytest.mark.slow
@pytest.mark.parametrize("count", [100_000, 210_000])
def test_very_many_files_cost_seconds_or_are_refused_with_a_sentence(acme, count):
    text = blob(acme, b"not a document\n")
    rows = [("100644", b"%06d.txt" % number, text) for number in range(count)]
    push_tree(acme, ("40000", b"many", raw(acme, "tree", tree_of(*rows))))
    if count > 200_000:
        said(acme, "many holds more than 200000 files")
        return
    head = acme.git("rev-parse", "main", at=acme.origin)
    acme.wait("it is read", lambda: acme.repository()["revision"] == head)


@pytest.mark.slow
def test_a_tree_that_is_very_deep_or_contains_itself_is_refused_and_the_rest_goes_on(acme):
    text = blob(acme, b"not a document\n")
    deep = raw(acme, "tree", tree_of(("100644", b"x.txt", text)))
    wide = raw(acme, "tree", tree_of(*(("100644", b"%d.txt" % number, text) for number in range(9))))
    for _ in range(2000):
        deep = _nested(acme, deep)
    for _ in range(8):
        wide = raw(acme, "tree", tree_of(*(("40000", b"%d" % number, wide) for number in range(9))))
    push_tree(acme, ("40000", b"deep", deep), ("40000", b"wide", wide))
    said(acme, "lies more than 24 folders deep", "wide/")


def _nested(acme: Lab, tree: str) -> str:
    """A folder with only this one in it, written without a process of its own."""
    return _loose(acme, tree_of(("40000", b"d", tree)), kind=b"tree")


@pytest.mark.slow
def test_thousands_of_spellings_of_one_name_cost_a_moment(acme):
    text = blob(acme, b"x")
    names = ["".join("aA"[int(bit)] for bit in format(number, "013b")) for number in range(8000)]
    rows = sorted(("100644", name.encode(), text) for name in names)
    push_tree(acme, ("40000", b"spellings", raw(acme, "tree", tree_of(*rows))))
    said(acme, "only by case or Unicode form", "and 7990 more")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["10 MB", "10,000 blocks", "10,000 files"])
def test_a_flood_of_approvals_is_named_in_one_short_sentence_and_holds_nobody_else(acme, kind):
    block = acme.git("show", f"main:{PROD}.sig", at=acme.origin).encode() + b"\n"
    flood = {
        "10 MB": [(b"x.sig", b"#" * 10_000_000)],
        "10,000 blocks": [(b"x.sig", block * 10_000)],
        "10,000 files": [(b"%05d.sig" % number, block * 20) for number in range(10_000)],
    }[kind]
    rows = [("100644", name, _loose(acme, data)) for name, data in flood]
    tree = raw(acme, "tree", tree_of(*rows))
    prod = raw(acme, "tree", tree_of(("40000", b"fraud-detector", tree)))
    push_tree(acme, ("40000", b"approvals", raw(acme, "tree", tree_of(("40000", b"prod", prod)))))
    head = acme.git("rev-parse", "main", at=acme.origin)
    acme.wait("it is read", lambda: acme.repository()["revision"] == head)
    if "files" not in kind:
        said(acme, "approvals/prod/fraud-detector/x.sig has")
    assert len(repr(acme.status())) < 200_000


@pytest.mark.slow
def test_a_flood_of_unsigned_policies_is_counted_in_a_short_condition(acme):
    rows = []
    for number in range(300):
        text = ("apiVersion: reconciler.dev/v1alpha1\nkind: Policy\n"
                f"metadata: {{name: p{number}}}\nspec: {{validations: [{{expression: 'true'}}]}}\n")  # fmt: skip
        rows.append(("100644", b"%04d.yaml" % number, _loose(acme, text.encode())))
    push_tree(acme, ("40000", b"flood", raw(acme, "tree", tree_of(*rows))))
    acme.wait("it is counted", lambda: "and 290 more" in acme.reasons())
    assert len(acme.reasons()) < 20_000
    assert acme.status().stable.model_version == "1.3.0"


def _loose(acme: Lab, data: bytes, *, kind: bytes = b"blob") -> str:
    """An object written without a process of its own."""
    whole = b"%s %d\0" % (kind, len(data)) + data
    oid = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
    file = acme.origin / "objects" / oid[:2] / oid[2:]
    file.parent.mkdir(exist_ok=True)
    if not file.exists():
        file.write_bytes(zlib.compress(whole))
    return oid
