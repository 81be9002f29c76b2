"""Promotion order: what the environment before one says of an artifact, for every way it can have served it."""

from datetime import timedelta

import pytest
from policy_samples import DIGEST, NOW, effective, environment

from reconciler.judge.upstream import upstream_of
from reconciler.model.plan import Condition
from reconciler.model.state import Promotion, ReleaseStatus, VersionRef, pack, unpack

PROD = environment({"after": "staging", "soak": "24h"})
HOUR = timedelta(hours=1)


def artifact(model_version):
    """A release of staging: smaller than production's, of another environment, the same artifact by its version."""
    digest = "sha256:" + model_version.replace(".", "").rjust(64, "0")
    model = {"version": model_version, "digest": digest, "uri": f"oci://registry.example.com/models/fraud@{digest}"}
    serving = {"resources": {"cpu": "100m"}, "replicas": {"min": 1}}
    return effective({"environment": "staging", "model": model, "serving": serving})


def asked(model_version, **over):
    spec = artifact(model_version).spec.to_data() | {"environment": "prod"}
    return effective({**spec, **over})


def promotion(model_version, at):
    each = artifact(model_version)
    return Promotion(
        version=each.version, model_version=model_version, manifest=DIGEST, closure=DIGEST, revision="1" * 40, at=at
    )


def staging(*history, ready=True, since=NOW - 1000 * HOUR, forgotten=()):
    """A status whose history is (model version, hours ago), newest first; the first one is stable."""
    rows = tuple(promotion(version, NOW - hours * HOUR) for version, hours in history)
    newest = rows[0]
    return ReleaseStatus(
        stable=VersionRef(version=newest.version, model_version=newest.model_version, manifest=DIGEST, closure=DIGEST),
        history=rows,
        effective={
            artifact(version).version: pack(artifact(version)) for version, _ in history if version not in forgotten
        },
        conditions=(Condition(type="Ready", status="True" if ready else "False", reason="Promoted", since=since),),
    )


def seen(status, model_version="1.4.0", **over):
    return upstream_of(PROD, status, asked(model_version, **over), unpack)


def test_an_environment_that_comes_after_none_has_no_upstream():
    assert upstream_of(environment(), staging(("1.4.0", 48)), asked("1.4.0"), unpack) is None


@pytest.mark.parametrize("status", [None, ReleaseStatus()], ids=["no state", "nothing stable"])
def test_where_nothing_runs_nothing_was_served(status):
    found = seen(status)
    assert (found.served, found.since, found.stable, found.soaked(NOW)) == (False, None, None, False)


ROWS = {
    "stable and healthy for longer than the soak": (staging(("1.4.0", 25)), True, True),
    "for the soak to the second": (staging(("1.4.0", 24)), True, True),
    "for less": (staging(("1.4.0", 23)), True, False),
    "promoted long ago and healthy again since an hour": (staging(("1.4.0", 90), since=NOW - HOUR), True, False),
    "stable and not healthy now": (staging(("1.4.0", 90), ready=False), True, False),
    "changed in place an hour ago": (staging(("1.4.0", 1), ("1.4.0", 30), ("1.3.0", 90)), True, True),
    "it returned an hour ago": (staging(("1.4.0", 1), ("1.5.0", 2), ("1.4.0", 30)), True, False),
    "only an older one": (staging(("1.3.0", 90)), False, False),
    "replaced by a newer one after its soak": (staging(("1.5.0", 1), ("1.4.0", 30)), True, True),
    "replaced by a newer one, which is not healthy": (staging(("1.5.0", 1), ("1.4.0", 30), ready=False), True, True),
    "replaced by a newer one before its soak was over": (staging(("1.5.0", 1), ("1.4.0", 20)), True, False),
    "rolled back from after its soak": (staging(("1.3.0", 1), ("1.4.0", 30), ("1.3.0", 60)), False, False),
    "replaced, and forgotten": (staging(("1.5.0", 1), ("1.4.0", 30), forgotten={"1.4.0"}), False, False),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_an_artifact_that_was(row):
    status, served, soaked = ROWS[row]
    found = seen(status)
    assert (found.served, found.soaked(NOW)) == (served, soaked)


def test_the_end_of_the_soak_is_known_while_it_runs_towards_it():
    assert seen(staging(("1.4.0", 23))).opens == NOW + HOUR
    assert seen(staging(("1.4.0", 23), ready=False)).opens is None
    assert seen(staging(("1.5.0", 1), ("1.4.0", 20))).opens is None


def test_sizes_arguments_and_environment_may_differ_and_the_image_may_not():
    status = staging(("1.4.0", 30))
    serving = asked("1.4.0").spec.serving.to_data()
    assert seen(status, serving={**serving, "args": ["--more"], "replicas": {"min": 9, "max": 9}}).served
    assert not seen(status, serving={**serving, "image": f"registry.example.com/other@{DIGEST}"}).served


def retired(status, hours_ago, row=0):
    rows = list(status.history)
    rows[row] = rows[row].model_copy(update={"retired": NOW - hours_ago * HOUR})
    return status.model_copy(update={"history": tuple(rows)})


@pytest.mark.parametrize(
    ("sentence", "status", "soaked"),
    [
        ("what is retired is healthy for nobody, however long it served", retired(staging(("1.4.0", 90)), 1), False),
        ("the time before it was retired does not count when it is active again",
         retired(staging(("1.4.0", 1), ("1.4.0", 90)), 40, row=1), False),
        ("active again for the whole soak", retired(staging(("1.4.0", 30), ("1.4.0", 90)), 40, row=1), True),
        ("retired after its soak, and then replaced", retired(staging(("1.5.0", 1), ("1.4.0", 90)), 60, row=1), True),
        ("retired before its soak was over, and replaced much later",
         retired(staging(("1.5.0", 1), ("1.4.0", 90)), 80, row=1), False),
    ],
)  # fmt: skip
def test_a_retired_release_is_no_healthy_upstream(sentence, status, soaked):
    found = seen(status)
    assert (found.served, found.soaked(NOW)) == (True, soaked), sentence
