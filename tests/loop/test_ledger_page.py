"""What people and programs read on the ledger's branch."""

import orjson
from loop_acme import FRAUD, PROD, REPOSITORY, later
from loop_passes import Release

from reconciler.loop.ledger_page import readme, status_file, status_path
from reconciler.model.record import Record
from reconciler.model.state import ReleaseState, release_ref


def state(release, name="fraud-detector"):
    ref = release_ref(FRAUD).model_copy(update={"name": name})
    return ReleaseState(release=ref, status=release.status)


def running():
    release = Release()
    release.settle()
    return release


def held():
    release = running()
    release.repo.edit(PROD, "version: 1.3.0", "version: 1.4.0", by="")
    release.turn()
    return release


def record(sequence, message):
    return Record(time=later(sequence), kind="Promoted", repository=REPOSITORY, message=message, sequence=sequence)


def test_a_status_file_says_what_runs_why_and_since_which_record():
    release = running()
    assert status_path(state(release)) == "status/prod/fraud-detector.json"
    data = orjson.loads(status_file(state(release), 42))
    assert data["schema"] == "reconciler.dev/status/v1"
    assert (data["environment"], data["name"], data["phase"], data["record"]) == (
        "prod",
        "fraud-detector",
        "Promoted",
        42,
    )
    assert data["stable"] == {
        "version": release.status.stable.version,
        "modelVersion": "1.3.0",
        "manifest": release.status.manifest,
    }
    assert (data["candidate"], data["gates"], data["clusters"]) == (None, [], ["eu-1", "us-1"])
    assert {row["type"] for row in data["conditions"]} == {"Ready", "Held", "Reconciling"}
    assert data["since"].endswith("Z")


def test_a_status_file_names_every_closed_gate():
    (gate,) = orjson.loads(status_file(state(held()), 1))["gates"]
    assert (gate["kind"], gate["open"]) == ("Signature", False)


def test_a_release_that_never_ran_has_a_status_too():
    data = orjson.loads(status_file(ReleaseState(release=release_ref(FRAUD)), 1))
    assert (data["stable"], data["since"], data["phase"]) == (None, None, "Pending")


def test_the_page_of_an_empty_ledger():
    text = readme(REPOSITORY, [], []).decode()
    assert text.startswith("# Ledger of github.com/acme/models\n")
    assert "**0 releases: no releases.**" in text


def test_the_page_lists_what_needs_somebody_and_what_happened_last():
    states = [state(running()), state(held(), "b"), state(held(), "a")]
    text = readme(REPOSITORY, states, [record(1, "one"), record(2, "two @team | x")]).decode()
    assert "**3 releases: 2 Held, 1 Promoted.**" in text
    rows = [line.partition(" | ")[0] for line in text.splitlines() if line.startswith("| prod/")]
    assert rows == ["| prod/a", "| prod/b"]
    assert "| prod/a | 1.3.0 | Held | releases/prod/fraud-detector.yaml is not verified" in text
    assert "| 2 | 2026-12-01T09:02:00Z | Promoted: two &#64;&#8203;team \\| x |\n| 1 |" in text


def test_a_row_says_what_is_asked_for_while_nothing_serves():
    release = Release()
    release.repo.edit(PROD, "version: 1.3.0", "version: 1.4.0")
    release.turn()
    (row,) = [line for line in readme(REPOSITORY, [state(release)], []).decode().splitlines() if "| prod/" in line]
    assert row.startswith("| prod/fraud-detector | 1.4.0 | Preparing | ")


def test_a_page_of_many_is_cut_and_says_so():
    release = held()
    states = [state(release, f"r{number:03}") for number in range(60)]
    lines = readme(REPOSITORY, states, []).decode().splitlines()
    assert sum(line.startswith("| prod/") for line in lines) == 50
    assert "| … | | | and 10 more, in `status/` |" in lines
