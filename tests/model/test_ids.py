"""Names of things: keys, and the names of state objects."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.model.ids import ReleaseKey, TargetKey, short
from reconciler.model.objects import ObjectRef
from reconciler.model.state import ReleaseRef, release_key, release_ref

LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
KEYS = st.builds(
    lambda repository, environment, name: ReleaseKey(repository=repository, environment=environment, name=name),
    st.sampled_from(["github.com/acme/models", "github.com/acme/other"]),
    LABEL,
    LABEL,
)


@given(KEYS)
def test_a_state_name_is_a_name_and_a_label_value(key):
    assert len(key.state_name) <= 63
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", key.state_name)
    assert "--" not in key.state_name or "--" in f"{key.environment}-{key.name}"


@given(KEYS, KEYS)
def test_two_releases_have_two_state_names(one, two):
    assume(one != two)
    assert one.state_name != two.state_name


def test_a_state_name_says_what_it_is_of_and_stays_the_same():
    """It is in the cluster: another one would be another release."""
    key = ReleaseKey(repository="github.com/acme/models", environment="prod", name="fraud-detector")
    assert key.state_name == "prod-fraud-detector-" + key.state_name[-8:]
    assert re.fullmatch("[0-9a-f]{8}", key.state_name[-8:])
    other = ReleaseKey(repository="github.com/acme/other", environment="prod", name="fraud-detector")
    assert other.state_name != key.state_name


def test_a_long_name_is_cut_where_it_may_end():
    key = ReleaseKey(repository="r", environment="a" * 50, name="bb-cc" + "d" * 40)
    assert key.state_name.startswith("a" * 50 + "-bb-")
    assert "--" not in key.state_name


@given(KEYS)
def test_a_key_reads_back_from_its_wire_form(key):
    assert release_key(release_ref(key)) == key
    assert ReleaseRef.from_data(release_ref(key).to_data()) == release_ref(key)


def test_how_keys_are_written():
    key = ReleaseKey(repository="r", environment="prod", name="fraud")
    assert str(key) == "prod/fraud"
    assert str(TargetKey(release=key, cluster="eu-1")) == "prod/fraud@eu-1"
    assert short("sha256:0123456789abcdef") == "0123456789"


@pytest.mark.parametrize(
    ("body", "text", "api_version"),
    [
        ({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "n", "name": "s"}}, "Service n/s", "v1"),
        (
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "n", "name": "d"}},
            "Deployment n/d",
            "apps/v1",
        ),
        ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}, "Namespace n", "v1"),
    ],
)
def test_refs(body, text, api_version):
    ref = ObjectRef.of(body)
    assert (str(ref), ref.api_version) == (text, api_version)
