"""`validate`: every mistake in a tree, at its place, once, in four forms."""

import json
import shutil
from xml.etree import ElementTree as ET

import pytest
import yaml
from cli_world import CLUSTER, DOCUMENTS, ENVIRONMENT, POLICY, RELEASE

from reconciler.loop.bundle import bundled

RELEASE_FILE, POLICY_FILE = "releases/prod/fraud.yaml", "policies/two-replicas.yaml"

MISTAKES = {
    "a document that does not parse": (
        "clusters/eu-1.yaml", CLUSTER.replace("kind: Cluster", "kind: Clutser"), "2:7: kind: unknown kind 'Clutser'",
    ),
    "a field that does not exist": (
        RELEASE_FILE, RELEASE.replace("    port:", "    prot:"), "15:5: spec.serving.prot: unknown field",
    ),
    "a release in another environment's folder": (
        "releases/dev/fraud.yaml", RELEASE, "5:16: spec.environment: the file lies in releases/dev/",
    ),
    "two documents of one name": (
        "clusters/again.yaml", CLUSTER, "3:18: metadata.name: Cluster eu-1 stands in 'clusters/eu-1.yaml' too",
    ),
    "an environment that is not there": (
        "environments/prod.yaml", ENVIRONMENT.replace("name: prod", "name: live"), "there is no environment 'prod'",
    ),
    "a runtime that is not there": (
        RELEASE_FILE, RELEASE.replace("runtime: generic", "runtime: genric"), "there is no runtime 'genric'",
    ),
    "a model named by a tag": (
        RELEASE_FILE, RELEASE.replace(f"fraud@sha256:{'a' * 64}", "fraud:latest"), "named by a tag, which can move",
    ),
    "a policy that does not compile": (
        POLICY_FILE, POLICY.replace("release.spec", "relaese.spec"), "6:19: spec.validations[0].expression:",
    ),
    "a policy that answers no yes or no": (
        POLICY_FILE, POLICY.replace("replicas.min >= 2", "replicas.min + 2"), "spec.validations[0].expression:",
    ),
}  # fmt: skip


def test_a_tree_without_mistakes(reconciler, world):
    said = reconciler("validate", at=world.root)
    assert (said.code, said.out, said.err) == (0, "4 documents, no problem\n", "")


def test_the_shipped_sample_and_policies_are_valid(reconciler, tmp_path):
    for folder in (bundled("sample-repo"), bundled("policies")):
        assert reconciler("validate", "--root", folder, at=tmp_path).code == 0


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_at_its_place(case, reconciler, world):
    path, text, words = MISTAKES[case]
    world.write(path, text)
    said = reconciler("validate", at=world.root)
    assert said.code == 1
    told = [line for line in said.out.splitlines() if words in line]
    assert told, said.out
    assert told[0].partition(":")[0] in {path, RELEASE_FILE, "clusters/again.yaml", "clusters/eu-1.yaml"}
    assert said.out.splitlines()[-1].endswith(" in 4 documents" if path in DOCUMENTS else " in 5 documents")


def test_what_only_follows_from_another_mistake_is_not_told(reconciler, world):
    world.write("environments/prod.yaml", ENVIRONMENT + "x: 1\n")
    problem, note, total = reconciler("validate", at=world.root).out.splitlines()
    assert problem.startswith("environments/prod.yaml:8:1: x: unknown field")
    assert note.startswith("what releases refer to was not checked")
    assert total == "1 problem in 4 documents"


def test_named_files_are_told_of_and_the_others_only_read(reconciler, world):
    world.write("clusters/eu-1.yaml", CLUSTER.replace("tier: prod", "tier: test"))
    world.write(POLICY_FILE, POLICY + "x: 1\n")
    said = reconciler("validate", "releases", at=world.root)
    assert said.code == 1
    assert said.out.splitlines()[-1] == "1 problem in 1 document"
    assert reconciler("validate", "clusters/eu-1.yaml", at=world.root).out == "1 document, no problem\n"
    assert reconciler("validate", ".", at=world.root).out.splitlines()[-1] == "2 problems in 4 documents"


def test_what_was_not_checked_is_not_valid(reconciler, world):
    world.write("clusters/eu-1.yaml", CLUSTER + "x: 1\n")
    said = reconciler("validate", "releases", at=world.root)
    assert said.code == 1
    assert said.out.endswith("first repair the documents that cannot be read\n0 problems in 1 document\n")


def test_files_that_are_no_documents_are_fine_when_named(reconciler, world):
    world.write("README.md", "hello\n")
    assert reconciler("validate", "README.md", at=world.root).code == 0


def test_a_tree_without_documents_is_not_valid(reconciler, tmp_path):
    said = reconciler("validate", at=tmp_path)
    assert said.code == 1
    assert "there is no document in" in said.err


def test_paths_are_shown_from_the_current_folder(reconciler, world):
    world.write(POLICY_FILE, POLICY + "x: 1\n")
    said = reconciler("validate", at=world.root / "clusters")
    assert said.out.startswith("../policies/two-replicas.yaml:8:1: x: ")


def test_ignored_files_are_not_looked_at_and_links_are_refused(reconciler, world):
    world.write(".gitignore", "build/\n")
    world.write("build/bad.yaml", CLUSTER + "x: 1\n")
    assert reconciler("validate", at=world.root).code == 0
    (world.root / "clusters/link.yaml").symlink_to("eu-1.yaml")
    said = reconciler("validate", at=world.root)
    assert said.code == 1
    assert "clusters/link.yaml:1:1: is a symbolic link; links are not followed" in said.out


def test_a_path_outside_of_the_watched_folder_is_wrong_usage(reconciler, world):
    said = reconciler("validate", world.trust(), "--root", world.root, at=world.folder)
    assert said.code == 2
    assert "does not lie in" in said.err


@pytest.fixture
def mistaken(world):
    world.write(POLICY_FILE, POLICY + "x: 1\n")
    return world


def test_as_json(reconciler, mistaken):
    data = json.loads(reconciler("validate", "--format", "json", at=mistaken.root).out)
    assert data["ok"] is False
    assert len(data["documents"]) == 4
    (problem,) = data["problems"]
    assert (problem["path"], problem["line"], problem["column"], problem["field"]) == (POLICY_FILE, 8, 1, "x")


def test_as_annotations(reconciler, mistaken):
    (line,) = reconciler("validate", "--format", "github", at=mistaken.root).out.splitlines()
    assert line.startswith(f"::error file={POLICY_FILE},line=8,col=1::x: unknown field")


def test_as_junit(reconciler, mistaken):
    suite = ET.fromstring(reconciler("validate", "--format", "junit", at=mistaken.root).out)  # noqa: S314  # our own output
    assert (suite.get("tests"), suite.get("failures")) == ("4", "1")
    (failed,) = [case for case in suite if case.find("failure") is not None]
    assert failed.get("name") == POLICY_FILE


def test_a_chain_that_leads_nowhere_is_told_once_at_the_environment(reconciler, tmp_path):
    shutil.copytree(bundled("sample-repo"), tmp_path / "sample")
    prod = tmp_path / "sample/environments/prod.yaml"
    prod.write_text(prod.read_text().replace("spec:\n", "spec:\n  after: stagin\n", 1))
    said = reconciler("validate", "--root", tmp_path / "sample")
    assert said.code == 1
    assert (
        "environments/prod.yaml:7:10: spec.after: there is no environment 'stagin': did you mean 'staging'?" in said.out
    )
    assert said.out.endswith("1 problem in 16 documents\n")


def test_an_escape_hatch_that_goes_too_far_is_told_at_its_line(reconciler, tmp_path):
    shutil.copytree(bundled("sample-repo"), tmp_path / "sample")
    release = tmp_path / "sample/releases/prod/fraud-detector.yaml"
    hatches = """\
    podTemplate:
      spec:
        hostNetwork: true
        containers: [{name: proxy, image: "docker.example.org/proxy:1"}]
    objects:
      - {apiVersion: v1, kind: Secret, metadata: {name: a}}
    ignore:
      - {kind: Deployment, path: /spec/template/spec/containers/0/image}
    startup: {smoke: {path: /../secrets}}
"""
    line = release.read_text()[: release.read_text().index("    replicas:")].count("\n")
    release.write_text(release.read_text().replace("    replicas:", hatches + "    replicas:", 1))
    said = reconciler("validate", "--root", tmp_path / "sample").out
    assert f"fraud-detector.yaml:{line + 9}:29: spec.serving.startup.smoke.path: the request goes through" in said
    release.write_text(release.read_text().replace("/../secrets", "/v1/secrets"))
    said = reconciler("validate", "--root", tmp_path / "sample").out
    for at, field, sentence in (
        (3, "spec.serving.podTemplate.spec.hostNetwork", "pods of releases are restricted: false only"),
        (4, "spec.serving.podTemplate.spec.containers[0].image", "is not an image by digest"),
        (6, "spec.serving.objects[0].kind", "'Secret' is not allowed"),
        (
            8,
            "spec.serving.ignore[0].path",
            "would leave /spec/template/spec/containers/*/image of Deployment to others",
        ),
    ):
        assert any(
            f"fraud-detector.yaml:{line + at}:" in row and f"{field}: " in row and sentence in row
            for row in said.splitlines()
        ), said


# --- baselines

WITH_DEFAULTS = (
    ENVIRONMENT
    + """\
  defaults:
    serving:
      replicas: {min: 2, max: 2}
      env: [{name: LOG_LEVEL, value: "on"}]
    targets: {namespace: fraud, clusters: {matchLabels: {tier: prod}}}
"""
)
LEAN = RELEASE.replace("    replicas: {min: 2, max: 2}\n", "    args: []\n").partition("  targets:")[0]


@pytest.fixture
def lean(world):
    """A release that leaves its replicas and targets to its environment."""
    world.write("environments/prod.yaml", WITH_DEFAULTS)
    world.write(RELEASE_FILE, LEAN)
    return world


def test_a_release_that_its_environment_completes_is_valid_wherever_one_asks(reconciler, lean):
    assert reconciler("validate", at=lean.root).code == 0
    assert reconciler("validate", RELEASE_FILE, at=lean.root).out == "1 document, no problem\n"
    assert reconciler("validate", "fraud.yaml", at=lean.root / "releases/prod").code == 0


def test_what_neither_file_says_is_told_with_both_places(reconciler, lean):
    lean.write("environments/prod.yaml", ENVIRONMENT)
    lines = reconciler("validate", RELEASE_FILE, at=lean.root).out.splitlines()
    assert [line.partition(": this")[0] for line in lines[:-1]] == [
        f"{RELEASE_FILE}:4:1: spec.targets", f"{RELEASE_FILE}:12:3: spec.serving.replicas",
    ]  # fmt: skip
    assert all("in environments/prod.yaml" in line for line in lines[:-1])


@pytest.mark.parametrize("form", ["text", "json", "github", "junit"])
def test_what_is_wrong_in_a_baseline_is_told_to_who_asks_about_a_release_or_about_the_environment(
    reconciler, lean, form
):
    lean.write("environments/prod.yaml", WITH_DEFAULTS.replace("namespace: fraud", "namespace: kube-system"))
    for named in ("releases", "environments"):
        said = reconciler("validate", named, "--format", form, at=lean.root)
        assert said.code == 1
        assert "kube-system" in said.out
        assert "environments/prod.yaml" in said.out
    assert reconciler("validate", "clusters", "--format", form, at=lean.root).code == 0


def test_one_mistake_in_a_baseline_is_told_once_for_all_its_releases(reconciler, lean):
    lean.write("environments/prod.yaml", WITH_DEFAULTS.replace("namespace: fraud", "namespace: kube-system"))
    lean.write("releases/prod/other.yaml", LEAN.replace("metadata: {name: fraud}", "metadata: {name: other}"))
    assert reconciler("validate", at=lean.root).out.splitlines()[-1] == "1 problem in 5 documents"


def test_an_unknown_field_of_a_baseline_is_told_with_its_place(reconciler, lean):
    lean.write("environments/prod.yaml", WITH_DEFAULTS.replace("replicas:", "replcas:"))
    said = reconciler("validate", at=lean.root)
    assert "environments/prod.yaml:10:7: spec.defaults.serving.replcas: unknown field: did you mean" in said.out


def test_origins_show_a_release_whole_and_where_every_value_is_from(reconciler, lean):
    said = reconciler("validate", RELEASE_FILE, "--origins", at=lean.root)
    assert said.code == 0
    head, *lines, _, total = said.out.splitlines()
    assert head == f"# {RELEASE_FILE}, with all that it leaves to its environment"
    assert total == "1 document, no problem"
    rows = dict(tuple(part.strip() for part in line.split("  # ")) for line in lines if "  # " in line)
    assert rows["runtime: generic"] == f"{RELEASE_FILE}:13"
    assert rows["namespace: fraud"] == rows["tier: prod"] == "environments/prod.yaml:12"
    assert rows["max: 2"] == "environments/prod.yaml:10"
    assert rows["args: []"] == f"{RELEASE_FILE}:17"
    assert rows["strategy: rolling"] == "default"
    data = yaml.safe_load("\n".join(lines))
    assert data["spec"]["serving"]["env"] == [{"name": "LOG_LEVEL", "value": "on"}]
    assert data["spec"]["model"]["name"] == "fraud"


def test_origins_as_json(reconciler, lean):
    (release,) = json.loads(reconciler("validate", "--origins", "--format", "json", at=lean.root).out)["releases"]
    assert release["path"] == RELEASE_FILE
    assert release["spec"]["serving"]["replicas"]["min"] == 2
    assert release["origins"]["spec.serving.replicas.min"] == "environments/prod.yaml:10"
    assert release["origins"]["spec.serving.startup.budget"] == "default"


def test_origins_of_what_is_not_whole_are_not_shown_and_the_problem_is(reconciler, lean):
    lean.write("environments/prod.yaml", ENVIRONMENT)
    said = reconciler("validate", "--origins", at=lean.root)
    assert said.code == 1
    assert "with all that it leaves" not in said.out
    assert "this field is missing" in said.out


def test_origins_are_for_people_and_programs_not_for_annotations(reconciler, lean):
    said = reconciler("validate", "--origins", "--format", "github", at=lean.root)
    assert said.code == 2
    assert "--origins goes with --format text or json" in said.err
