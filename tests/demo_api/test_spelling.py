"""Quantities, ages, JSONPaths, selectors and scales, as Kubernetes spells them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.demo.api.columns import duration
from reconciler.demo.api.jsonpath import find
from reconciler.demo.api.quantity import canonical, number
from reconciler.demo.api.selectors import labels_match, of_object, parse_fields, parse_labels, spelled
from reconciler.demo.api.status import ApiError

QUANTITIES = {
    "1000m": "1", "1500m": "1500m", "0.5": "500m", "1": "1", "1000": "1k", "1024Mi": "1Gi", "1000Mi": "1000Mi",
    "1.5Gi": "1536Mi", "0.5Gi": "512Mi", "1e3": "1e3", "0": "0", "-1000m": "-1", "2": "2", "0.0001n": "1n",
    "100k": "100k", "1000k": "1M",
}  # fmt: skip


@pytest.mark.parametrize("given_", QUANTITIES)
def test_a_quantity_has_one_spelling(given_):
    assert canonical(given_) == QUANTITIES[given_]


@pytest.mark.parametrize("wrong", ["", "x", "1x", "1 Gi", "Gi", "1.2.3", "--1", "0x10"])
def test_what_is_no_quantity(wrong):
    with pytest.raises(ValueError, match="is not a quantity"):
        canonical(wrong)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**15), st.sampled_from(["", "m", "k", "M", "Gi", "Ki", "Ti"]))
def test_the_spelling_keeps_the_value_and_is_its_own(digits, suffix):
    spelling = canonical(f"{digits}{suffix}")
    assert number(spelling) == number(f"{digits}{suffix}")
    assert canonical(spelling) == spelling


DURATIONS = {
    0: "0s", 119: "119s", 120: "2m", 125: "2m5s", 600: "10m", 3 * 3600 - 1: "179m", 3 * 3600: "3h",
    3 * 3600 + 60: "3h1m",
    8 * 3600: "8h", 47 * 3600: "47h", 48 * 3600: "2d", 49 * 3600: "2d1h", 8 * 86400: "8d", 400 * 86400: "400d",
    3 * 365 * 86400: "3y", 3 * 365 * 86400 + 86400: "3y1d", 9 * 365 * 86400: "9y",
}  # fmt: skip


@pytest.mark.parametrize("seconds", DURATIONS)
def test_an_age_has_two_units_while_it_is_small(seconds):
    assert duration(seconds) == DURATIONS[seconds]


DATA = {
    "metadata": {"annotations": {"a.b/c": "x"}},
    "spec": {"n": 0, "list": [{"name": "a", "v": 1}, {"name": "b", "v": 2}]},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
}
PATHS = {
    ".spec.n": [0],
    "spec.n": [0],
    "{.spec.n}": [0],
    "$.spec.n": [0],
    ".spec.list[1].name": ["b"],
    ".spec.list[-1].name": ["b"],
    ".spec.list[*].v": [1, 2],
    ".spec.list[9].v": [],
    ".spec.missing.deep": [],
    '.status.conditions[?(@.type=="Ready")].status': ["True"],
    ".status.conditions[?(@.type=='Other')].status": ["False"],
    '.status.conditions[?(@.type!="Ready")].type': ["Other"],
    r".metadata.annotations.a\.b/c": ["x"],
    ".metadata.annotations['a.b/c']": ["x"],
    ".spec.list[": [],
}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_finds(path):
    assert find(path, DATA) == PATHS[path]


LABELS = {"app": "web", "tier": "a", "n": "5"}
SELECTORS = {
    "": True, "app=web": True, "app==web": True, "app!=web": False, "app=db": False, "app in (web,db)": True,
    "app notin (web)": False, "missing notin (x)": True, "missing!=x": True, "app": True, "!app": False,
    "!missing": True, "app=web,tier=b": False, "app in (web, db),tier=a": True, "n>4": True, "n<4": False,
    "app>1": False,
}  # fmt: skip


@pytest.mark.parametrize("selector", SELECTORS)
def test_a_selector_selects(selector):
    assert labels_match(parse_labels(selector), LABELS) is SELECTORS[selector]


@pytest.mark.parametrize("wrong", ["a in (b", "a b", "=x", "a in b", "a,,b", "a=b=c"])
def test_a_selector_that_is_none(wrong):
    with pytest.raises(ApiError) as refused:
        parse_labels(wrong)
    assert refused.value.code == 400


def test_a_selector_of_an_object_can_be_spelled():
    selector = {"matchLabels": {"a": "1"}, "matchExpressions": [
        {"key": "b", "operator": "In", "values": ["y", "x"]}, {"key": "c", "operator": "DoesNotExist"},
    ]}  # fmt: skip
    assert spelled(of_object(selector)) == "a=1,b in (x,y),!c"


def test_a_field_that_cannot_be_selected_by_is_refused_with_those_that_can():
    with pytest.raises(ApiError, match=r'"data\.a" is not a known field selector: only "metadata\.name"'):
        parse_fields("data.a=b", "ConfigMap")
