"""Layered is a dict that is cheap to replace, and nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.loop.layered import Layered

KEYS = st.integers(0, 200)
CHANGES = st.lists(
    st.tuples(st.dictionaries(KEYS, st.none() | st.integers(), max_size=40), st.frozensets(KEYS, max_size=40)),
    max_size=12,
)


@settings(deadline=None)
@given(st.dictionaries(KEYS, st.integers(), max_size=150), CHANGES)
def test_under_any_sequence_of_changes_it_equals_a_dict(start, changes):
    layered, plain = Layered(start), dict(start)
    earlier = []
    for update, without in changes:
        earlier.append((layered, dict(plain)))
        layered = layered.changed(update, without=without)
        plain = {key: value for key, value in plain.items() if key not in without} | update
        assert layered == plain
        assert len(layered) == len(plain) == len(list(layered))
        assert set(layered) == set(plain)
    for old, copy in earlier:
        assert old == copy  # nobody's snapshot moves


def test_a_key_that_is_not_there_is_a_key_error():
    layered = Layered({"a": 1}).changed({}, without=frozenset({"a", "b"}))
    assert "a" not in layered
    assert layered.get("a") is None
    for key in ("a", "b"):
        with pytest.raises(KeyError, match=key):
            layered[key]


def test_the_mapping_it_was_made_of_may_change_afterwards():
    given = {"a": 1}
    layered = Layered(given)
    given["b"] = 2
    assert dict(layered) == {"a": 1}


def test_empty():
    assert len(Layered()) == 0
    assert Layered().changed({"a": 1}) == {"a": 1}


def test_a_change_does_not_copy_what_did_not_change():
    """The overlay of a large mapping stays a small part of it, and is folded when it is not."""
    layered = Layered(dict.fromkeys(range(10_000), 0))
    base = layered._base
    for number in range(625):
        layered = layered.changed({number: 1})
        assert layered._base is base
    layered = layered.changed({625: 1})
    assert layered._base is not base
    assert layered._overlay == {}
    assert sum(layered.values()) == 626
