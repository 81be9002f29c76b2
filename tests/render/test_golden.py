"""What a release becomes, held as readable YAML, and the promise that a renderer's number makes."""

import pytest
import yaml
from render_cases import CASES, GOLDEN, golden_text, pod_templates, rendering

from reconciler.model.state import canonical
from reconciler.render import BUILTIN, RENDERER
from reconciler.render.target import RENDERERS


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_release_renders_to_its_golden_file(name):
    assert golden_text(rendering(*CASES[name])) == (GOLDEN / f"{name}.yaml").read_text()


def test_every_golden_file_is_of_a_case():
    kept = {path.stem for path in GOLDEN.glob("*.yaml")} - {"renderers", "runtimes"}
    assert kept == set(CASES)


def test_a_pod_template_that_changes_needs_the_next_renderer_number():
    promised = yaml.safe_load((GOLDEN / "renderers.yaml").read_text())
    assert pod_templates() == promised[RENDERER], "pods would restart: add a renderer with the next number instead"


def test_every_renderer_that_versions_may_run_with_is_promised():
    assert set(RENDERERS) == set(yaml.safe_load((GOLDEN / "renderers.yaml").read_text()))
    assert max(RENDERERS) == RENDERER


def test_a_built_in_runtime_never_changes_under_its_name():
    promised = yaml.safe_load((GOLDEN / "runtimes.yaml").read_text())
    assert {name: runtime.to_data() for name, runtime in BUILTIN.items()} == promised


def test_rendering_twice_gives_the_same_bytes():
    for entries in CASES.values():
        assert rendering(*entries) == rendering(*entries)


def test_a_payload_is_canonical_json():
    for entries in CASES.values():
        for rendered in rendering(*entries).objects:
            assert canonical(rendered.body) == rendered.payload
