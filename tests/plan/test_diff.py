"""What differs between two renderings of one target, as people read it."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_cluster import KEY, OLD, OPEN, told
from plan_reports import AFTER, BEFORE, DIFF, NEW_DIFF

from reconciler.digest import sha256_of
from reconciler.model.ids import short
from reconciler.model.objects import ObjectRef, RenderedObject, Rendering, Size
from reconciler.model.plan import Action
from reconciler.model.state import Role
from reconciler.plan.diff import MOST_LINES, MOST_SIGNS, _yaml, differences
from reconciler.render import render


def config(name="c", **data):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "fraud"}, "data": data}
    payload = orjson.dumps(body)
    return RenderedObject(ref=ObjectRef.of(body), tier=1, payload=payload, digest=sha256_of(payload))


def rendering(*objects, sizes=()):
    return Rendering(objects=objects, sizes=sizes)


def size(low, high=None):
    ref = ObjectRef(group="apps", version="v1", kind="Deployment", namespace="fraud", name="d")
    return Size(ref=ref, low=low, high=low if high is None else high)


def test_a_new_version_is_compared_with_the_one_that_it_follows():
    rows = {(row.action, row.ref.kind): row for row in DIFF}
    deployment = rows[Action.CREATE, "Deployment"]
    assert deployment.follows.name == f"fraud-detector-{short(OLD.version)}"
    changed = [line for line in deployment.lines if line[0] in "+-"]
    assert {line[1:].strip() for line in changed} == {
        'reconciler.dev/model-version: "1.3.0"',
        'reconciler.dev/model-version: "1.4.0"',
        'value: "1.3.0"',
        'value: "1.4.0"',
    }
    assert "@@ spec › template › spec › containers › model › env › MODEL_VERSION @@" in deployment.lines
    assert rows[Action.CREATE, "Service"].lines == ()
    assert rows[Action.UPDATE, "Service"].follows is None


def test_what_is_the_same_is_not_told():
    assert differences(BEFORE, BEFORE) == ()
    assert differences(BEFORE, AFTER) != ()


def test_where_nothing_runs_every_object_is_shown_whole():
    assert {row.action for row in NEW_DIFF} == {Action.CREATE}
    assert all(line.startswith("+") for row in NEW_DIFF for line in row.lines)
    assert [row.ref for row in NEW_DIFF] == [row.ref for row in BEFORE.objects]


def test_a_change_in_place_shows_its_lines():
    after = render(told((OPEN, Role.STABLE, 2, 2)), {OPEN.version: OPEN}, key=KEY.release)
    (policy,) = [row for row in differences(BEFORE, after) if row.ref.kind == "NetworkPolicy"]
    assert policy.action is Action.UPDATE
    assert any(line.startswith("+") and "risk" in line for line in policy.lines)


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (size(2), size(5), ("replicas: 2 → 5",)),
        (size(2, 4), size(2, 8), ("replicas: 2 to 4 → 2 to 8",)),
        (size(2), size(2), None),
        (None, size(2), None),
    ],
    ids=["another number", "another range", "the same", "a new workload"],
)
def test_another_size_is_one_line(before, after, lines):
    rows = differences(rendering(sizes=(before,) if before else ()), rendering(sizes=(after,)))
    assert [(row.action, row.lines) for row in rows] == ([(Action.SCALE, lines)] if lines else [])
    assert differences(None, rendering(sizes=(after,))) == ()


def test_what_is_no_longer_rendered_is_told_by_name_alone():
    (row,) = differences(rendering(config(secret="x")), rendering())
    assert (row.action, row.lines, str(row.ref)) == (Action.DELETE, (), "ConfigMap fraud/c")


def test_a_secret_that_changed_is_told_and_not_shown():
    (row,) = differences(rendering(config(password="old-one")), rendering(config(password="new-one")))
    assert [line for line in row.lines if line[0] in "+-"] == [
        '-  password: "(masked)"',
        '+  password: "(masked, another value)"',
    ]


def test_long_lines_and_long_diffs_are_cut_and_say_how_much():
    (row,) = differences(None, rendering(config(long="x" * 5_000, many="\n".join("ab"[n % 2] for n in range(500)))))
    assert len(row.lines) == MOST_LINES - 1
    assert row.left_out == 508 - len(row.lines)
    (line,) = [line for line in row.lines if "long" in line]
    assert len(line) < MOST_SIGNS + 40
    assert line.endswith("more characters)")


def test_what_is_too_long_to_compare_is_counted():
    (row,) = differences(
        rendering(config(a="\n".join(map(str, range(3_000))))),
        rendering(config(a="\n".join(map(str, range(1, 3_001))))),
    )
    assert (row.lines, row.left_out) == ((), 6_014)


def test_a_hunk_at_the_very_top_has_no_place():
    first, second = config(a="1"), config(a="1")
    body = second.body | {"apiVersion": "v2"}
    second = replace(second, payload=orjson.dumps(body), digest="sha256:" + "1" * 64)
    (row,) = differences(rendering(first), rendering(replace(second, ref=first.ref)))
    assert row.lines[0] == "@@"


def test_no_line_has_a_sign_that_nobody_sees():
    (row,) = differences(None, rendering(config(a="\u202eevil\n\x1b[31m")))
    assert not any(sign in line for line in row.lines for sign in "\u202e\x1b")


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ({"b": 1, "a": None, "name": "x"}, ["name: x", "a: null", "b: 1"]),
        ({"a": {}, "b": [], "c": ""}, ["a: {}", "b: []", 'c: ""']),
        (
            {"a": ["x", {"b": 1, "c": 2}, ["p", "q"], [], {}]},
            ["a:", "  - x", "  - b: 1", "    c: 2", "  - - p", "    - q", "  - []", "  - {}"],
        ),
        ({"a": "one\ntwo\n", "b": "one\ntwo"}, ["a: |", "  one", "  two", "b: |-", "  one", "  two"]),
        ({"a": ["one\ntwo"]}, ["a:", "  - |-", "    one", "    two"]),
        (
            {"a": "true", "b": True, "c": "1.4.0", "d": "10", "e": "no", "f": "a: b", "g": "img:1@sha256:ab"},
            ['a: "true"', "b: true", 'c: "1.4.0"', 'd: "10"', 'e: "no"', 'f: "a: b"', "g: img:1@sha256:ab"],
        ),
    ],
)
def test_yaml_is_as_people_write_it(data, lines):
    assert _yaml(data) == lines


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=30), max_size=4),
    st.dictionaries(st.text(max_size=5), st.text(max_size=30), max_size=4),
)
def test_the_same_two_renderings_always_differ_in_the_same_way(first, second):
    rows = differences(rendering(config(**first)), rendering(config(**second)))
    assert rows == differences(rendering(config(**first)), rendering(config(**second)))
    assert all(line[:1] in "+- @" for row in rows for line in row.lines)
