"""What of a revision is read and what is refused: hostile trees, limits, and cost in reads."""

import tempfile
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.edges.git import FileChange, Rejected, Remote, changes
from reconciler.edges.git.names import fold, name_problem
from reconciler.edges.git.objects import Objects
from reconciler.edges.git.run import Git
from reconciler.edges.git.tree import Entry, refusals
from reconciler.edges.git.walk import MAX_DEPTH, Trees
from reconciler.errors import Misused, NotFound, Refused, Retry, Stalled

ELSEWHERE = "6" * 40


@pytest.fixture
def trees(upstream):
    """Reads the upstream's own objects: what fsck would stop at a fetch can be looked at too."""
    objects = Objects(Git(upstream.folder))
    yield Trees(objects, max_blob=1000, max_files=50)
    objects.close()


def reasons(snapshot):
    return {entry.path: entry.reason for entry in snapshot.rejected}


def test_files_are_found_under_the_watched_path_and_nowhere_else(upstream, trees):
    head = upstream.commit({"models/a.yaml": b"a", "models/x/b.yaml": b"b", "README.md": b"r"})
    snapshot = trees.walk(head, "models")
    assert dict(snapshot.files) == {"a.yaml": upstream.blob(b"a"), "x/b.yaml": upstream.blob(b"b")}
    assert len(snapshot.files) == 2
    assert "y/b.yaml" not in snapshot.files
    assert snapshot.rejected == ()
    assert [trees.read(blob) for blob in snapshot.files.values()] == [b"a", b"b"]
    assert list(trees.read_many(list(snapshot.files.values()))) == [b"a", b"b"]


@pytest.mark.parametrize("path", ["nowhere", "models/a.yaml", "models/x"])
def test_a_watched_path_that_is_missing_or_no_folder_is_an_error(upstream, trees, path):
    head = upstream.commit({"models/a.yaml": b"a"})
    with pytest.raises(Retry) as error:
        trees.walk(head, path)
    assert error.value.reason == "PathMissing"


def test_a_watched_path_without_a_file_is_an_error_and_names_what_was_refused(upstream, trees):
    link = upstream.raw_tree(("120000", b"a.yaml", upstream.blob(b"/etc/passwd")))
    with pytest.raises(Retry, match=r"holds no file that can be used: a\.yaml is a symbolic link"):
        trees.walk(upstream.commit_tree(link))
    with pytest.raises(Retry, match="holds no file") as error:
        trees.walk(upstream.commit_tree(upstream.raw_tree()))
    assert error.value.reason == "PathMissing"


@pytest.mark.parametrize("path", ["../x", "/etc", "a//b", "a/.git", ".GIT", "a\nb", "git~1/x", "./a"])
def test_a_watched_path_must_be_one(upstream, trees, path):
    head = upstream.commit({"a.yaml": b"a"})
    with pytest.raises(Misused):
        trees.walk(head, path)


HOSTILE = [
    ("120000", b"link.yaml", "is a symbolic link; links are not followed"),
    ("160000", b"sub", "is a submodule; other repositories are not read"),
    ("100644", b"..", "has a name that means another folder"),
    ("40000", b".", "has a name that means another folder"),
    ("100644", b"a/b", "has a name that means another folder"),
    ("100644", b"", "has a name that means another folder"),
    ("40000", b".git", "has a name that git keeps for itself"),
    ("40000", b".GiT. ", "has a name that git keeps for itself"),
    ("40000", b"GIT~1", "has a name that git keeps for itself"),
    ("100644", b"\xff.yaml", "has a name that is not UTF-8"),
    ("100644", b"a\nb.yaml", "has the character U+000A in its name"),
    ("100644", b"a\x1b[2Jb.yaml", "has the character U+001B in its name"),
    ("100644", "a\u202eb.yaml".encode(), "has the character U+202E in its name"),
    ("100644", "a\u200bb.yaml".encode(), "has the character U+200B in its name"),
    ("100644", b"n" * 256, "has a name of more than 255 bytes"),
    ("20000", b"device", "is neither a file nor a folder"),
]


@pytest.mark.parametrize(("mode", "name", "reason"), HOSTILE, ids=[reason[:40] for _, _, reason in HOSTILE])
def test_a_hostile_entry_is_refused_by_itself_and_the_rest_goes_on(upstream, trees, mode, name, reason):
    good, folder = upstream.blob(b"good"), upstream.raw_tree(("100644", b"x", upstream.blob(b"x")))
    target = {"40000": folder, "160000": ELSEWHERE}.get(mode, good)
    inner = upstream.raw_tree(("100644", b"good.yaml", good), (mode, name, target))
    snapshot = trees.walk(upstream.commit_tree(upstream.raw_tree(("40000", b"in", inner))))
    assert list(snapshot.files) == ["in/good.yaml"]
    (entry,) = snapshot.rejected
    assert entry.reason == reason
    assert entry.path.startswith("in/")
    assert entry.path.isprintable()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("A.yaml", "a.yaml"),
        ("straße", "STRASSE"),
        ("\u00e9.yaml", "e\u0301.yaml"),
        ("\ufb01le", "file"),
        ("\u212bngstr", "\u00e5ngstr"),
    ],
)
def test_names_that_differ_only_by_case_or_unicode_form_are_both_refused(upstream, trees, first, second):
    good = upstream.blob(b"good")
    entries = [("100644", name.encode(), good) for name in (first, second, "other")]
    snapshot = trees.walk(upstream.commit_tree(upstream.raw_tree(*entries)))
    assert list(snapshot.files) == ["other"]
    assert reasons(snapshot) == {
        first: f"differs from {second} only by case or Unicode form",
        second: f"differs from {first} only by case or Unicode form",
    }


def test_folders_that_differ_only_by_case_hide_what_is_in_them(upstream, trees):
    head = upstream.commit({"prod/a.yaml": b"a", "Prod/a.yaml": b"b", "x.yaml": b"x"})
    assert list(trees.walk(head).files) == ["x.yaml"]


def test_an_entry_that_stands_twice_is_refused_both_times(upstream, trees):
    one, two, good = upstream.blob(b"1"), upstream.blob(b"2"), upstream.blob(b"good")
    tree = upstream.raw_tree(("100644", b"a", one), ("100644", b"a", two), ("100644", b"b", good))
    snapshot = trees.walk(upstream.commit_tree(tree))
    assert list(snapshot.files) == ["b"]
    assert snapshot.rejected == (Rejected(path="a", reason="stands more than once in its folder"),) * 2


def test_a_name_that_comes_to_collide_takes_the_older_file_with_it(upstream, trees):
    first = upstream.commit({"a.yaml": b"a", "b.yaml": b"b"})
    before = trees.walk(first)
    after = trees.walk(upstream.commit({"B.yaml": b"B"}, first))
    assert list(changes(before, after)) == [
        FileChange(path="b.yaml", before=before.files["b.yaml"], after=None),
    ]
    assert set(reasons(after)) == {"B.yaml", "b.yaml"}


def test_a_file_over_the_limit_is_reported_and_not_read(upstream, trees):
    head = upstream.commit({"big.yaml": b"x" * 1001, "fits.yaml": b"x" * 1000})
    snapshot = trees.walk(head)
    assert list(snapshot.files) == ["fits.yaml"]
    assert reasons(snapshot) == {"big.yaml": "has 1001 bytes; the limit is 1000"}
    with pytest.raises(Refused, match="1001 bytes"):
        trees.read(upstream.blob(b"x" * 1001))
    grown = trees.walk(upstream.commit({"fits.yaml": b"y" * 2000, "big.yaml": b"small", "c": b"c"}, head))
    assert set(grown.files) == {"big.yaml", "c"}


def test_a_folder_that_is_too_deep_is_refused_and_the_rest_goes_on(upstream, trees):
    tree = upstream.raw_tree(("100644", b"x.yaml", upstream.blob(b"x")))
    for _ in range(MAX_DEPTH + 1):
        tree = upstream.raw_tree(("100644", b"a.yaml", upstream.blob(b"a")), ("40000", b"d", tree))
    snapshot = trees.walk(upstream.commit_tree(tree))
    deepest = "/".join(["d"] * (MAX_DEPTH + 1))
    assert reasons(snapshot) == {deepest: f"lies more than {MAX_DEPTH} folders deep"}
    assert len(snapshot.files) == MAX_DEPTH + 1


def test_a_tree_that_contains_itself_many_times_over_costs_little(upstream, trees):
    tree = upstream.raw_tree(*(("100644", b"%d" % n, upstream.blob(b"x")) for n in range(9)))
    for _ in range(8):
        tree = upstream.raw_tree(*(("40000", b"%d" % n, tree) for n in range(9)))
    whole = upstream.raw_tree(("100644", b"a.yaml", upstream.blob(b"a")), ("40000", b"bomb", tree))
    snapshot = trees.walk(upstream.commit_tree(whole))
    assert list(snapshot.files) == ["a.yaml"]
    assert all("holds more than 50 files" in entry.reason for entry in snapshot.rejected)


def test_more_files_than_we_read_stop_the_repository_with_a_sentence(upstream, trees):
    head = upstream.commit({f"{n}.yaml": b"x" for n in range(51)})
    with pytest.raises(Stalled, match="more than 50 files") as error:
        trees.walk(head)
    assert error.value.reason == "TooManyFiles"
    head = upstream.commit({f"many/{n}.yaml": b"x" for n in range(51)} | {"a.yaml": b"a"})
    assert reasons(trees.walk(head)) == {"many": "holds more than 50 files"}


@pytest.mark.parametrize(
    ("mode", "name", "named"),
    [("40000", b".git", "hasDotgit"), ("100644", b"..", "hasDotdot"), ("100644", b"a", "duplicateEntries")],
)
def test_what_git_itself_finds_malformed_is_refused_at_the_fetch(upstream, mirror, mode, name, named):
    inner = upstream.raw_tree(("100644", b"x", upstream.blob(b"x")))
    first = upstream.commit({"a": b"a"})
    odd = (mode, name, inner if mode == "40000" else upstream.blob(b"y"))
    upstream.commit_tree(upstream.raw_tree(odd, ("100644", b"a", upstream.blob(b"a"))), first)
    with pytest.raises(Retry, match=named) as error:
        mirror.poll(None, first)
    assert error.value.reason == "FetchRefused"


def test_commit_facts_are_read_from_the_commit(upstream, trees):
    first = upstream.commit({"a": b"a"})
    second = upstream.commit({"a": b"b"}, first, message="Promote fraud-detector\n\nBecause.\n")
    commit = trees.commit(second)
    assert (commit.author.name, commit.author.email) == ("Ada", "ada@example.com")
    assert commit.committer_time.isoformat() == "2026-09-21T14:13:20+00:00"
    assert commit.parents == (first,)
    assert commit.subject == "Promote fraud-detector"
    assert not commit.signed
    assert trees.commit(first).parents == ()


@pytest.mark.parametrize("revision", ["main", "HEAD", "--help", "0" * 39, "0" * 41, "0" * 40 + "\n"])
def test_only_a_full_id_is_a_revision(upstream, trees, revision):
    upstream.commit({"a": b"a"})
    with pytest.raises(Misused):
        trees.commit(revision)


def test_a_revision_that_is_unknown_or_no_commit_is_not_found(upstream, trees):
    for unknown in ("1" * 40, upstream.blob(b"blob")):
        with pytest.raises(NotFound):
            trees.commit(unknown)


@pytest.mark.parametrize(
    "raw",
    [b"", b"tree x\n\n", b"tree " + b"1" * 40 + b"\nauthor A <a> 1 +0000\n\nx", b"\xff\xfe", b"\n\n"],
)
def test_bytes_that_are_no_commit_are_refused(upstream, trees, raw):
    odd = upstream.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=raw)
    with pytest.raises(Refused):
        trees.commit(odd)


def test_a_time_out_of_any_range_is_no_time(upstream, trees):
    tree = upstream.raw_tree(("100644", b"a", upstream.blob(b"a")))
    raw = f"tree {tree}\nauthor A <a@b> 9999999999999999 +0000\ncommitter A <a@b> 5 +0000\n\nx\n".encode()
    commit = trees.commit(upstream.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=raw))
    assert commit.author_time is None
    assert commit.committer_time.timestamp() == 5


def asked(objects, monkeypatch):
    """Every object that is asked for from now on, as (command, name)."""
    log = []
    converse = objects._converse
    monkeypatch.setattr(
        objects,
        "_converse",
        lambda command, names, read: log.extend((command, name) for name in names) or converse(command, names, read),
    )
    return log


def test_one_changed_file_among_thousands_costs_one_read_for_each_folder_above_it(upstream, mirror_of, monkeypatch):
    mirror = mirror_of(Remote(url=upstream.url, branch="main", allow_file=True))
    files = {f"releases/prod/model-{n:05}.yaml": b"%d" % n for n in range(3000)}
    blob = upstream.blob(b"same")
    flat = upstream.raw_tree(*(("100644", path.split("/")[2].encode(), blob) for path in sorted(files)))
    others = upstream.raw_tree(("100644", b"x.yaml", blob))
    releases = upstream.raw_tree(("40000", b"dev", others), ("40000", b"prod", flat))
    first = upstream.commit_tree(upstream.raw_tree(("40000", b"others", others), ("40000", b"releases", releases)))
    mirror.poll(None, first)
    before = mirror.trees.walk(first)
    assert len(before.files) == 3002
    second = upstream.commit({"releases/prod/model-01500.yaml": b"new"}, first)
    mirror.poll(first, None)
    log = asked(mirror.objects, monkeypatch)
    after = mirror.trees.walk(second)
    assert len([name for command, name in log if command == "contents"]) == 4, "the commit and three folders"
    assert len(log) == 4 * 2 + 1, "a size for each of them, and for one file"
    log.clear()
    assert list(changes(before, after)) == [
        FileChange(
            path="releases/prod/model-01500.yaml",
            before=before.files["releases/prod/model-01500.yaml"],
            after=upstream.blob(b"new"),
        )
    ]
    assert log == [], "comparing reads nothing"
    assert mirror.trees.walk(first).tree is before.tree
    assert len([name for command, name in log if command == "contents"]) == 1, "a revert reads its commit"


NAMES = st.sampled_from(["a", "b", "A", "cc", "d.yaml", "\u00e9", "e\u0301", "..", ".git"])
CONTENTS = st.sampled_from([b"1", b"2", b"x" * 2000])
FOLDERS = st.recursive(
    st.dictionaries(NAMES, CONTENTS, max_size=4),
    lambda inner: st.dictionaries(NAMES, CONTENTS | inner, max_size=4),
    max_leaves=12,
)


def write_tree(upstream, folder, known):
    entries = []
    for name, value in sorted(folder.items(), key=lambda item: item[0].encode()):
        if isinstance(value, dict):
            entries.append(("40000", name.encode(), write_tree(upstream, value, known)))
        else:
            known.setdefault(value, upstream.blob(value))
            entries.append(("100644", name.encode(), known[value]))
    return upstream.raw_tree(*entries)


@settings(max_examples=20, deadline=None)
@given(history=st.lists(FOLDERS.filter(bool), min_size=2, max_size=3))
def test_reading_after_a_change_gives_what_reading_afresh_gives(new_upstream, history):
    with tempfile.TemporaryDirectory() as folder:
        upstream, known = new_upstream(Path(folder) / "up"), {}
        objects = Objects(Git(upstream.folder))
        kept = Trees(objects, max_blob=1000)
        old = None
        for state in history:
            full = {"always": b"1", "in": state}
            head = upstream.commit_tree(write_tree(upstream, full, known))
            new, fresh = kept.walk(head), Trees(objects, max_blob=1000).walk(head)
            assert dict(new.files) == dict(fresh.files)
            assert new.rejected == fresh.rejected
            before, after = dict(old.files) if old else {}, dict(new.files)
            assert {(c.path, c.before, c.after) for c in changes(old, new)} == {
                (path, before.get(path), after.get(path))
                for path in before.keys() | after.keys()
                if before.get(path) != after.get(path)
            }
            old = new
        objects.close()


@given(names=st.lists(st.text(max_size=5).map(str.encode) | st.binary(max_size=5), max_size=8))
def test_no_two_accepted_names_mean_the_same(names):
    entries = [Entry(mode=b"100644", name=name, id="", start=0) for name in names if b"\0" not in name]
    refused = refusals(entries)
    accepted = [entry.name.decode() for index, entry in enumerate(entries) if index not in refused]
    assert len({fold(name) for name in accepted}) == len(accepted)
    assert len({unicodedata.normalize("NFC", name.casefold()) for name in accepted}) == len(accepted)
    assert not any(name_problem(name.encode()) for name in accepted)


def test_many_names_that_differ_only_by_case_cost_little():
    bits = [format(number, "013b") for number in range(8000)]
    names = ["".join("aA"[int(bit)] for bit in row) for row in bits]
    before = time.process_time()
    found = refusals([Entry(mode=b"100644", name=name.encode(), id=ELSEWHERE, start=0) for name in names])
    assert len(found) == len(names)
    assert all(reason.endswith("only by case or Unicode form") for reason in found.values())
    assert time.process_time() - before < 2


def test_a_mode_with_more_zeros_moves_nothing_that_is_read_later(upstream, trees):
    first, second, third = (upstream.blob(text) for text in (b"1", b"2", b"3"))
    head = ""
    for mode, blob in (("100644", first), ("0100644", second), ("0100644", third), ("100644", first)):
        tree = upstream.raw_tree((mode, b"a.yaml", blob), ("100644", b"b.yaml", blob))
        head = upstream.commit_tree(tree, *([head] if head else []))
        found = trees.walk(head)
        assert dict(found.files) == {"a.yaml": blob, "b.yaml": blob}
        assert list(found.tree.starts)[-1] == len(found.tree.raw)


def test_a_refused_name_never_stands_for_one_that_looks_like_it(upstream, trees):
    good, evil, worse = (upstream.blob(text) for text in (b"good", b"evil", b"worse"))
    name = "\ufffd.yaml"
    for blob in (evil, worse):
        tree = upstream.raw_tree(("100644", name.encode(), good), ("100644", b"\xff.yaml", blob))
        assert dict(trees.walk(upstream.commit_tree(tree)).files) == {name: good}
