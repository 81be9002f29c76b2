"""Parts of a spec: how one is laid over another, and what may lack in one."""

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from reconciler.model.environment import EnvironmentSpec
from reconciler.model.part import NO_BASELINE, NULL, Part, PartOf, nulls, overlay
from reconciler.model.release import MERGEABLE, ReleaseSpec
from reconciler.model.wire import Field, Wire

# --- laying one over the other

MERGES = {
    "nothing over something": ({"a": 1}, {}, {"a": 1}),
    "something over nothing": ({}, {"a": 1}, {"a": 1}),
    "two fields": ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
    "a value": ({"a": 1}, {"a": 2}, {"a": 2}),
    "a map, deep": ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"d": 3}}}, {"a": {"b": {"c": 1, "d": 3}}}),
    "an empty map takes nothing away": ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": 1}}),
    "a list": ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
    "an empty list": ({"a": [1, 2]}, {"a": []}, {"a": []}),
    "a list of maps": ({"a": [{"b": 1}]}, {"a": [{"c": 2}]}, {"a": [{"c": 2}]}),
    "a value over a map": ({"a": {"b": 1}}, {"a": 2}, {"a": 2}),
    "a map over a value": ({"a": 2}, {"a": {"b": 1}}, {"a": {"b": 1}}),
}


@pytest.mark.parametrize("row", MERGES)
def test_laid_over_it(row):
    base, over, result = MERGES[row]
    assert overlay(base, over) == result


LEAVES = st.one_of(st.integers(), st.text(max_size=3), st.booleans(), st.lists(st.integers(), max_size=2))
MAPS = st.recursive(
    st.dictionaries(st.sampled_from("abcd"), LEAVES, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), st.one_of(LEAVES, inner), max_size=3),
    max_leaves=12,
)


def leaves(data, path=()):
    for name, value in data.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def at(data, path):
    for step in path:
        data = data[step]
    return data


@given(MAPS)
def test_nothing_over_it_or_under_it_changes_nothing(data):
    assert overlay(data, {}) == overlay({}, data) == overlay(data, data) == data


@given(MAPS, MAPS)
def test_all_that_lies_on_top_is_there(base, over):
    merged = overlay(base, over)
    assert all(at(merged, path) == value for path, value in leaves(over))
    assert set(merged) == {*base, *over}


# What differs in kind is not a part of one spec, and it is where order of laying matters: 1 over {…} forgets the map.
SHAPED = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(),
        "l": st.lists(st.integers(), max_size=2),
        "m": st.fixed_dictionaries({}, optional={"x": st.integers(), "y": st.lists(st.integers(), max_size=2)}),
    },
)


@given(SHAPED, SHAPED, SHAPED)
def test_parts_of_one_shape_may_be_laid_in_any_grouping(one, two, three):
    assert overlay(overlay(one, two), three) == overlay(one, overlay(two, three))


def test_grouping_matters_where_kinds_differ():
    one, two, three = {"a": {"b": 1}}, {"a": 2}, {"a": {"c": 3}}
    assert overlay(overlay(one, two), three) != overlay(one, overlay(two, three))


def test_where_null_stands():
    assert list(nulls({"a": None, "b": {"c": [1, None]}, "d": 0})) == [("a",), ("b", "c", 1)]
    assert list(nulls(None)) == [()]


# --- what may lack, and what not


class Size(Wire):
    """A mapping with a rule of its own."""

    low: int
    high: int
    step: int = 1

    @model_validator(mode="after")
    def _ordered(self):
        if self.high < self.low:
            raise ValueError(f"high {self.high} is below low {self.low}")
        if self.step > 10:
            raise PydanticCustomError("big_step", "a step of {step}: {{too big}}", {"step": self.step})
        return self


class Whole(Wire):
    """What the parts are of."""

    name: str
    about: Size | None = None
    size: Size
    many: tuple[Size, ...] = ()
    by_name: dict[str, Size] = Field(default_factory=dict)
    note: str | None = None
    patch: dict[str, Any] = Field(default_factory=dict)
    others: Annotated[tuple[dict[str, Any], ...], Field(max_length=3)] | None = None


OVER = PartOf(model=Whole, mergeable=frozenset({"size", "many", "byName", "note", "patch", "others"}))
UNDER = PartOf(model=Whole, mergeable=OVER.mergeable, under=True)


def told(part, data):
    with pytest.raises(ValidationError) as caught:
        part.read(data)
    return [(".".join(map(str, row["loc"])), row["type"], row["msg"]) for row in caught.value.errors()]


def test_what_lacks_in_a_part_is_no_error():
    assert OVER.read({"name": "a"}).whole is None
    assert OVER.read({"name": "a", "size": {"low": 3}}).data == {"name": "a", "size": {"low": 3}}
    assert OVER.read({"name": "a", "byName": {"x": {"low": 3}}}).whole is None
    assert UNDER.read({}).whole is None
    assert UNDER.read({"size": {"high": 3}}).data == {"size": {"high": 3}}


def test_a_part_in_which_nothing_lacks_is_the_whole():
    data = {"name": "a", "size": {"low": 1, "high": 2}}
    assert OVER.read(data).whole == Whole.from_data(data)


def test_what_is_a_part_already_stays_one():
    part = Part(data={"name": "a"})
    assert OVER.read(part) is part


WRONG = {
    "its own field lacks": (OVER, {"size": {}}, [("name", "missing")]),
    "its own mapping is half there": (OVER, {"name": "a", "about": {"low": 1}}, [("about.high", "missing")]),
    "an entry of a list is half there": (OVER, {"name": "a", "many": [{"low": 1}]}, [("many.0.high", "missing")]),
    "an entry of a baseline's list is, too": (UNDER, {"many": [{"low": 1}]}, [("many.0.high", "missing")]),
    "a field that is not there": (UNDER, {"size": {"lwo": 1}}, [("size.lwo", "extra_forbidden")]),
    "a wrong type": (UNDER, {"size": {"low": "x"}}, [("size.low", "int_type")]),
    "a mapping in which nothing lacks breaks its rule": (
        UNDER, {"size": {"low": 2, "high": 1}}, [("size", "value_error")],
    ),
    "an error of another library's kind": (
        UNDER, {"size": {"low": 1, "high": 2, "step": 11}}, [("size", "big_step")],
    ),
    "null where a value may be left out": (OVER, {"name": "a", "note": None}, [("note", "value_error")]),
    "null for what is free": (OVER, {"name": "a", "others": None}, [("others", "value_error")]),
    "null among maps that are free": (OVER, {"name": "a", "others": [None]}, [("others.0", "dict_type")]),
    "null where a type is asked for is told once": (UNDER, {"size": None}, [("size", "model_type")]),
    "a field that says what one is, in a baseline": (
        UNDER, {"name": "a", "note": "b"}, [("name", "value_error")],
    ),
    "no mapping at all": (UNDER, None, [("", "model_type")]),
    "another spelling of a field": (OVER, {"name": "a", "by_name": {}}, [("by_name", "extra_forbidden")]),
}  # fmt: skip


@pytest.mark.parametrize("row", WRONG)
def test_is_an_error(row):
    part, data, expected = WRONG[row]
    assert [entry[:2] for entry in told(part, data)] == expected


def test_null_inside_of_what_is_free_is_its_own():
    data = {"name": "a", "patch": {"x": None, "y": [{"z": None}]}, "others": [{"x": None}]}
    assert OVER.read(data).data == data
    assert overlay({"patch": {"x": 1, "w": 2}}, {"patch": {"x": None}}) == {"patch": {"x": None, "w": 2}}


def test_everything_wrong_with_a_part_is_told_at_once():
    rows = told(UNDER, {"name": "a", "note": None, "size": {"low": "x", "lwo": 1}})
    assert {row[0] for row in rows} == {"name", "note", "size.low", "size.lwo"}
    assert {NULL, NO_BASELINE} <= {row[2].removeprefix("Value error, ") for row in rows}


def test_a_part_is_written_as_it_was_read():
    spec = {"namespaces": ["a"], "clusters": {}, "defaults": {"serving": {"replicas": {"min": 2}}}}
    read = EnvironmentSpec.from_data(spec)
    assert EnvironmentSpec.from_data(read.to_data()) == read
    assert read.to_data()["defaults"] == spec["defaults"]
    assert "defaults" not in EnvironmentSpec.from_data({**spec, "defaults": {}}).to_data()


def test_every_field_of_a_release_may_have_a_baseline_or_says_what_the_release_is():
    """A new field says what a release is until somebody decides that environments may give it."""
    names = {info.alias or name for name, info in ReleaseSpec.model_fields.items()}
    assert names >= MERGEABLE
    assert {"environment", "state", "dependsOn", "model", "evidence"} <= names - MERGEABLE


# --- for editors


def test_the_schema_of_a_part_asks_for_what_may_not_lack():
    schema = OVER.__get_pydantic_json_schema__(None, None)
    assert schema["required"] == ["name"]
    assert "required" not in schema["properties"]["size"]
    assert schema["properties"]["about"]["required"] == ["low", "high"]
    assert schema["properties"]["many"]["items"]["required"] == ["low", "high"]
    assert "required" in schema["properties"]["size"]["properties"]["low"]["$comment"]
    assert "$comment" not in schema["properties"]["size"]["properties"]["step"]


def test_the_schema_of_a_baseline_has_only_what_may_stand_there():
    schema = UNDER.__get_pydantic_json_schema__(None, None)
    assert set(schema["properties"]) == {"size", "many", "byName", "note", "patch", "others"}
    assert "required" not in schema
    assert UNDER.fields == ["size", "many", "byName", "note", "patch", "others"]
    assert OVER.fields[:2] == ["name", "about"]
    assert TypeAdapter(dict).validate_python(schema)["additionalProperties"] is False
