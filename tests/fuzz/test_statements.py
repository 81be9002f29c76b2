"""Statements: no value of any field forges a line, and two that differ are never the same text."""

import dataclasses
import unicodedata

from fuzz_room import one_line, over
from hypothesis import strategies as st

from reconciler.errors import Refused
from reconciler.trust import statement
from reconciler.trust.statement import Statement

KINDS = tuple(
    kind
    for kind in vars(statement).values()
    if isinstance(kind, type) and issubclass(kind, Statement) and kind is not Statement
)
FIELDS = {kind: [one.name for one in dataclasses.fields(kind) if one.metadata] for kind in KINDS}
BREAKS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
GOOD = st.sampled_from(
    ("acme", "prod", "eu-1", "*", "approve", "reject", "a" * 64, "0" * 40, "releases/prod/a.yaml", 1, 7)
)
ODD = st.sampled_from(
    (None, True, 1.0, -1, 10**18, b"acme", (), "", " ", "\u00a0", "acme\u00a0x", "acme\u3000x", "é", "e\u0301")
)
TEXT = st.text(
    st.sampled_from("ab:* -/.\n\r\t\0" + BREAKS + "\u200b\u202e\u2066\ufeff\ud800é\u0301中\U000e0041")
    | st.characters(),
    max_size=40,
)
FORGED = st.sampled_from(
    ("acme\nenvironment: prod", "acme\renvironment: prod", "a\u2028name: b", "x\x85name: b", "a: b", "name: a")
)


@st.composite
def values(draw):
    """A kind of statement and a value for each of its fields, most of them of the right form."""
    kind = draw(st.sampled_from(KINDS))
    any_value = GOOD | GOOD | TEXT | ODD | FORGED
    return kind.__name__, {name: draw(_fitting(kind, name) | _fitting(kind, name) | any_value) for name in FIELDS[kind]}


def _fitting(kind, name):
    key = next(one.metadata["key"] for one in dataclasses.fields(kind) if one.name == name)
    if "sha256" in key or key == "previous":
        return st.sampled_from(("a" * 64, "0" * 63 + "1"))
    if key in ("from", "to"):
        return st.sampled_from(("a" * 40, "b" * 40))
    if key in ("version", "sequence"):
        return st.sampled_from((1, 2, "v1"))
    return GOOD


def make(name, given):
    """The statement, or None where one cannot be made; only Refused comes out."""
    try:
        return getattr(statement, name)(**given)
    except Refused as error:
        one_line(str(error))
        return None


@over(made=values())
def test_a_statement_has_exactly_its_lines_however_they_are_counted(made):
    name, given = made
    one = make(name, given)
    if one is None:
        return
    text = one.text().decode()
    assert text.endswith("\n")
    lines = text.removesuffix("\n").split("\n")
    assert text.splitlines() == lines
    keys = [field.metadata["key"] for field in dataclasses.fields(one) if field.metadata]
    assert [line.partition(": ")[0] for line in lines[1:]] == keys
    assert lines[0] == f"reconciler-{one.kind}-v1"
    assert [line.partition(": ")[2] for line in lines[1:]] == [str(given[key]) for key in FIELDS[type(one)]]
    assert one.namespace == f"{lines[0]}@reconciler.dev"
    assert not {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"} & {unicodedata.category(sign) for line in lines for sign in line}


@over(first=values(), second=values())
def test_two_statements_that_differ_are_never_the_same_text(first, second):
    one, other = make(*first), make(*second)
    if one is not None and other is not None:
        assert (one.text() == other.text()) == (one == other)


@over(made=values(), name=st.integers(0, 9), tail=TEXT | FORGED)
def test_no_end_of_one_value_becomes_another_field(made, name, tail):
    kind, given = made
    changed = FIELDS[getattr(statement, kind)][name % len(given)]
    one, other = make(kind, given), make(kind, given | {changed: f"{given[changed]}{tail}"})
    if one is not None and other is not None:
        same = [a == b for a, b in zip(one.text().split(b"\n"), other.text().split(b"\n"), strict=True)]
        assert same.count(False) == bool(tail)
