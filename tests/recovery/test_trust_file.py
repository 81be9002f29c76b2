"""The trust file grows: the next version lies in the repository, is judged by the one before, and is remembered."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from stage_lab import HOME, Lab, lab, settle

from reconciler.cli.signing import make_key
from reconciler.demo.story import PROD, edit
from reconciler.model.wire import format_time

FILE = "trust.yaml"


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("trust") / "acme") as made:
        make_key(made.folder / "keys/eve", "eve")
        yield made
        assert "Traceback" not in made.log()


def mounted(acme: Lab) -> str:
    return (acme.folder / FILE).read_text()


def propose(acme: Lab, version: int, *, who: str = "", **changes: str) -> None:
    """Put a version of the trust file into the repository, signed by somebody, and merge it."""
    text = mounted(acme).replace("version: 1", f"version: {version}")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (acme.work / FILE).write_text(text)
    if who:
        acme.organisation.sign(FILE, acme.organisation.person(who))
    acme.commit(f"Trust {version}")


def with_eve(acme: Lab) -> str:
    """Eve is somebody who may release in production, in place of the demo's ada."""
    public = " ".join((acme.folder / "keys/eve.pub").read_text().split()[:2])
    return f"  people:\n    - {{name: eve, roles: [platform], keys: [{{key: {public}}}]}}"


def edit_by_eve(acme: Lab, version: str) -> None:
    auc = 0.94 + int(version.split(".")[1]) / 200
    edit(acme.stage, PROD, version=version, auc=auc, who="eve", message=f"Promote {version}")


def told(acme: Lab, reason: str, words: str = "") -> None:
    def holds() -> bool:
        row = acme.condition("TrustFile")
        return row["reason"] == reason and words in row["message"]

    acme.wait(f"the trust file is {reason}: {words}", holds)


def lose_everything(acme: Lab) -> None:
    acme.stage.stop_daemon()
    shutil.rmtree(acme.organisation.data)
    for kind in ("releasestates", "repositorystates"):
        acme.ask("eu-1", "DELETE", f"{HOME}/{kind}")
    acme.stage.start_daemon()
    acme.wait("the repository is known again", lambda: acme.repository()["revision"] and acme.status().stable)


@pytest.mark.slow
def test_the_next_version_counts_once_the_threshold_signed_it_and_is_never_forgotten(acme):
    told(acme, "InForce", "version 1 (mounted)")
    propose(acme, 2, **{"  people:": with_eve(acme)})
    told(acme, "ConfigNotTrusted", "is not signed: there is no signature beside it; version 1 of the trust file stays")
    acme.wait("releases say so", lambda: f"{FILE}: version 2 of the trust file" in acme.reasons())
    acme.organisation.sign(FILE, acme.organisation.person("ada"))
    acme.commit("Signed by ada")
    told(acme, "ConfigNotTrusted", "whose role science may not change the trust file")
    edit_by_eve(acme, "1.4.0")
    acme.wait("eve is nobody", lambda: "belongs to nobody in the trust file" in acme.reasons())
    acme.organisation.sign(FILE, acme.organisation.person("bo"))
    acme.commit("Signed by bo")
    told(acme, "InForce", "version 2 (from the repository)")
    acme.serves("1.4.0")
    assert acme.repository()["accepted"][FILE]["kind"] == "Trust"
    acme.recorded()
    assert acme.audit().returncode == 0, acme.audit().stdout


@pytest.mark.slow
def test_it_survives_the_deletion_of_its_file_a_restart_and_the_loss_of_all_state(acme):
    acme.git("rm", "-q", FILE, f"{FILE}.sig")
    acme.commit("Delete the trust file")
    acme.restart()
    edit_by_eve(acme, "1.5.0")
    acme.serves("1.5.0")
    told(acme, "InForce", "version 2 (from the repository)")
    acme.recorded()
    lose_everything(acme)
    told(acme, "InForce", "version 2 (from the repository)")
    edit_by_eve(acme, "1.6.0")
    acme.serves("1.6.0")
    acme.recorded()
    assert acme.audit().returncode == 0, acme.audit().stdout


@pytest.mark.slow
def test_a_mounted_file_that_is_older_is_refused_and_one_that_is_not_wins(acme):
    before = mounted(acme)
    newer = before.replace("version: 1", "version: 3").replace("  people:", with_eve(acme))
    try:
        (acme.folder / FILE).write_text(newer)
        told(acme, "InForce", "version 3 (mounted)")
        (acme.folder / FILE).write_text(newer.replace("version: 3", "version: 2"))
        told(acme, "TrustFileOutdated", "is version 2, and version 3 was in force; versions only grow; version 3 stays")
        edit_by_eve(acme, "1.7.0")
        acme.serves("1.7.0")
        acme.restart()
        told(acme, "TrustFileOutdated", "nobody is trusted with anything new until version 3 or later is mounted")
        edit_by_eve(acme, "1.8.0")
        acme.wait("it is held", lambda: "may not release" in acme.reasons())
        acme.repairs()
        assert acme.status().stable.model_version == "1.7.0"
    finally:
        (acme.folder / FILE).write_text(newer)
    told(acme, "InForce", "version 3 (mounted)")
    acme.serves("1.8.0")


@pytest.mark.slow
def test_a_revoked_key_names_what_it_released_and_deletes_nothing(acme):
    before, running = mounted(acme), acme.running()
    eve = next(line for line in before.splitlines() if "name: eve" in line)
    settle(1.1)  # what was first seen in the very second of a revocation does not count any more
    since = format_time(datetime.now(UTC).replace(microsecond=0))
    (acme.folder / FILE).write_text(before.replace(eve, eve.replace("}]}", f', revokedAt: "{since}"}}]}}')))

    def vouched() -> str:
        rows = [row for row in acme.status().conditions if row.type == "Vouched" and row.status == "False"]
        return rows[0].message if rows else ""

    acme.wait("the release names the key", lambda: "eve's key" in vouched())
    assert "1.8.0 was released with eve's key SHA256:" in vouched()
    assert acme.running() == running
    config = ("--config", str(acme.organisation.settings))
    said = acme.run("trust", "show", str(acme.folder / FILE), "--running", *config)
    assert "revoked" in said.stdout
    assert "prod/fraud-detector 1.8.0" in said.stdout
    assert acme.run("status", *config).returncode == 1
    assert not acme.status().gates
    assert "no key that counts vouches for it" in acme.run("why", "prod/fraud-detector", *config).stdout
    events = acme.ask("eu-1", "GET", "/api/v1/namespaces/reconciler-system/events")["items"]
    assert [row["type"] for row in events if row["reason"] == "KeyRevoked"]
    (acme.folder / FILE).write_text(before)
    acme.wait("nothing is said any more", lambda: not vouched())
