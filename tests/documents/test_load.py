"""The strict loader: what it reads, what it refuses and where, and that nothing makes it fall over."""

import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.documents import load as loader
from reconciler.documents.load import MAX_BYTES, MAX_DEPTH, MAX_NODES, MAX_PROBLEMS, load, read
from reconciler.documents.scalars import read_plain
from reconciler.errors import Invalid

ANCHOR = "anchors and aliases (&, *) are not read here: write the value again"
TAG = "tags (!) are not read here: remove it, and put text in quotes"
OCTAL = "some tools read a leading zero as octal: write the number without it, or put it in quotes if it is text"
BASE_60 = "some tools read digits with colons as a number to base 60: put it in quotes"
UNDERSCORE = "some tools leave out '_' in a number: write it without, or put it in quotes if it is text"
NOT_DECIMAL = (
    "some tools read this as a number that is not decimal: write it in decimal, or put it in quotes if it is text"
)
EXPONENT = (
    "tools disagree on exponents: write 1.0e+5 (a point and a signed exponent), or put it in quotes if it is text"
)
SHAPE = "write a number with digits on both sides of its point and no '+', or put it in quotes if it is text"
INFINITE = "infinity and not-a-number are no values here: write a finite number, or put it in quotes if it is text"
BITS = "this number does not fit into 64 bits: write a smaller one, or put it in quotes if it is text"
TOO_LARGE = "this number is too large or too small to keep: put it in quotes if it is text"
KEY = "a key is text on one line, not a list or a mapping"
DEEP = f"this is nested more than {MAX_DEPTH} levels deep: make it flatter"
DIRECTIVE = "directives (%YAML, %TAG) are not read here: remove the line"


def boolean(word: str, meant: str) -> str:
    return f"'{word}' is {meant} to some tools and text to others: write {meant}, or put it in quotes: \"{word}\""


BAD: list[tuple[str, bytes, list[str]]] = [
    (
        "a duplicate key",
        b"a: 1\nb:\n  c: 1\n  c: 2\n",
        ["4:3: b.c: this key stands in line 3 already: keep one of the two"],
    ),
    (
        "a key written twice in flow style",
        b"{a: 1, a: 2}",
        ["1:8: a: this key stands in line 1 already: keep one of the two"],
    ),
    (
        "a key and its quoted twin",
        b"a: 1\n'a': 2\n",
        ["2:1: a: this key stands in line 1 already: keep one of the two"],
    ),
    ("an anchor", b"a: &x 1\n", [f"1:4: a: {ANCHOR}"]),
    ("an anchor and its alias", b"a: &x [1]\nb: *x\n", [f"1:4: a: {ANCHOR}", f"2:4: b: {ANCHOR}"]),
    ("an alias to nothing", b"a: *x\n", [f"1:4: a: {ANCHOR}"]),
    ("an alias as a key", b"{*x : 1, b: 2}\n", [f"1:2: {ANCHOR}"]),
    ("an anchor on a key", b"a:\n  &x b: 1\n", [f"2:3: a.b: {ANCHOR}"]),
    ("a merge key", b"a:\n  <<: {b: 1}\n", ["2:3: a: merge keys (<<) are not read here: write the fields out"]),
    ("a tag", b"a: !!str 12\n", [f"1:4: a: {TAG}"]),
    ("a tag on a list", b"a: !!set [b]\n", [f"1:4: a: {TAG}"]),
    ("a tag that runs code elsewhere", b"a: !!python/object/apply:os.system [id]\n", [f"1:4: a: {TAG}"]),
    ("the non-specific tag", b"a: ! b\n", [f"1:4: a: {TAG}"]),
    ("a directive", b"%YAML 1.1\n---\na: 1\n", [f"1:1: {DIRECTIVE}"]),
    (
        "two documents",
        b"a: 1\n---\nb: 2\n",
        ["2:1: a file holds exactly one document: put this one into a file of its own"],
    ),
    ("nothing", b"", ["1:1: the file holds no document"]),
    ("only a comment", b"# nothing\n", ["1:1: the file holds no document"]),
    ("a list as a key", b"? [a, b]\n: 1\n", [f"1:3: {KEY}"]),
    ("a mapping as a key", b"a:\n  {b: 1}: 2\n", [f"2:3: a: {KEY}"]),
    ("a number as a key", b"a: {1: x}\n", ["1:5: a['1']: a key is text: put '1' in quotes"]),
    ("true as a key", b"true: x\n", ["1:1: true: a key is text: put 'true' in quotes"]),
    ("null as a key", b"~: x\n", ["1:1: ['~']: a key is text: put '~' in quotes"]),
    ("no key at all", b"? \n: x\n", ["1:2: ['']: a key is text: put '' in quotes"]),
    ("a very long key", b"a:\n  ? " + b"k" * 1025 + b"\n  : 1\n", ["2:5: a: a key has at most 1024 characters"]),
    ("NO", b"country: NO\n", [f"1:10: country: {boolean('NO', 'false')}"]),
    ("yes", b"a:\n  - yes\n", [f"2:5: a[0]: {boolean('yes', 'true')}"]),
    ("on", b"a: on\n", [f"1:4: a: {boolean('on', 'true')}"]),
    ("n", b"a: n\n", [f"1:4: a: {boolean('n', 'false')}"]),
    ("Off", b"a: Off\n", [f"1:4: a: {boolean('Off', 'false')}"]),
    ("True", b"a: True\n", ["1:4: a: 'True' is not text to every tool: write true, or put it in quotes: \"True\""]),
    ("NULL", b"a: NULL\n", ["1:4: a: 'NULL' is not text to every tool: write null, or put it in quotes: \"NULL\""]),
    ("~", b"a: ~\n", ["1:4: a: '~' is null to some tools and text to others: write null, or put it in quotes: \"~\""]),
    ("=", b"a: =\n", ["1:4: a: '=' has a meaning of its own to some tools: put it in quotes: \"=\""]),
    ("an octal number", b"mode: 0755\n", [f"1:7: mode: {OCTAL}"]),
    ("an octal number of YAML 1.2", b"mode: 0o755\n", [f"1:7: mode: {NOT_DECIMAL}"]),
    ("a number with a leading zero", b"a: -08\n", [f"1:4: a: {OCTAL}"]),
    ("a hexadecimal number", b"a: 0x1F\n", [f"1:4: a: {NOT_DECIMAL}"]),
    ("a binary number", b"a: 0b11\n", [f"1:4: a: {NOT_DECIMAL}"]),
    ("1_000", b"a: 1_000\n", [f"1:4: a: {UNDERSCORE}"]),
    ("a number to base 60", b"at: 12:30:45\n", [f"1:5: at: {BASE_60}"]),
    ("a time of day", b"at: 09:00\n", [f"1:5: at: {BASE_60}"]),
    (".inf", b"a: -.inf\n", [f"1:4: a: {INFINITE}"]),
    (".NaN", b"a: .NaN\n", [f"1:4: a: {INFINITE}"]),
    ("1e400", b"a: 1e400\n", [f"1:4: a: {EXPONENT}"]),
    ("1.0e+400", b"a: 1.0e+400\n", [f"1:4: a: {TOO_LARGE}"]),
    ("a number that would become zero", b"a: 1.0e-400\n", [f"1:4: a: {TOO_LARGE}"]),
    ("an exponent without a sign", b"a: 1.5e3\n", [f"1:4: a: {EXPONENT}"]),
    ("10 to the 30th", b"a: 1" + b"0" * 30 + b"\n", [f"1:4: a: {BITS}"]),
    ("one more than 64 bits", b"a: 9223372036854775808\n", [f"1:4: a: {BITS}"]),
    ("a number of 10,000 digits", b"a: " + b"9" * 10_000 + b"\n", [f"1:4: a: {BITS}"]),
    (".5", b"a: .5\n", [f"1:4: a: {SHAPE}"]),
    ("5.", b"a: 5.\n", [f"1:4: a: {SHAPE}"]),
    ("+5", b"a: +5\n", [f"1:4: a: {SHAPE}"]),
    ("a byte order mark", b"\xef\xbb\xbfa: 1\n", ["1:1: U+FEFF is a byte order mark: remove it"]),
    ("NEL", "a: b\n c: d\u0085e: f\n".encode(), ["2:6: U+0085 is a line break that editors do not show: remove it"]),
    ("a line separator", "a: b\u2028\n".encode(), ["1:5: U+2028 is a line break that editors do not show: remove it"]),
    (
        "two bidi controls",
        "a: \u202e1\nb: x\u2066\n".encode(),
        [
            "1:4: U+202E is a control that reorders text: remove it",
            "2:5: U+2066 is a control that reorders text: remove it",
        ],
    ),
    ("a zero-width space", "a: x\u200by\n".encode(), ["1:5: U+200B is a character that is not shown: remove it"]),
    ("NUL", b"a: x\0\n", ["1:5: U+0000 is a character that is not shown: remove it"]),
    ("an escape sequence of a terminal", b"a: \x1b[31m\n", ["1:4: U+001B is a character that is not shown: remove it"]),
    ("a lone carriage return", b"a: 1\rb: 2\n", ["1:5: U+000D is a carriage return without a line feed: remove it"]),
    (
        "an escaped bidi control",
        b'a: "x\\u202e"\n',
        ["1:4: a: U+202E is a control that reorders text: remove its escape"],
    ),
    (
        "an escaped NUL in a key",
        b'"a\\0": 1\n',
        ["1:1: ['a\\u0000']: U+0000 is a character that is not shown: remove its escape"],
    ),
    (
        "a byte that is not UTF-8",
        "a: é\nb: é".encode() + b"\xff\n",
        ["2:5: byte 0xFF is not UTF-8: save the file as UTF-8"],
    ),
    ("UTF-16", "a: 1\n".encode("utf-16"), ["1:1: byte 0xFF is not UTF-8: save the file as UTF-8"]),
    (
        "a list that does not end",
        b"a: [1,\nb: 2\n",
        [
            (
                "3:1: this is not valid YAML: did not find expected ',' or ']' "
                "(while parsing a flow sequence that starts in line 1)"
            )
        ],
    ),
    (
        "a colon in plain text",
        b"a: b: c\n",
        ["1:5: this is not valid YAML: mapping values are not allowed in this context"],
    ),
    (
        "a tab for indentation",
        b"a:\n\tb: 1\n",
        [
            (
                "2:1: this is not valid YAML: found character that cannot start any token "
                "(while scanning for the next token that starts in line 2)"
            )
        ],
    ),
    (
        "what was found before the text breaks off is told too",
        b"a: yes\nb: [\n",
        [
            f"1:4: a: {boolean('yes', 'true')}",
            (
                "3:1: this is not valid YAML: did not find expected node content "
                "(while parsing a flow node that starts in line 3)"
            ),
        ],
    ),
    ("25,000 opening brackets", b"[" * 25_000, [f"1:65: {DEEP}"]),
    ("100,000 nested entries", b"- " * 100_000, [f"1:129: {DEEP}"]),
    ("nested mappings", b"{a: " * 25_000, [f"1:257: {DEEP}"]),
    (
        "a file that is too large",
        b"#" * (MAX_BYTES + 1),
        [f"1:1: the file has {MAX_BYTES + 1} bytes and a document at most {MAX_BYTES}: make it smaller"],
    ),
    (
        "too many values",
        b"[" + b"a," * MAX_NODES + b"]",
        [f"1:{2 * MAX_NODES}: the file has more than {MAX_NODES} values: make it smaller"],
    ),
]


@pytest.mark.parametrize(("data", "expected"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
@pytest.mark.usefixtures("either_parser")
def test_is_refused_where_it_stands(data, expected):
    with pytest.raises(Invalid) as caught:
        load("f.yaml", data)
    told = [str(problem) for problem in caught.value.problems]
    if loader._LOADER is yaml.SafeLoader and any("not valid YAML" in line for line in expected):
        assert told[-1].startswith("f.yaml:")  # the pure parser has words of its own
        return
    assert told == [f"f.yaml:{line}" for line in expected]


@pytest.fixture(params=["libyaml", "pure Python"])
def either_parser(request, monkeypatch):
    """The parser is picked once, when the module is imported; both must read alike."""
    if request.param == "libyaml" and not yaml.__with_libyaml__:
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr(loader, "_LOADER", yaml.CSafeLoader if request.param == "libyaml" else yaml.SafeLoader)


GOOD: list[tuple[str, bytes, Any]] = [
    ("the three words", b"{a: true, b: false, c: null, d: }", {"a": True, "b": False, "c": None, "d": None}),
    ("numbers", b"[0, -1, 9223372036854775807, 0.5, -1.5e-3, 1.0e+5]", [0, -1, 2**63 - 1, 0.5, -0.0015, 100_000.0]),
    ("times and dates stay text", b"[2026-12-01T09:00:00Z, 2026-12-01]", ["2026-12-01T09:00:00Z", "2026-12-01"]),
    ("versions stay text", b"[1.4.0, v1, 1.4-rc1, 01.02.03]", ["1.4.0", "v1", "1.4-rc1", "01.02.03"]),
    (
        "words in quotes are text",
        b"['NO', \"0755\", '~', '1_000', '', 'true']",
        ["NO", "0755", "~", "1_000", "", "true"],
    ),
    ("quantities and durations", b"[500m, 16Gi, 10m, 70%]", ["500m", "16Gi", "10m", "70%"]),
    ("a block of text", b"a: |\n  NO\n  0755\n", {"a": "NO\n0755\n"}),
    ("off is a name where a name is meant", b"off: [x]\n", {"off": ["x"]}),
    ("Windows line ends", b"a: 1\r\nb: x\r\n", {"a": 1, "b": "x"}),
    (
        "letters of all languages",
        "é: Größe 漢字 می\u200cخواهم 👩\u200d🚀\n".encode(),
        {"é": "Größe 漢字 می\u200cخواهم 👩\u200d🚀"},
    ),
    ("an escaped tab and line feed", b'a: "x\\ty\\n"\n', {"a": "x\ty\n"}),
    ("<< in quotes", b"'<<': 1\n", {"<<": 1}),
]


@pytest.mark.parametrize(("data", "expected"), [row[1:] for row in GOOD], ids=[row[0] for row in GOOD])
@pytest.mark.usefixtures("either_parser")
def test_is_read_as(data, expected):
    assert load("f.yaml", data).data == expected


@pytest.mark.usefixtures("either_parser")
def test_every_field_has_the_position_of_its_key_and_of_its_value():
    positions = load("f.yaml", b"a:\n  b: [x, {c: 1.10}]\n").positions
    assert positions.values == {
        (): (1, 1),
        ("a",): (2, 3),
        ("a", "b"): (2, 6),
        ("a", "b", 0): (2, 7),
        ("a", "b", 1): (2, 10),
        ("a", "b", 1, "c"): (2, 14),
    }
    assert positions.keys == {("a",): (1, 1), ("a", "b"): (2, 3), ("a", "b", 1, "c"): (2, 11)}
    assert positions.plain == {("a", "b", 1, "c"): "1.10"}


def test_columns_count_characters_and_not_bytes():
    assert load("f.yaml", "é: 漢字\né2: {漢: x}\n".encode()).positions.value(("é2", "漢")) == (2, 9)


def test_a_field_that_is_not_there_is_placed_at_the_nearest_one_around_it():
    positions = load("f.yaml", b"a:\n  b: 1\n").positions
    assert positions.value(("a", "x", 0)) == (2, 3)
    assert positions.key(("a", "x")) == (1, 1)
    assert positions.key(("a", "b", 0)) == (2, 3)
    assert positions.key(("x",)) == (1, 1)


def test_no_more_than_a_hundred_problems_are_told():
    tree = read("f.yaml", b"a: yes\n" + b"".join(b"k%d: yes\n" % n for n in range(500)))
    assert len(tree.problems) == MAX_PROBLEMS
    assert not tree.complete


def test_the_first_of_two_equal_keys_is_kept_and_positioned():
    tree = read("f.yaml", b"a: {x: 1}\na: {y: 2}\nb: 3\n")
    assert tree.roots == ({"a": {"x": 1}, "b": 3},)
    assert ("a", "y") not in tree.positions.values


def test_a_number_is_never_repeated_in_a_message():
    tree = read("f.yaml", b"pin: 0815\nother: 4_711\n")
    assert len(tree.problems) == 2
    assert not any(digits in str(problem) for problem in tree.problems for digits in ("0815", "4_711"))


SHOWN = st.characters(exclude_categories=["Cc", "Cf", "Cs", "Cn", "Zl", "Zp"])
TEXT = st.text(SHOWN | st.sampled_from("\n\t"), max_size=12)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


class _Quoting(yaml.SafeDumper):
    """Writes all text in double quotes, as `json` does, and numbers as PyYAML writes them."""

    def ignore_aliases(self, _data):
        return True


_Quoting.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


@settings(max_examples=120, deadline=None)
@given(PLAIN)
def test_parse_after_dump_is_the_same(data):
    dumped = yaml.dump(data, Dumper=_Quoting, allow_unicode=True)
    assert load("f.yaml", dumped.encode()).data == data


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.booleans() | st.integers(-99, 99) | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)
    )
)
def test_json_is_read_as_json(data):
    assert load("f.yaml", json.dumps(data, ensure_ascii=False).encode()).data == data


@settings(max_examples=400, deadline=None)
@given(
    st.binary(max_size=200)
    | st.text("[]{}:,-?&*!|>'\"%@`#~<=0123456789._eExyno \n\t\\abé", max_size=60).map(str.encode)
)
@example(b"&a [*a]")
@example(b"? ? ? ? :")
@example(b"- - : -")
@example(b"{? [a]: }")
@example(b"%TAG ! tag:x,2000:\n--- !y z")
def test_whatever_the_bytes_the_answer_is_data_or_invalid(data):
    try:
        tree = load("f.yaml", data)
    except Invalid as error:
        tree, problems = None, error.problems
    if tree is None:
        assert problems
        assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)
    else:
        json.dumps(tree.data, allow_nan=False)


@settings(max_examples=500, deadline=None)
@given(
    st.from_regex(r"\A[-+]?[0-9._]{0,4}[eExob:_]?[-+]?[0-9:_.a-f]{0,5}\Z")
    | st.sampled_from(["y", "Y", "yes", "NO", "on", "Off", "true", "True", "null", "~", ".", "-", "=", "<<", ".inf"])
)
def test_what_is_accepted_means_the_same_to_a_yaml_1_1_reader(text):
    """PyYAML's resolver and constructor are such a reader; dates are the one thing it makes more of."""
    value, unclear = read_plain(text)
    tag = yaml.resolver.Resolver().resolve(yaml.ScalarNode, text, (True, False))
    if unclear or tag.endswith(":timestamp"):
        return
    other = yaml.constructor.SafeConstructor().construct_object(yaml.ScalarNode(tag, text))
    assert (type(value), value) == (type(other), other)


def test_the_largest_and_smallest_whole_numbers_are_kept_to_the_digit():
    for number in (2**63 - 1, -(2**63), 2**53 + 1):
        assert load("f.yaml", f"a: {number}\n".encode()).data == {"a": number}
    assert math.copysign(1, load("f.yaml", b"a: -0.0\n").data["a"]) == -1
