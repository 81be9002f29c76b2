"""Documents: strict YAML answers for any bytes, reads what another parser reads, and what it took it takes again."""

from pathlib import Path

import orjson
import pytest
import yaml
from fuzz_room import mutated, one_line, over, steps
from hypothesis import strategies as st

from reconciler.documents.load import MAX_BYTES, MAX_DEPTH, MAX_NODES, MAX_PROBLEMS, Tree, read
from reconciler.documents.scalars import read_plain
from reconciler.documents.schema import KINDS, NotOurs, parse, parse_as
from reconciler.errors import Invalid

SAMPLES = Path(__file__).parents[2]
FILES = tuple(
    path.read_bytes()
    for folder in ("sample-repo", "policies")
    for path in sorted((SAMPLES / folder).rglob("*.yaml"))
    if path.stat().st_size < 4096
)
PLAIN = (
    b"a: 1\nb: [x, 'y', \"z\"]\nc: {d: true, e: null}\n",
    b"- a\n- b: |\n    text\n  c: >-\n    folded\n",
    b"'a': \"\\u00e9\\n\"\n? b\n: - 1.5\n  - -3\n",
    b'{"a": [1, 2.0e+3, {"b": []}]}',
    b"--- # comment\na: b c\n...\n",
)
WORDS = [
    b"&a ", b"*a", b"<<: ", b"!!str ", b"!!python/object:os.system ", b"%YAML 1.1\n---\n", b"---\n", b"...\n", b"? ",
    b": ", b"- ", b"[", b"]", b"{", b"}", b"|\n", b">+\n", b"'", b'"', b"\\u202e", b"\\ud800", b"\\x00", b"#", b", ",
    b"NO", b"0755", b"1e400", b"10000000000000000000000", b".nan", b"12:30:45", b"1_0", b"2026-12-01", b"~", b"=",
    b"true", b"null", b"apiVersion: reconciler.dev/v1alpha1\n", b"kind: Policy\n", b"metadata: {}\n", b"spec:\n",
    b"env: [{name: TOKEN, value: x}]\n", b"ghp_abcdefghijklmnopqrstuvwxyz0123", b"\xef\xbb\xbf", b"\xc2\x85",
    b"\xe2\x80\xa8", b"prod", b"100m", b"30d", b"sha256:", b"Europe/Berlin", b"0 9 * * MON", b"://a:b@",
]  # fmt: skip


def _known(tree: Tree, size: int) -> None:
    """What holds for any bytes."""
    assert len(tree.problems) <= MAX_PROBLEMS + 1
    lines = 1 + size
    for problem in tree.problems:
        one_line(str(problem))
        assert 1 <= problem.line <= lines + 1
        assert problem.column >= 1
    assert sum(1 for _ in _nodes(tree.roots)) <= MAX_NODES + len(tree.roots)


def _nodes(roots):
    waiting = [(root, 1) for root in roots]
    while waiting:
        node, depth = waiting.pop()
        assert depth <= MAX_DEPTH + 1
        yield node
        children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        waiting.extend((child, depth + 1) for child in children)


@over(data=mutated([*FILES, *PLAIN], WORDS))
def test_any_file_is_read_or_told_in_a_bounded_number_of_steps(data):
    with steps(5000 + 150 * len(data)):
        tree = read("a.yaml", data)
    _known(tree, len(data))
    if not tree.problems:
        text = orjson.dumps(tree.data) if tree.roots else b""
        again = read("a.json", text, max_bytes=10 * MAX_BYTES, max_depth=MAX_DEPTH)
        assert again.roots == tree.roots or not tree.roots
        assert not again.problems


@over(data=mutated(FILES, WORDS))
def test_a_document_is_taken_or_every_sentence_has_its_place(data):
    with steps(20_000 + 400 * len(data)):
        found = _parsed(data)
    if found is not None:
        text = orjson.dumps(found.document.to_data() | {"apiVersion": "reconciler.dev/v1alpha1", "kind": found.kind})
        assert parse("a.json", text).document == found.document


@over(data=mutated(FILES, WORDS, most=2), kind=st.sampled_from(sorted(KINDS)))
def test_a_file_is_never_taken_for_another_kind(data, kind):
    try:
        parse_as(KINDS[kind], "a.yaml", data)
    except Invalid as error:
        one_line(str(error))
        return
    assert parse("a.yaml", data).kind == kind


def _parsed(data):
    try:
        return parse("a.yaml", data)
    except NotOurs:
        return None
    except Invalid as error:
        one_line(str(error))  # of many problems, one a line
        return None


def _composed(node):
    """What PyYAML's own parser (not libyaml's) finds, folded by recursion: another way to the same data."""
    if isinstance(node, yaml.ScalarNode):
        return node.value if node.style else read_plain(node.value)[0]
    if isinstance(node, yaml.SequenceNode):
        return [_composed(item) for item in node.value]
    return {key.value: _composed(value) for key, value in node.value}


@over(data=mutated([*PLAIN, *PLAIN, *FILES], WORDS, most=3))
def test_what_is_taken_is_what_another_parser_reads(data):
    tree = read("a.yaml", data)
    if tree.problems or not tree.roots:
        return
    try:
        theirs = yaml.compose(data.decode(), Loader=yaml.SafeLoader)
    except yaml.YAMLError:  # it knows less of YAML 1.2 than libyaml: "?" within a word, a tab between tokens
        return
    assert _composed(theirs) == tree.data


UNITS = (
    b"[", b"{", b"- ", b"? ", b"a: ", b"[[", b"a:\n ", b"- - ", b"'", b'"', b"#", b"&a ", b"*a ", b"!a ", b"\n", b" ",
    b"\t", b"a: 1\n", b"- 1\n", b"1,", b"{a: 1},", b"--- a\n", b"...\n", b"%A b\n", b"|\n", b"\\", b"://a:a", b"-eyJ",
    b"sk-a", b"'a'\n", b"a:a:", b"<<: ", b"0", b"9:", b"_", b"\xf0\x9f\x98\x80",
)  # fmt: skip


@over(share=0.5, unit=st.sampled_from(UNITS), before=st.sampled_from((b"", b"a: ", b"- ", b"[", b"{", b'"', b"|\n ")))
def test_the_same_thing_for_ever_costs_no_more_than_its_length(unit, before):
    data = before + unit * ((MAX_BYTES - len(before)) // len(unit))
    with steps(5000 + 150 * len(data)):
        _known(read("a.yaml", data), len(data))
    _parsed(b"apiVersion: reconciler.dev/v1alpha1\nkind: Policy\n" + data[: MAX_BYTES - 60])


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_sample_of_the_kinds_that_are_played_is_taken(kind):
    taken = {found.kind for data in FILES if (found := _parsed(data))}
    assert kind in taken | {"Trust"}
