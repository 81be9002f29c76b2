"""A release over its environment's baseline: what comes of it, where every field is from, and what is said where."""

# ruff: noqa: E501  # the sentences stand here as they are printed

import pytest
from documents_samples import CLUSTER, ENVIRONMENT, IMAGE, RELEASE, RUNTIME, changed

from reconciler.documents.complete import Completion, complete, runtime_of
from reconciler.documents.resolve import resolve, runtimes_of
from reconciler.documents.schema import parse
from reconciler.errors import Invalid
from reconciler.model.cluster import Cluster
from reconciler.model.environment import Environment
from reconciler.model.release import ModelRelease

PATH, PROD = "releases/prod/fraud-detector.yaml", "environments/prod.yaml"
RESOURCES = '    resources: {cpu: "2", memory: 8Gi, gpu: {count: 1, product: NVIDIA-H100-80GB-HBM3}}\n'
REPLICAS = "    replicas: {min: 2, max: 10, metric: {type: cpu, target: 70%}}\n"
TARGETS = "  targets:\n    namespace: fraud\n    clusters: {matchLabels: {tier: prod}}\n"
BASELINE = """\
  defaults:
    serving:
      resources: {cpu: "1", memory: 2Gi}
      replicas: {min: 1, max: 4}
      args: ["--verbose"]
      placement: {nodeSelector: {zone: a}}
    targets: {namespace: llm, clusters: {matchLabels: {tier: prod}}}
"""


def environment(defaults=BASELINE):
    return parse(PROD, (ENVIRONMENT + defaults).encode())


def release(*cuts, text=RELEASE):
    for old, new in cuts:
        text = changed(text, old, new).decode()
    return parse(PATH, text.encode())


def told(loaded, within):
    with pytest.raises(Invalid) as caught:
        complete(loaded, within)
    return [str(problem) for problem in caught.value.problems]


# --- what comes of it


def test_what_a_release_leaves_out_comes_from_the_baseline():
    spec = complete(release((RESOURCES, ""), (TARGETS, "")), environment()).spec
    assert (spec.serving.resources.cpu, spec.serving.resources.memory, spec.serving.resources.gpu) == ("1", "2Gi", None)
    assert spec.targets.namespace == "llm"


def test_what_a_release_says_stands_and_maps_of_both_are_one():
    spec = complete(release(), environment()).spec
    assert (spec.serving.replicas.min, spec.serving.replicas.max, spec.serving.args) == (2, 10, ("--workers", "2"))
    assert spec.serving.placement.node_selector == {"pool": "gpu", "zone": "a"}
    assert (spec.targets.namespace, spec.serving.resources.gpu.count) == ("fraud", 1)


def test_a_field_of_a_map_may_be_left_to_the_baseline_alone():
    spec = complete(release((REPLICAS, "    replicas: {max: 9}\n")), environment()).spec
    assert (spec.serving.replicas.min, spec.serving.replicas.max) == (1, 9)


def test_without_a_baseline_a_whole_release_is_what_it_says():
    loaded = release()
    assert complete(loaded, environment("")).spec is loaded.as_(ModelRelease).spec.whole
    assert complete(loaded, None).spec == complete(loaded, environment("")).spec


def test_a_release_that_is_whole_with_its_baseline_resolves():
    clusters = {"eu-1": parse("clusters/eu-1.yaml", CLUSTER.encode()).as_(Cluster)}
    runtimes = runtimes_of([], [parse("runtimes/mlserver.yaml", RUNTIME.encode())])
    found = resolve(
        release((RESOURCES, ""), (TARGETS, "")), {"prod": environment()}, runtimes, clusters,
        manifest_sha256="sha256:" + "1" * 64, repository="r", renderer=1,
    )  # fmt: skip
    assert (found.clusters, found.effective.spec.targets.namespace, found.effective.gpus) == (("eu-1",), "llm", 0)
    assert found.completed.spec is found.effective.spec


RUNTIMES = {
    "the release's": (RELEASE, "  defaults: {serving: {runtime: triton}}\n", "mlserver"),
    "the baseline's": (RELEASE.replace("    runtime: mlserver\n", ""), "  defaults: {serving: {runtime: triton}}\n", "triton"),
    "nobody's": (RELEASE.replace("    runtime: mlserver\n", ""), BASELINE, ""),
}  # fmt: skip


@pytest.mark.parametrize("row", RUNTIMES)
def test_the_runtime_that_is_named(row):
    text, defaults, runtime = RUNTIMES[row]
    document = release(text=text).as_(ModelRelease)
    assert runtime_of(document, environment(defaults).as_(Environment)) == runtime
    assert runtime_of(document, None) == document.runtime


# --- where it is from

ORIGINS = {
    "said by the release": (("serving", "runtime"), f"{PATH}:18:14"),
    "said by the baseline": (("targets", "namespace"), f"{PROD}:23:26"),
    "one label of a map of both": (("serving", "placement", "nodeSelector", "zone"), f"{PROD}:22:40"),
    "the other label": (("serving", "placement", "nodeSelector", "pool"), f"{PATH}:31:28"),
    "a list of both is the release's": (("serving", "args"), f"{PATH}:22:11"),
    "and an entry of it, too": (("serving", "args", 1), f"{PATH}:22:25"),
    "what no entry of the list has is nobody's": (("serving", "args", 5), ""),
    "said by nobody": (("serving", "startup", "budget"), ""),
}  # fmt: skip


@pytest.mark.parametrize("row", ORIGINS)
def test_the_place_of_what_is(row):
    path, place = ORIGINS[row]
    found = complete(release((TARGETS, "")), environment())
    assert bool(found.origin(("spec", *path))) is bool(place)
    if place:
        assert found.place(("spec", *path)) == place
    else:
        assert found.place(("spec", *path)).startswith(PATH)


def test_a_problem_is_told_in_the_file_that_its_field_is_from():
    found = complete(release((TARGETS, "")), environment())
    assert (
        str(found.problem(("spec", "targets", "namespace"), "no."))
        == f"{PROD}:23:26: spec.defaults.targets.namespace: no."
    )
    assert str(found.problem(("spec", "serving", "runtime"), "no.")) == f"{PATH}:18:14: spec.serving.runtime: no."
    assert str(found.problem(("spec", "schedule", "notBefore"), "no.")) == f"{PATH}:6:1: spec.schedule.notBefore: no."


# --- what is wrong with it


def test_what_neither_says_is_told_with_both_places():
    assert told(release((RESOURCES, ""), (REPLICAS, "    replicas: {min: 2}\n"), (TARGETS, "")), environment("  defaults: {}\n")) == [
        f"{PATH}:6:1: spec.targets: this field is missing: add it under 'spec', or under 'spec.defaults' in {PROD}",
        f"{PATH}:17:3: spec.serving.resources: this field is missing: add it under 'spec.serving', or under 'spec.defaults.serving' in {PROD}",
        f"{PATH}:28:5: spec.serving.replicas.max: this field is missing: add it under 'spec.serving.replicas', or under 'spec.defaults.serving.replicas' in {PROD}",
    ]  # fmt: skip


def test_what_lacks_in_a_release_without_an_environment_is_told_of_itself():
    assert told(release((RESOURCES, "")), None) == [
        f"{PATH}:17:3: spec.serving.resources: this field is missing: add it under 'spec.serving'"
    ]


def test_a_mapping_of_both_that_does_not_go_together_names_both():
    assert told(release((REPLICAS, "    replicas: {min: 7}\n")), environment()) == [
        f"{PATH}:29:15: spec.serving.replicas: max 4 is below min 7 (with what {PROD}:20:17 gives)"
    ]


TWICE = '      env: [{name: A, value: "1"}, {name: A, value: "2"}]\n'
ENV = "    env:\n      - name: LOG_LEVEL\n        value: info\n      - name: API_TOKEN\n        secretKeyRef: {name: fraud-secrets, key: token}\n"


def test_a_rule_that_the_baseline_alone_could_not_break_names_both_files():
    """The mapping around it lacks something in the baseline, so that its rules were not asked there."""
    within = environment(BASELINE.replace('      args: ["--verbose"]\n', TWICE))
    (line,) = told(release((ENV, "")), within)
    assert line == f"{PATH}:18:5: spec.serving: env names 'A' twice (with what {PROD}:19:7 gives)"
    assert complete(release(), within).spec.serving.env[0].name == "LOG_LEVEL"  # the release's list replaces it


def test_a_reference_that_leads_nowhere_is_told_where_it_stands():
    text = RELEASE.replace("    runtime: mlserver\n", "").replace(f"    image: {IMAGE}\n", "")
    with pytest.raises(Invalid) as caught:
        resolve(
            release((TARGETS, ""), text=text),
            {"prod": environment(BASELINE.replace("namespace: llm", "namespace: x").replace("serving:\n", "serving:\n      runtime: tritn\n"))},
            {}, {}, manifest_sha256="", repository="", renderer=1,
        )  # fmt: skip
    assert [str(problem).partition(": ")[0] for problem in caught.value.problems] == [
        f"{PROD}:19:16",
        f"{PROD}:24:26",
        f"{PROD}:24:39",
    ]


def test_a_baselines_patch_of_pods_is_held_to_the_same_rules_in_its_own_file():
    hatch = "  defaults: {serving: {podTemplate: {spec: {hostNetwork: true, priorityClassName: null}}}}\n"
    loaded = release(text=RELEASE + "  links: {owner: team-risk}\n")
    assert complete(loaded, environment(hatch)).spec.serving.pod_template["spec"]["priorityClassName"] is None
    with pytest.raises(Invalid) as caught:
        resolve(loaded, {"prod": environment(hatch)}, {}, {}, manifest_sha256="", repository="", renderer=1)
    assert f"{PROD}:17:58: spec.defaults.serving.podTemplate.spec.hostNetwork: pods of releases are restricted" in str(
        caught.value
    )


@pytest.mark.parametrize("cuts", [(), ((RESOURCES, ""),)], ids=["whole", "with something left out"])
def test_what_a_release_depends_on_is_its_own(cuts):
    loaded = release(
        *cuts, text=RELEASE.replace("  environment: prod\n", "  environment: prod\n  dependsOn: [{name: gateway}]\n")
    )
    assert [entry.name for entry in loaded.as_(ModelRelease).depends_on] == ["gateway"]
    with pytest.raises(Invalid, match=r"spec\.defaults\.dependsOn: this cannot have a baseline"):
        environment("  defaults: {dependsOn: [{name: gateway}]}\n")


def test_an_incomplete_release_whose_environment_is_not_there_is_told_that_and_nothing_else():
    with pytest.raises(Invalid) as caught:
        resolve(release((RESOURCES, "")), {"dev": environment()}, {}, {}, manifest_sha256="", repository="", renderer=1)
    assert [str(problem) for problem in caught.value.problems] == [
        f"{PATH}:7:16: spec.environment: there is no environment 'prod': there is 'dev'"
    ]


BASELINES = {
    "an unknown field": ("{serving: {replcas: {}}}", "17:24: spec.defaults.serving.replcas: unknown field: did you mean 'replicas'?"),
    "an unknown section": ("{servng: {}}", "17:14: spec.defaults.servng: unknown field: did you mean 'serving'?"),
    "a section unlike any": ("{zebra: {}}", "17:14: spec.defaults.zebra: unknown field: the fields here are 'links', 'rollout', 'schedule', 'serving' and 'targets'"),
    "a wrong type": ("{serving: {port: http}}", "17:30: spec.defaults.serving.port: this must be a whole number, not the text 'http'"),
    "null": ("{serving: {image: null}}", "17:31: spec.defaults.serving.image: this is empty: write a value, or leave the field out"),
    "null for a map": ("{serving: null}", "17:23: spec.defaults.serving: this must be a mapping (indented 'name: value' lines), not empty"),
    "nothing": ("", "17:12: spec.defaults: this must be a mapping (indented 'name: value' lines), not empty"),
    "a field of one release": ("{model: {name: x}}", "17:21: spec.defaults.model: this cannot have a baseline, for it says what one release is: write it in every release"),
    "a secret": ("{serving: {env: [{name: A, value: ghp_a1B2a1B2a1B2a1B2a1B2a1B2}]}}", "17:47: spec.defaults.serving.env[0].value: the value looks like a GitHub token"),
    "half an entry of a list": ("{serving: {placement: {tolerations: [{value: x}]}}}", "17:50: spec.defaults.serving.placement.tolerations[0].key: this field is missing"),
    "a rule broken alone": ("{serving: {replicas: {min: 3, max: 2}}}", "17:34: spec.defaults.serving.replicas: max 2 is below min 3"),
    "one key twice": ("{links: {owner: a, owner: b}}", "17:32: spec.defaults.links.owner: this key stands in line 17 already"),
}  # fmt: skip


@pytest.mark.parametrize("row", BASELINES)
def test_a_baseline_with(row):
    text, sentence = BASELINES[row]
    with pytest.raises(Invalid) as caught:
        environment(f"  defaults: {text}\n")
    (line,) = [str(problem) for problem in caught.value.problems]
    assert line.startswith(f"{PROD}:{sentence}")


def test_null_in_a_release_is_told_where_it_stands():
    """Over a baseline it would have to mean either `nothing` or `whatever the baseline says`."""
    with pytest.raises(
        Invalid, match=r"19:12: spec\.serving\.image: this is empty: write a value, or leave the field out"
    ):
        release((IMAGE, "null"))


# --- asked twice


def test_a_file_is_completed_once_for_every_text_of_its_environment():
    completion, loaded = Completion(), release((RESOURCES, ""))
    first = completion.complete(loaded, environment(), "a")
    assert completion.complete(loaded, environment(), "a") is first
    second = completion.complete(loaded, environment(BASELINE.replace("2Gi", "4Gi")), "b")
    assert (first.spec.serving.resources.memory, second.spec.serving.resources.memory) == ("2Gi", "4Gi")
    for _ in range(2):
        with pytest.raises(Invalid, match="resources: this field is missing"):
            completion.complete(loaded, None, "")
