"""Metrics: the table is what /metrics has, and every name in the code is in the table."""

import re
from pathlib import Path

import pytest
from loop_acme import FRAUD
from prometheus_client.parser import text_string_to_metric_families

import reconciler
from reconciler.loop.telemetry import METRICS, Telemetry

CODE = Path(reconciler.__file__).parent


def samples(telemetry):
    """(name, labels) → value of everything on the page but creation times."""
    found = {}
    for family in text_string_to_metric_families(telemetry.page().decode()):
        for row in family.samples:
            if not row.name.endswith("_created"):
                found[row.name, tuple(sorted(row.labels.items()))] = row.value
    return found


def test_every_metric_has_a_help_that_is_a_sentence_and_a_name_of_its_kind():
    for name, (kind, text, labels) in METRICS.items():
        assert re.fullmatch(r"reconciler_[a-z_]+", name)
        assert text.endswith(".")
        assert kind in ("counter", "gauge", "histogram")
        assert name.endswith("_total") is (kind == "counter")
        assert name.endswith("_seconds") is (kind == "histogram")
        assert len(set(labels)) == len(labels)


def test_the_page_has_every_metric_of_the_table_with_its_help():
    families = {row.name: row for row in text_string_to_metric_families(Telemetry().page().decode())}
    assert {name.removesuffix("_total") for name in METRICS} == set(families)
    for name, (kind, text, _) in METRICS.items():
        family = families[name.removesuffix("_total")]
        assert (family.type, family.documentation) == (kind, text)


def test_every_name_in_the_code_is_in_the_table_and_the_other_way_round():
    used = {
        name
        for path in CODE.rglob("*.py")
        if path.name != "telemetry.py"
        for name in re.findall(r'"(reconciler_[a-z_]+)"', path.read_text())
    }
    own = set(re.findall(r'self\.\w+\("(reconciler_[a-z_]+)"', (CODE / "loop/telemetry.py").read_text()))
    assert used | own == set(METRICS)


def test_counters_gauges_and_durations():
    telemetry = Telemetry()
    telemetry.count("reconciler_pass_errors_total", "target", "Fault")
    telemetry.count("reconciler_pass_errors_total", "target", "Fault", by=2)
    telemetry.gauge("reconciler_queue_length", 7)
    telemetry.gauge("reconciler_releases", 3, "acme")
    telemetry.observe("reconciler_pass_seconds", 0.002, "release")
    telemetry.decision("Promoted", FRAUD)
    found = samples(telemetry)
    assert found["reconciler_pass_errors_total", (("kind", "target"), ("reason", "Fault"))] == 3
    assert found["reconciler_queue_length", ()] == 7
    assert found["reconciler_releases", (("repository", "acme"),)] == 3
    assert found["reconciler_pass_seconds_bucket", (("kind", "release"), ("le", "0.001"))] == 0
    assert found["reconciler_pass_seconds_bucket", (("kind", "release"), ("le", "0.0025"))] == 1
    assert found["reconciler_decisions_total", (("environment", "prod"), ("kind", "Promoted"))] == 1


def test_a_request_is_counted_and_timed_under_its_cluster():
    telemetry = Telemetry()
    telemetry.requests_of("eu-1")("GET", "deployments", 200, 0.01)
    found = samples(telemetry)
    labels = {"cluster": "eu-1", "verb": "GET", "resource": "deployments", "status": "200"}
    assert found["reconciler_requests_total", tuple(sorted(labels.items()))] == 1
    assert found["reconciler_request_seconds_count", (("cluster", "eu-1"),)] == 1


def test_two_daemons_in_one_process_do_not_share_counts():
    one, two = Telemetry(), Telemetry()
    one.gauge("reconciler_queue_length", 7)
    assert samples(two)["reconciler_queue_length", ()] == 0


@pytest.mark.parametrize("name", ["reconciler_releases", "reconciler_nothing_total"])
def test_a_name_that_is_no_counter_cannot_be_counted(name):
    with pytest.raises(KeyError):
        Telemetry().count(name, "x")
