"""What people type in their clone for a pull request is what the daemon counts, from the plan to what serves."""

import json
import subprocess
from collections.abc import Iterator

import pytest
from pull_lab import PullLab, pull_lab
from stage_lab import run

ENVIRONMENT = "environments/prod.yaml"
APPROVALS = "  approvals: {rules: [{role: risk, count: 1}]}\n"
STAGING = "releases/staging/fraud-detector.yaml"


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PullLab]:
    with pull_lab(tmp_path_factory.mktemp("commands") / "acme") as made:
        made.lab.git("config", "reconciler.trust", str(made.people.folder / "trust.yaml"))
        for name, value in {"": "github", "Url": made.forge.api, "Project": "acme/models"}.items():
            made.lab.git("config", f"reconciler.forge{name}", value)
        text = (made.work / ENVIRONMENT).read_text()
        made.push("ask-risk", {ENVIRONMENT: text + APPROVALS}, sign=(ENVIRONMENT,))
        number = made.open("ask-risk")
        made.says(number, ENVIRONMENT)
        made.merge(number)
        yield made
        assert "Traceback" not in made.lab.log()


def types(acme: PullLab, monkeypatch: pytest.MonkeyPatch, who: str, *words: str) -> subprocess.CompletedProcess[str]:
    """What somebody types in their clone, with their key and their token."""
    monkeypatch.setenv("RECONCILER_FORGE_TOKEN", f"t-{who}")
    return run(*words, "--key", str(acme.people.person(who).key), cwd=acme.work)


@pytest.mark.slow
@pytest.mark.parametrize(("way", "version"), [("merge", "1.4.0"), ("squash", "1.4.1")])
def test_an_approval_that_is_typed_counts_and_what_was_merged_serves(acme, monkeypatch, way, version):
    head = acme.change(f"by-{way}", version)
    number = acme.open(f"by-{way}")
    plan = acme.says(number, "0 of 1 approval by risk")
    assert f"to give one, run: reconciler approve {number}, or put the signed block" in plan
    assert f"```sh\nreconciler approve {number}\n```" in plan
    said = types(acme, monkeypatch, "bo", "approve", str(number))
    assert (said.returncode, said.stderr) == (1, "bo may not approve in prod\n")
    said = types(acme, monkeypatch, "cy", "approve", str(number))
    assert said.returncode == 0, said.stderr
    assert f"→ {version}" in said.stdout
    acme.status(head, "prod", "success")
    acme.merge(number, how=way)
    acme.lab.serves(version)
    acme.says(number, "is Promoted")
    acme.lab.recorded()
    votes = [(row["approvals"][0], row["detail"]["source"]) for row in acme.lab.records() if row["kind"] == "Approved"]
    counted = [(vote["person"], source) for vote, source in votes if vote["closure"] in said.stdout]
    assert counted == [("cy", "comment")], "the daemon counts what was shown and signed"
    assert acme.lab.audit().returncode == 0
    said = types(acme, monkeypatch, "cy", "approve", str(number))
    assert said.returncode == 1
    assert f"#{number} asks nobody for an approval" in said.stderr, "the ledger says that it was promoted"


@pytest.mark.slow
def test_a_no_that_is_typed_holds_it(acme, monkeypatch):
    head = acme.change("no", "1.4.2")
    number = acme.open("no")
    acme.says(number, "0 of 1 approval by risk")
    assert types(acme, monkeypatch, "cy", "reject", str(number), "--reason", "not yet").returncode == 0
    acme.says(number, "rejected by cy")
    acme.status(head, "prod", "failure")
    acme.ask("bo", "PATCH", f"pulls/{number}", {"state": "closed"})


@pytest.mark.slow
def test_an_unsigned_one_is_signed_on_its_branch_and_planned_anew(acme, monkeypatch):
    acme.change("unsigned", "1.3.9", path=STAGING, who="")
    number = acme.open("unsigned", who="ada")
    plan = acme.says(number, "Merging would start nothing")
    assert f"runs: reconciler sign --pr {number}" in plan
    said = types(acme, monkeypatch, "bo", "sign", "--pr", str(number))
    assert said.returncode == 0, said.stderr
    acme.says(number, "Merging would promote")
    acme.merge(number, who="ada")
    acme.says(number, "is Promoted")


@pytest.mark.slow
def test_the_plan_on_the_command_line_is_the_comment(acme):
    acme.change("planned", "1.4.3")
    number = acme.open("planned")
    comment = acme.says(number, "0 of 1 approval by risk")
    plan = ("plan", "--pr", str(number), "--config", str(acme.people.settings))
    before = acme.forge.requests.copy()
    said = run(*plan, "--output", "markdown")
    assert said.returncode == 1, said.stderr
    assert without_time(said.stdout) == without_time(comment.partition("\n")[2])
    posted = {call for call, _ in acme.forge.requests - before} & {"comment", "edit", "set_status"}
    assert not posted
    text = run(*plan)
    assert f"prod/fraud-detector: {acme.lab.status().stable.model_version} → 1.4.3" in text.stdout
    data = json.loads(run(*plan, "--output", "json").stdout)
    assert [(row["name"], row["to"]) for row in data["releases"]] == [("fraud-detector", "1.4.3")]
    acme.ask("bo", "PATCH", f"pulls/{number}", {"state": "closed"})
    said = run(*plan)
    assert (said.returncode, said.stderr) == (1, f"#{number} is closed: there is nothing to plan\n")
    assert run("plan", "--pr", "99", "--config", str(acme.people.settings)).returncode == 1
    settings = acme.people.settings.with_name("plain.yaml")
    rows = acme.people.settings.read_text().splitlines()
    settings.write_text("\n".join(row for row in rows if not row.startswith("    forge: ")))
    said = run("plan", "--pr", str(number), "--config", str(settings))
    assert (said.returncode, said.stderr.splitlines()[0]) == (
        2,
        f"the settings name no forge for {acme.people.repository}",
    )


def without_time(comment: str) -> list[str]:
    """Its lines, but for the last, which says of when it is."""
    lines = comment.strip().splitlines()
    assert lines[-1].startswith("<sub>Plan ")
    return lines[:-1]
