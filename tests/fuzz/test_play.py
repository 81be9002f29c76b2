"""The player itself: it finds what fails, makes it small, and tells it as a test that fails the same way."""

import pytest
from fuzz_play import properties, told
from fuzz_room import over, steps
from hypothesis import strategies as st


def test_a_failure_is_told_as_a_test_that_fails_again():
    @over(data=st.binary(), number=st.integers(0, 5))
    def test_no_long_data(data, number):
        assert number >= 0
        if len(data) > 3:
            raise KeyError("\x1b[2J")

    text = told("test_play", "test_no_long_data", test_no_long_data)
    assert text.isascii()
    assert text.splitlines()[0].startswith("# tests/fuzz/test_play.py: KeyError: ")
    assert "data=b'\\x00\\x00\\x00\\x00'" in text  # as small as it can be
    here = {"test_no_long_data": test_no_long_data}
    exec(text, here)  # noqa: S102  # as somebody pastes it
    with pytest.raises(KeyError):
        here["test_no_long_data_found"]()


def test_what_holds_is_told_as_nothing():
    @over(data=st.binary())
    def test_anything(data):
        assert isinstance(data, bytes)

    assert told("test_play", "test_anything", test_anything) == ""


def test_every_property_of_the_room_is_played():
    known = properties()
    assert len(known) > 30
    assert len({module for module, _ in known}) == 8


def test_a_bound_on_calls_is_one():
    with pytest.raises(AssertionError, match="more than 10 calls"), steps(10):
        [len(()) for _ in range(20)]
    with steps(30):
        [len(()) for _ in range(20)]
