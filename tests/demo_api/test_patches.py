"""JSON patch, merge patch and strategic merge patch, as truth tables."""

import pytest

from reconciler.demo.api.patch import json_patch, merge_patch
from reconciler.demo.api.shapes import built_in
from reconciler.demo.api.status import ApiError
from reconciler.demo.api.strategic import strategic

JSON_PATCHES = {
    "add a field": ({"a": 1}, {"op": "add", "path": "/b", "value": 2}, {"a": 1, "b": 2}),
    "add to the end of a list": ({"a": [1]}, {"op": "add", "path": "/a/-", "value": 2}, {"a": [1, 2]}),
    "add before an item": ({"a": [1]}, {"op": "add", "path": "/a/0", "value": 2}, {"a": [2, 1]}),
    "remove": ({"a": 1, "b": 2}, {"op": "remove", "path": "/a"}, {"b": 2}),
    "replace": ({"a": 1}, {"op": "replace", "path": "/a", "value": 2}, {"a": 2}),
    "replace everything": ({"a": 1}, {"op": "replace", "path": "", "value": {"b": 2}}, {"b": 2}),
    "a slash in a name": ({"a/b": 1}, {"op": "remove", "path": "/a~1b"}, {}),
    "move": ({"a": 1}, {"op": "move", "from": "/a", "path": "/b"}, {"b": 1}),
    "copy": ({"a": {"x": 1}}, {"op": "copy", "from": "/a", "path": "/b"}, {"a": {"x": 1}, "b": {"x": 1}}),
    "a test that holds": ({"a": 1}, {"op": "test", "path": "/a", "value": 1}, {"a": 1}),
}


@pytest.mark.parametrize("case", JSON_PATCHES)
def test_a_json_patch(case):
    before, operation, after = JSON_PATCHES[case]
    kept = dict(before)
    assert json_patch(before, [operation]) == after
    assert before == kept


REFUSED = {
    "a list that is none": ({"op": "add"}, 400),
    "an unknown operation": ([{"op": "burn", "path": "/a"}], 400),
    "no path": ([{"op": "remove"}], 400),
    "nothing there": ([{"op": "remove", "path": "/z"}], 422),
    "beyond the end": ([{"op": "add", "path": "/l/5", "value": 1}], 422),
    "a test that fails": ([{"op": "test", "path": "/a", "value": True}], 422),
    "no value": ([{"op": "add", "path": "/b"}], 422),
    "into a number": ([{"op": "add", "path": "/a/b", "value": 1}], 422),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_json_patch_that_cannot_be_done(case):
    operations, code = REFUSED[case]
    with pytest.raises(ApiError) as refused:
        json_patch({"a": 1, "l": []}, operations)
    assert refused.value.code == code


def test_a_merge_patch_removes_with_null_and_replaces_lists():
    before = {"a": 1, "b": {"c": 1, "d": 2}, "l": [1]}
    assert merge_patch(before, {"a": None, "b": {"d": None, "e": 3}, "l": [2]}) == {"b": {"c": 1, "e": 3}, "l": [2]}


POD = {
    "metadata": {"labels": {"a": "1"}, "finalizers": ["x", "y"]},
    "spec": {
        "containers": [
            {"name": "web", "image": "w:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"name": "log", "image": "l:1", "args": ["a", "b"]},
        ],
        "volumes": [{"name": "v", "emptyDir": {}}],
    },
}
STRATEGIC = {
    "an item is found by its key": (
        {"spec": {"containers": [{"name": "log", "image": "l:2"}]}},
        lambda pod: [each["image"] for each in pod["spec"]["containers"]], ["w:1", "l:2"],
    ),
    "a new item is added": (
        {"spec": {"containers": [{"name": "new", "image": "n:1"}]}},
        lambda pod: [each["name"] for each in pod["spec"]["containers"]], ["web", "log", "new"],
    ),
    "a list without a key is replaced": (
        {"spec": {"containers": [{"name": "log", "args": ["c"]}]}},
        lambda pod: pod["spec"]["containers"][1]["args"], ["c"],
    ),
    "an item is deleted": (
        {"spec": {"containers": [{"name": "web", "env": [{"name": "A", "$patch": "delete"}]}]}},
        lambda pod: pod["spec"]["containers"][0]["env"], [{"name": "B", "value": "2"}],
    ),
    "a list is replaced when told": (
        {"spec": {"containers": [{"name": "one"}, {"$patch": "replace"}]}},
        lambda pod: pod["spec"]["containers"], [{"name": "one"}],
    ),
    "a map is replaced when told": (
        {"metadata": {"labels": {"b": "2", "$patch": "replace"}}}, lambda pod: pod["metadata"]["labels"], {"b": "2"},
    ),
    "a label goes with null": ({"metadata": {"labels": {"a": None}}}, lambda pod: pod["metadata"]["labels"], {}),
    "finalizers are merged": (
        {"metadata": {"finalizers": ["z"]}}, lambda pod: pod["metadata"]["finalizers"], ["x", "y", "z"],
    ),
    "a finalizer is taken out": (
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}}, lambda pod: pod["metadata"]["finalizers"], ["y"],
    ),
    "the order is set": (
        {"spec": {"$setElementOrder/containers": [{"name": "log"}, {"name": "web"}]}},
        lambda pod: [each["name"] for each in pod["spec"]["containers"]], ["log", "web"],
    ),
    "only some keys are retained": (
        {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "secret"], "secret": {"secretName": "s"}}]}},
        lambda pod: pod["spec"]["volumes"], [{"name": "v", "secret": {"secretName": "s"}}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STRATEGIC)
def test_a_strategic_merge_patch(case):
    change, look, expected = STRATEGIC[case]
    assert look(strategic(built_in("v1", "Pod"), POD, change)) == expected


def test_a_strategic_item_without_its_key_is_refused():
    with pytest.raises(ApiError, match="does not contain declared merge key: name"):
        strategic(built_in("v1", "Pod"), POD, {"spec": {"containers": [{"image": "x"}]}})
