"""The promotion chain on running clusters: production waits for staging's soak, and nobody has to look at it."""

from pathlib import Path

import pytest

from reconciler.demo.stage import Stage, staged
from reconciler.demo.story import PROD, STAGING, edit, held, serves
from reconciler.errors import Refused

ENVIRONMENT = "environments/prod.yaml"


def chain(stage: Stage, soak: str) -> None:
    """Production comes after staging from now on."""
    people = stage.organisation
    file = people.checkout.top / ENVIRONMENT
    file.write_text(file.read_text().replace("spec:\n", f"spec:\n  after: staging\n  soak: {soak}\n", 1))
    people.sign(ENVIRONMENT, people.person("bo"))
    people.commit("Production comes after staging", people.person("bo"))


def waits_for_staging(stage: Stage) -> str:
    """What production says while it waits."""
    return held(stage, "prod", "Policy")


def explained(stage: Stage) -> str:
    """What `policy eval` says of production's release at the trunk's head; it ends with 1 where a policy denies."""
    head = str(stage.organisation.checkout.head())
    with pytest.raises(Refused) as caught:
        stage.command("policy", "eval", PROD, "--revision", head, "--config", str(stage.organisation.settings))
    return str(caught.value)


@pytest.mark.slow
def test_production_is_held_until_staging_has_served_the_version_for_its_soak(tmp_path: Path) -> None:
    with staged(tmp_path / "acme", kubeconfig=None, pace=0.0, progress=lambda _: None) as stage:
        try:
            chain(stage, "4s")
            stage.start_daemon()
            stage.wait("1.3.0 serves in production", lambda: serves(stage, "1.3.0"))
            edit(stage, PROD, version="1.4.0", auc=0.957, who="bo", message="Promote 1.4.0 to prod too early")
            stage.wait("production is held", lambda: "1.3.0 is stable there" in waits_for_staging(stage))
            assert "✗ rule 1 at policies/promotion-order.yaml:25:19: upstream.served" in explained(stage)
            edit(stage, STAGING, version="1.4.0", auc=0.957, who="ada", message="Promote 1.4.0 to staging")
            stage.wait("production waits for the soak", lambda: "its soak of 4s ends at" in waits_for_staging(stage))
            stage.wait("1.4.0 serves in production", lambda: serves(stage, "1.4.0"))
            assert waits_for_staging(stage) == ""
        finally:
            stage.close()
