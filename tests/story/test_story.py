"""The demo's whole story, on the embedded clusters and on two real control planes: the same steps, the same checks."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.demo.stage import staged
from reconciler.demo.story import STORY


def play(folder: Path, kubeconfig: Path | None) -> list[str]:
    """Tell the story without pauses; what every step said was checked."""
    said = []
    with staged(folder, kubeconfig=kubeconfig, pace=0.0, progress=lambda _: None) as stage:
        try:
            said = [step.play(stage) for step in STORY]
            stage.stop_daemon()
            repository, trust = stage.organisation.folder / "models.git", stage.organisation.folder / "trust.yaml"
            audit = stage.command("audit", "verify", "--repository-dir", str(repository), "--trust", str(trust))
        finally:
            log = (folder / "demo.log").read_text()
            stage.close()
    assert "holds" in audit
    assert "Traceback" not in log, log
    return said


@pytest.mark.slow
def test_the_story_holds_on_the_embedded_clusters(tmp_path: Path) -> None:
    assert len(play(tmp_path / "acme", None)) == len(STORY)


@pytest.mark.slow
@pytest.mark.controlplane
def test_the_story_holds_on_real_control_planes(tmp_path: Path, two_control_planes: Callable[[], Path]) -> None:
    assert len(play(tmp_path / "acme", two_control_planes())) == len(STORY)
