"""`config check` and `config schema`, `schema`."""

import json

import jsonschema
import pytest
import yaml
from cli_world import REPOSITORY


@pytest.fixture
def settings(world):
    """A valid settings file and everything that it names."""
    world.trust()
    (world.folder / "clusters").mkdir()
    data = {
        "apiVersion": "reconciler.dev/v1alpha1",
        "kind": "Config",
        "repositories": [{"name": REPOSITORY, "url": "https://git.example.com/acme/models.git", "trust": "trust.yaml"}],
        "signing": {"keyFile": world.key("daemon").name},
        "clusters": {"kubeconfigDir": "clusters"},
    }
    file = world.folder / "reconciler.yaml"
    file.write_text(yaml.safe_dump(data, sort_keys=False))
    return file


def test_a_valid_file_says_what_it_watches(reconciler, settings):
    for said in (
        reconciler("config", "check", "--config", settings),
        reconciler("config", "check", at=settings.parent),
    ):
        assert said.code == 0
        assert said.out.endswith(f"reconciler.yaml is valid: it watches {REPOSITORY} (main)\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [("garbage", "is not a mapping"), ("{}", "there is no context 'home'"), (None, "kube")],
)
def test_a_kubeconfig_that_cannot_be_used_is_told(reconciler, settings, text, words):
    kubeconfig = settings.parent / "kube"
    if text is not None:
        kubeconfig.write_text(text)
    settings.write_text(settings.read_text() + "home: {kubeconfig: kube, context: home}\n")
    said = reconciler("config", "check", "--config", settings)
    assert said.code == 2
    assert words in said.err
    assert "Traceback" not in said.err


def test_every_problem_is_told_with_its_line(reconciler, settings, world):
    world.key("daemon").chmod(0o644)
    (world.folder / "trust.yaml").unlink()
    said = reconciler("config", "check", "--config", settings)
    assert said.code == 2
    first, second = said.err.splitlines()
    assert first.startswith(f"{settings}:6:")
    assert "there is no file" in first
    assert second.startswith(f"{settings}:8:")
    assert "may be read by others" in second


def test_an_unknown_field_is_named(reconciler, settings):
    settings.write_text(settings.read_text() + "liimits: {workers: 1}\n")
    said = reconciler("config", "check", "--config", settings)
    assert said.code == 2
    assert "did you mean 'limits'?" in said.err


def test_the_published_schema_takes_the_file(reconciler, settings):
    said = reconciler("config", "schema")
    assert said == reconciler("schema", "Config")
    jsonschema.validate(yaml.safe_load(settings.read_text()), json.loads(said.out))


@pytest.mark.parametrize("kind", ["ModelRelease", "Environment", "Trust"])
def test_every_kind_has_a_schema(reconciler, kind):
    assert json.loads(reconciler("schema", kind).out)["$id"].endswith(f"/{kind}.json")
