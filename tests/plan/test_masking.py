"""Secrets in objects: what is shown instead, and that nothing of them is."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.plan.masking import MASKED, MASKED_ANOTHER, masked, masked_line

TOKEN = "ghp_" + "a1B2" * 9
RANDOM = "q7Zx2Lk9Wm4Rt8Yb3Nc6"


def env(name, value):
    return {"kind": "Deployment", "spec": {"containers": [{"env": [{"name": name, "value": value}]}]}}


def of_env(body):
    return body["spec"]["containers"][0]["env"][0]["value"]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"kind": "Secret", "data": {"a": "eA=="}}, {"kind": "Secret", "data": {"a": MASKED}}),
        ({"kind": "Secret", "stringData": {"a": "x"}}, {"kind": "Secret", "stringData": {"a": MASKED}}),
        ({"kind": "Secret", "data": "x"}, {"kind": "Secret", "data": MASKED}),
        ({"kind": "Secret", "metadata": {"name": "s"}}, {"kind": "Secret", "metadata": {"name": "s"}}),
        ({"kind": "ConfigMap", "data": {"port": "80"}}, {"kind": "ConfigMap", "data": {"port": "80"}}),
        ({"kind": "ConfigMap", "data": {"db-password": "x"}}, {"kind": "ConfigMap", "data": {"db-password": MASKED}}),
        ({"kind": "ConfigMap", "data": {"a": f"x\n{TOKEN}"}}, {"kind": "ConfigMap", "data": {"a": MASKED}}),
        ({"kind": "ConfigMap", "data": {"key": "two\nlines"}}, {"kind": "ConfigMap", "data": {"key": "two\nlines"}}),
        (
            {"metadata": {"annotations": {"e.org/api-token": "x"}}},
            {"metadata": {"annotations": {"e.org/api-token": MASKED}}},
        ),
        (
            {"metadata": {"annotations": {"k8s.io/last-applied-configuration": "{}"}}},
            {"metadata": {"annotations": {"k8s.io/last-applied-configuration": MASKED}}},
        ),
        (
            {"args": ["--port", "80", "--token", "abc", "--key=abc"]},
            {"args": ["--port", "80", "--token", MASKED, MASKED]},
        ),
        ({"args": [["a", TOKEN], 1]}, {"args": [["a", MASKED], 1]}),
        (
            {"httpHeaders": [{"name": "Authorization", "value": "x"}]},
            {"httpHeaders": [{"name": "Authorization", "value": MASKED}]},
        ),
        ({"key": "nvidia.com/gpu", "secretName": "tls"}, {"key": "nvidia.com/gpu", "secretName": "tls"}),
        ({"name": "x", "value": 3}, {"name": "x", "value": 3}),
    ],
    ids=[
        "a Secret's data",
        "a Secret's stringData",
        "a Secret's data that is none",
        "a Secret's name",
        "plain configuration",
        "configuration called a password",
        "a token in a text of several lines",
        "a text of several lines called a key",
        "an annotation called a token",
        "what was applied last",
        "arguments",
        "a token in a nested list",
        "a header",
        "fields of Kubernetes that sound alike",
        "a number",
    ],
)
def test_what_is_masked(body, shown):
    assert masked(body) == shown


@pytest.mark.parametrize(
    ("name", "value", "hidden"),
    [
        ("LOG_LEVEL", "debug", False),
        ("API_TOKEN", "abc", True),
        ("ANY", TOKEN, True),
        ("ANY", RANDOM, True),
        ("TOKEN_FILE", "/etc/token", False),
        ("DEBUG_KEY", "true", False),
    ],
)
def test_an_environment_variable_is_masked_when_it_looks_like_a_secret(name, value, hidden):
    assert of_env(masked(env(name, value))) == (MASKED if hidden else value)


def test_of_two_sides_a_mask_says_only_whether_they_have_the_same_secret():
    old, new = env("API_TOKEN", "abc"), env("API_TOKEN", "def")
    assert of_env(masked(new, old)) == MASKED_ANOTHER
    assert of_env(masked(new, new)) == MASKED


def test_a_secret_in_a_key_hides_its_line():
    assert masked_line(f"  {TOKEN}: x") == f"  {MASKED}"
    assert masked_line("  plain: x") == "  plain: x"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["data", "spec", "args", "metadata"]), JSON), st.text(max_size=5))
def test_a_canary_token_anywhere_in_an_object_is_never_shown(body, name):
    found = masked({**body, "kind": "ConfigMap", "put": {name: [TOKEN, {"name": name, "value": f"x {TOKEN}"}]}})
    assert TOKEN.encode() not in orjson.dumps(found)
