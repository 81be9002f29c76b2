"""Kubernetes' canonical quantities; the rows were read back from a real API server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.wire import quantity_value
from reconciler.render.quantity import canonical_quantity


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("2", "2"),
        ("500m", "500m"),
        ("8Gi", "8Gi"),
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1.5", "1500m"),
        ("2000", "2k"),
        ("1024", "1024"),
        ("8192Mi", "8Gi"),
        ("1.5Gi", "1536Mi"),
        ("1.5Ti", "1536Gi"),
        ("1023Ki", "1023Ki"),
        ("0.5Ki", "512"),
        ("1000k", "1M"),
        ("0Gi", "0"),
        ("0.000001m", "1n"),
        ("1024Pi", "1Ei"),
    ],
)
def test_a_quantity_is_written_as_the_server_writes_it(written, canonical):
    assert canonical_quantity(written) == canonical


QUANTITIES = st.builds(
    lambda number, suffix: number + suffix,
    st.from_regex(r"[0-9]{1,6}(\.[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi"]),
)


@given(QUANTITIES)
def test_its_value_stays_and_a_fraction_of_a_byte_is_rounded_up(written):
    before, after = quantity_value(written), _value(canonical_quantity(written))
    assert before <= after < before + 1
    if not written.endswith("i"):
        assert before == after


def _value(text):
    tiny = {"n": 10**9, "u": 10**6}.get(text[-1])
    if tiny:
        return quantity_value(text[:-1]) / tiny
    return quantity_value(text[:-2] + "Pi") * 1024 if text.endswith("Ei") else quantity_value(text)


@given(QUANTITIES)
def test_the_canonical_form_stays_as_it_is(written):
    once = canonical_quantity(written)
    if once[-1] not in "nu":
        assert canonical_quantity(once) == once


def test_nothing_is_above_the_largest_number():
    assert canonical_quantity("99999999Pi") == canonical_quantity("10000P") == "9223372036854775807"
