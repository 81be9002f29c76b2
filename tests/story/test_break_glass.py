"""At three in the morning: nobody is there to approve, somebody breaks the glass, and everybody sees it."""

import json
from collections.abc import Iterator

import pytest
from stage_lab import HOME, LEDGER, Lab, lab

ENVIRONMENT = "environments/prod.yaml"
WAIVER = "waivers/fraud-at-night.yaml"
TEXT = """\
apiVersion: reconciler.dev/v1alpha1
kind: Waiver
metadata: {{name: fraud-at-night}}
spec:
  breakGlass: [Approval]
  selector: {{names: [fraud-detector], environments: [prod]}}
  version: {version}
  reason: "incident 4711: 1.3.0 lets everything pass"
  expires: 2036-01-01T00:00:00Z
"""
REASON = "incident 4711"


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("glass") / "acme") as made:
        file = made.work / ENVIRONMENT
        file.write_text(file.read_text() + "  approvals: {rules: [{role: risk, count: 1}]}\n")
        made.organisation.sign(ENVIRONMENT, made.organisation.person("bo"))
        made.release("1.4.0")
        made.wait("1.4.0 waits for its approval", lambda: "ApprovalsMissing" in made.reasons())
        yield made
        assert "Traceback" not in made.log()


def told(acme: Lab, *words: str) -> str:
    done = acme.run(*words, "--config", str(acme.organisation.settings))
    return done.stdout + done.stderr


def sign(acme: Lab, *people: str) -> None:
    for who in people:
        acme.organisation.sign(WAIVER, acme.organisation.person(who))
    acme.commit("Break the glass for fraud-detector 1.4.0")


def test_breaking_the_glass(acme: Lab) -> None:
    plan = json.loads(told(acme, "plan", "--output", "json"))
    version = next(row["version"] for row in plan if (row["environment"], row["name"]) == ("prod", "fraud-detector"))
    page = told(acme, "plan", "--output", "markdown")
    assert "- ✗ **Approval** `fraud-detector`: releases/prod/fraud-detector.yaml is not approved" in page
    assert "<details><summary><code>fraud-detector</code> on <b>eu-1</b> and <b>us-1</b>: " in page
    assert '\n+              value: "1.4.0"\n' in page
    file = acme.work / WAIVER
    file.parent.mkdir(exist_ok=True)
    file.write_text(TEXT.format(version=version))

    sign(acme, "bo")  # bo may break the glass, and signed the release
    acme.wait(
        "it is said why it does not count", lambda: f"{WAIVER} does not count: bo signed the release" in acme.reasons()
    )
    sign(acme, "cy")  # cy signed nothing else, and may not break the glass
    acme.wait("cy's signature is looked at", lambda: acme.repository()["revision"] == acme.git("rev-parse", "HEAD"))
    assert "ApprovalsMissing" in acme.reasons()
    assert acme.status().stable.model_version == "1.3.0"

    trust = acme.folder / "trust.yaml"
    trust.write_text(
        trust.read_text().replace("may: [approve, waive, clear]", "may: [approve, waive, clear, breakGlass]")
    )
    acme.serves("1.4.0")
    acme.wait("all is promoted", lambda: acme.status().phase == "Promoted")
    acme.recorded()

    (record,) = [row for row in acme.records() if row["kind"] == "BreakGlass"]
    assert (record["name"], record["version"]) == ("fraud-detector", version)
    (opened,) = record["detail"]["opened"]
    assert (opened["kind"], opened["reason"], opened["path"]) == ("Approval", "ApprovalsMissing", WAIVER)
    assert opened["signers"] == ["bo", "cy"]
    assert REASON in opened["why"]
    events = acme.ask("eu-1", "GET", f"{HOME.replace('/apis/reconciler.dev/v1alpha1', '/api/v1')}/events")["items"]
    (event,) = [row for row in events if row["reason"] == "BreakGlass"]
    assert event["type"] == "Warning"
    assert REASON in event["message"] or REASON in event.get("note", "")
    page = acme.git("show", f"{LEDGER}:README.md", at=acme.origin)
    assert "## Break-glass in force" in page
    for words in (("status", "prod/fraud-detector"), ("why", "prod/fraud-detector"), ("status",)):
        said = told(acme, *words)
        assert "BREAK-GLASS" in said or "BreakGlass" in said, words
        assert REASON in said, words
    assert acme.audit().returncode == 0


def test_another_version_is_held_and_what_runs_keeps_being_repaired(acme: Lab) -> None:
    acme.release("1.5.0")
    acme.wait("1.5.0 waits", lambda: "1.5.0" in acme.reasons() and "ApprovalsMissing" in acme.reasons())
    acme.repairs()
    assert acme.status().stable.model_version == "1.4.0"


def test_without_its_file_it_is_over(acme: Lab) -> None:
    acme.revert()
    acme.wait("1.4.0 is what is asked for", lambda: acme.status().gates == ())
    (acme.work / WAIVER).unlink()
    (acme.work / f"{WAIVER}.sig").unlink()
    acme.commit("The incident is over")
    acme.wait("nothing is broken any more", lambda: "BreakGlass" not in acme.reasons())
    assert acme.status().stable.model_version == "1.4.0"
