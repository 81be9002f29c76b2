"""Sets of field paths are sets, and a merge keeps what it should; objects are random."""

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.demo.api.fields import Comparison, difference, from_wire, intersection, of_value, paths, to_wire, union
from reconciler.demo.api.managed import Owners, Writer, applied
from reconciler.demo.api.merge import merged
from reconciler.demo.api.shapes import built_in, of_schema

names = st.sampled_from(["a", "b", "c"])
leaves = st.one_of(st.booleans(), st.integers(0, 2), names, st.lists(st.integers(0, 2), max_size=2))
items = st.lists(st.fixed_dictionaries({"name": names}, optional={"v": leaves}), unique_by=lambda i: i["name"])
objects = st.recursive(
    st.dictionaries(names, leaves, min_size=1, max_size=3),
    lambda below: st.dictionaries(names, leaves | below, min_size=1, max_size=3),
)
bodies = st.fixed_dictionaries({}, optional={"data": objects, "items": items})

ITEM = {"type": "object", "properties": {"name": {"type": "string"}, "v": {}}}
SHAPE = of_schema({
    "type": "object",
    "properties": {
        "data": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "items": {
            "type": "array", "items": ITEM, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        },
    },
})  # fmt: skip
ME, YOU = (Writer(manager=name, operation="Apply", api_version="v1") for name in ("me", "you"))
quick = settings(max_examples=60, deadline=None)


def owned(body):
    return of_value(SHAPE, body)


def members(fields):
    return set(paths(fields))


@quick
@given(bodies, bodies)
def test_sets_of_paths_are_sets(one, other):
    left, right = owned(one), owned(other)
    assert members(union(left, right)) == members(left) | members(right)
    assert members(intersection(left, right)) == members(left) & members(right)
    assert members(difference(left, right)) == members(left) - members(right)


@quick
@given(bodies)
def test_a_set_survives_the_wire(body):
    assert from_wire(to_wire(owned(body))) == owned(body)


@quick
@given(bodies, bodies)
def test_nothing_differs_from_itself_and_what_is_added_one_way_is_removed_the_other(one, other):
    same = Comparison(SHAPE, one, dict(one))
    assert not same.changed
    assert not same.removed
    there, back = Comparison(SHAPE, one, other), Comparison(SHAPE, other, one)
    assert members(there.added) == members(back.removed)
    assert members(there.modified) == members(back.modified)


def sorted_items(body):
    return {**body, "items": sorted(body["items"], key=lambda item: item["name"])} if "items" in body else body


@quick
@given(bodies, bodies)
def test_a_merge_says_what_the_new_says_and_is_done_after_once(old, new):
    once = merged(SHAPE, old, new)
    assert merged(SHAPE, once, new) is once
    assert not difference(owned(new), owned(once))


@quick
@given(bodies, bodies)
def test_what_was_applied_and_no_longer_is_goes_and_nothing_else(first, then):
    """Keyed lists that are empty cannot be told from absent ones."""
    made, owners = applied(SHAPE, {}, first, Owners(), ME, now="1", force=False)
    assert made == first
    changed, _ = applied(SHAPE, made, then, owners, ME, now="2", force=False)
    assert without_empty(sorted_items(changed)) == without_empty(sorted_items(then))


def without_empty(body):
    return {name: value for name, value in body.items() if value not in ({}, [])}


@quick
@given(bodies, bodies)
def test_two_who_force_take_each_others_fields_and_agree_on_who_has_them(mine, yours):
    live, owners = applied(SHAPE, {}, mine, Owners(), ME, now="1", force=True)
    live, owners = applied(SHAPE, live, yours, owners, YOU, now="2", force=True)
    again, same_owners = applied(SHAPE, live, yours, owners, YOU, now="3", force=False)
    assert again is live
    assert same_owners is owners
    assert members(owners.fields_of(YOU)) == members(owned(yours))


def test_items_keep_the_order_of_who_applies_last_and_others_stay_where_they_are():
    def order(old, new):
        listed = {"items": [{"name": name} for name in new]}
        return "".join(item["name"] for item in merged(SHAPE, {"items": [{"name": n} for n in old]}, listed)["items"])

    assert order("abc", "b") == "abc"
    assert order("ab", "ba") == "ba"
    assert order("a", "b") == "ab"
    assert order("abcd", "db") == "acdb"


def test_a_port_is_known_by_number_and_protocol_which_has_a_default():
    ports = built_in("v1", "Service").fields["spec"].fields["ports"]
    assert set(of_value(ports, [{"port": 80}])) == {'k:{"port":80,"protocol":"TCP"}'}


def test_a_selector_is_one_field_and_a_label_is_one_each():
    shape = built_in("apps/v1", "Deployment")
    body = {"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"selector": {"matchLabels": {"a": "1"}}}}
    assert paths(of_value(shape, body)) == [".metadata.labels.a", ".metadata.labels.b", ".spec.selector"]
