"""Objects of git: a folder or commit is read or refused, and what is read of a change is what a fresh reading finds."""

import shutil
import subprocess
import tempfile
import types
from datetime import UTC, datetime

from fuzz_room import mutated, one_line, over, steps
from hypothesis import strategies as st

from reconciler.edges.git.commit import Actor, commit_payload, parse_commit, with_signature
from reconciler.edges.git.names import fold
from reconciler.edges.git.tree import (
    FOLDER,
    REGULAR,
    Snapshot,
    Tree,
    changes,
    parse_entries,
    refusals,
    starts_of,
    window,
)
from reconciler.edges.git.walk import Trees
from reconciler.errors import Misused, Refused
from reconciler.model.ids import Revision

ID = "1" * 40
NAMES = (
    b"a", b"A", b"b.yaml", b"B.yaml", b"c", b"\xff.yaml", "\ufffd.yaml".encode(), "\u00e9".encode(), "e\u0301".encode(),
    b".git", b"..", b"", b"a b", b"a\n", b"z" * 255, b"z" * 256, b"\xe2\x80\xae",
)  # fmt: skip
MODES = (b"100644", b"100644", b"40000", b"40000", b"0100644", b"040000", b"120000", b"160000", b"100755", b"", b"9")
BLOBS, TREES = tuple(f"{number:040x}" for number in range(1, 5)), tuple(f"{number:040x}" for number in range(16, 20))


def raw(rows):
    """The bytes of a tree object."""
    return b"".join(mode + b" " + name + b"\0" + bytes.fromhex(id_) for mode, name, id_ in rows)


@st.composite
def folders(draw):
    """Rows of a tree; names may repeat and be out of order."""
    rows = draw(st.lists(st.tuples(st.sampled_from(MODES), st.sampled_from(NAMES)), max_size=8))
    return tuple((mode, name, draw(_ids(mode))) for mode, name in rows)


def _ids(mode):
    return st.sampled_from(TREES if mode.lstrip(b"0") == FOLDER else BLOBS)


@st.composite
def histories(draw):
    """One folder as it was over time: ids, modes and rows change."""
    rows = draw(folders())
    told = [rows]
    for _ in range(draw(st.integers(1, 3))):
        changed = list(told[-1])
        for at in draw(st.lists(st.integers(0, max(0, len(changed) - 1)), max_size=3)) if changed else ():
            mode, name, _ = changed[at]
            mode = draw(st.sampled_from((mode, mode, mode, b"0" + mode, mode.removeprefix(b"0"), *MODES)))
            changed[at] = (mode, name, draw(_ids(mode)))
        told.append(tuple(changed) if draw(st.integers(0, 5)) else draw(folders()))
    return told


class Store:
    """Objects in memory: small blobs, a few fixed folders, and the one that is looked at."""

    def __init__(self, *tops):
        self.trees = {f"{number:040x}": data for number, data in enumerate(tops, start=256)}
        self.trees |= {
            id_: raw([(b"100644", b"x%d" % at, BLOBS[at]), (b"120000", b"l", BLOBS[0])]) for at, id_ in enumerate(TREES)
        }

    def info(self, ids):
        one = types.SimpleNamespace
        return [
            one(kind="tree", size=len(self.trees[id_])) if id_ in self.trees else one(kind="blob", size=1)
            for id_ in ids
        ]

    def contents(self, ids):
        return iter([self.trees[id_] for id_ in ids])

    def read(self, number, hint):
        """The folder `number`, read by a reader that has seen nothing but `hint`."""
        return Trees(self, max_blob=100, max_files=100)._read(f"{256 + number:040x}", 0, hint)


def _content(tree):
    """All that is known of a folder."""
    if isinstance(tree, str):
        return tree
    below = {name: _content(one) for name, one in tree.folders.items()}
    return tree.id, tree.raw, list(tree.starts), dict(tree.files), below, tree.own, tree.count, sorted(tree.rejected)


@over(history=histories())
def test_a_folder_read_from_the_one_before_is_what_a_fresh_reading_finds(history):
    store, before = Store(*map(raw, history)), None
    for number in range(len(history)):
        found = store.read(number, before)
        fresh = store.read(number, None)
        assert _content(found) == _content(fresh)
        if isinstance(found, Tree):
            if before is not None:
                _told(before, found)
            before = found


def _told(before, after):
    """The changes that are told are those between both lists of files."""
    old, new = (Snapshot(revision=Revision(ID), path=".", tree=tree) for tree in (before, after))
    files = {change.path: (change.before, change.after) for change in changes(old, new)}
    paths = {*old.files, *new.files}
    assert files == {
        path: (old.files.get(path), new.files.get(path)) for path in paths if old.files.get(path) != new.files.get(path)
    }


@over(data=mutated([raw([(mode, name, BLOBS[0]) for name in NAMES[:6]]) for mode in MODES[:6]], [b"100644 a\0", b"\0"]))
def test_a_tree_is_its_entries_byte_for_byte_or_is_refused(data):
    with steps(500 + 20 * len(data)):
        try:
            entries = parse_entries(data)
        except ValueError:
            return
    assert list(starts_of(data, entries)) == [entry.start for entry in entries] + [len(data)]
    again = b"".join(entry.mode + b" " + entry.name + b"\0" + bytes.fromhex(entry.id) for entry in entries)
    zeros = [data[entry.start :].split(b" ")[0] for entry in entries]
    assert len(again) + sum(len(mode) - len(mode.lstrip(b"0")) for mode in zeros) == len(data)
    reasons = refusals(entries)
    taken = [entry for index, entry in enumerate(entries) if index not in reasons]
    assert len({fold(entry.name.decode()) for entry in taken}) == len(taken)
    assert all(entry.mode == FOLDER or entry.mode in REGULAR for entry in taken)
    for reason in reasons.values():
        one_line(reason)


@st.composite
def pairs(draw):
    """A folder's bytes, and bytes that are nearly the same."""
    old = raw(draw(folders()))
    return old, draw(mutated([old], [b"100644 a\0", b"40000 "], most=2))


@over(pair=pairs())
def test_outside_of_the_window_both_folders_are_the_same(pair):
    old, new = pair
    entries = parse_entries(old)
    tree = Tree(id=ID, raw=old, starts=starts_of(old, entries), files={}, folders={})
    differing = window(tree, new)
    if differing is None or not differing[0]:
        return
    place = entries.index(differing[0][0])
    assert _rows(parse_entries(new)) == (
        _rows(entries[:place]) + _rows(differing[1]) + _rows(entries[place + len(differing[0]) :])
    )


def _rows(entries):
    return [(entry.mode, entry.name, entry.id) for entry in entries]


ADA = Actor(name="Ada L", email="ada@acme.example")
WHEN = datetime(2026, 12, 1, 9, tzinfo=UTC)
COMMIT = commit_payload(
    tree=ID,
    parents=(Revision("2" * 40), Revision("3" * 40)),
    author=ADA,
    committer=ADA,
    when=WHEN,
    message="Say é\n\nwhy\n",
)
SIGNED = with_signature(COMMIT, "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n")
WORDS = [
    b"tree " + b"4" * 40 + b"\n", b"parent " + b"5" * 40 + b"\n", b"author ", b"committer ", b"<", b">",
    b"\n ", b"\n\n",
    b"gpgsig x\n", b"encoding latin-1\n", b"99999999999999999999", b"-1", b"+9999", b"9" * 19, b"mergetag object\n",
]  # fmt: skip


def _read(data):
    with steps(500 + 20 * len(data)):
        try:
            return parse_commit(Revision(ID), data)
        except Refused as error:
            one_line(error.message)
            return None


@over(data=mutated([COMMIT, SIGNED], WORDS))
def test_a_commit_is_read_or_refused(data):
    commit = _read(data)
    if commit is None:
        return
    assert len(commit.tree) == 40
    assert all(len(parent) == 40 for parent in commit.parents)
    assert "\n" not in commit.subject + commit.author.name + commit.author.email + commit.committer.name
    assert commit.subject in commit.message
    assert data.count(commit.tree.encode()) >= 1


PERSON = st.text(max_size=20) | st.sampled_from(("Ada L", "a@b", "a\nauthor x <y> 1 +0000", "<x>", "\u202ex", "é"))


@over(name=PERSON, email=PERSON, message=st.text(max_size=60), seconds=st.integers(0, 2**33), parents=st.integers(0, 3))
def test_a_commit_that_we_make_is_read_as_it_was_meant(name, email, message, seconds, parents):
    when, actor = datetime.fromtimestamp(seconds, tz=UTC), Actor(name=name, email=email)
    before = tuple(Revision(str(number) * 40) for number in range(parents))
    try:
        data = commit_payload(tree=ID, parents=before, author=actor, committer=ADA, when=when, message=message)
    except Misused as error:
        one_line(error.message)
        return
    commit = _read(data)
    assert commit is not None
    assert (commit.tree, commit.parents, commit.author, commit.author_time) == (ID, before, actor, when)
    assert commit.committer == ADA
    assert commit.message == message.rstrip("\n") + "\n"
    assert not commit.signed
    assert parse_commit(Revision(ID), with_signature(data, "A\nB\n")).signed


REPOSITORY = tempfile.mkdtemp(prefix="fuzz-git-") if shutil.which("git") else ""


def _git(*arguments, data=b""):
    clean = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": REPOSITORY, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["git", "-C", REPOSITORY, *arguments], input=data, capture_output=True, check=False, env=clean
    )
    return done.stdout.decode("utf-8", "replace").strip("\n") if done.returncode == 0 else None


@over(share=0.3, data=mutated([COMMIT, SIGNED], WORDS, most=2))
def test_a_commit_is_what_git_says_it_is(data):
    _git("init", "-q", "--bare", ".")
    id_ = _git("hash-object", "-t", "commit", "-w", "--stdin", data=data)
    if id_ is None:
        return
    commit = _read(data)
    if commit is None:
        assert data not in (COMMIT, SIGNED)
        return
    shown = _git("show", "-s", "--encoding=UTF-8", "--format=%T%n%P%n%an%n%ae%n%cn%n%ce", id_)
    if shown is None or b"encoding" in data or not data.isascii():
        return
    people = (commit.author, commit.committer)
    said = [commit.tree, " ".join(commit.parents), *(text for one in people for text in (one.name, one.email))]
    assert [text.strip() for text in said] == [text.strip() for text in shown.split("\n")]
