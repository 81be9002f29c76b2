"""References: what a release names, and the sentence for each name that leads nowhere."""

# ruff: noqa: E501  # the sentences stand here as they are printed

import pytest
from documents_samples import CLUSTER, DIGEST, ENVIRONMENT, IMAGE, RELEASE, RUNTIME, changed

from reconciler.digest import version_of
from reconciler.documents.resolve import resolve, runtimes_of, unchained
from reconciler.documents.schema import parse
from reconciler.errors import Invalid
from reconciler.model.cluster import Cluster
from reconciler.model.release import Effective
from reconciler.model.runtime import Port, ResolvedRuntime

PATH = "releases/prod/fraud-detector.yaml"
MANIFEST = "sha256:" + "11" * 32
VALID = RELEASE.encode()
TAGGED = "registry.example.com/models/fraud-detector:1.4.0"


def cluster(name, **labels):
    text = CLUSTER.replace(
        "eu-1, labels: {region: eu, tier: prod}",
        f"{name}, labels: {{{', '.join(f'{k}: {v}' for k, v in labels.items())}}}",
    )
    return parse(f"clusters/{name}.yaml", text.encode()).as_(Cluster)


CLUSTERS = {
    "us-1": cluster("us-1", region="us", tier="prod"),
    "eu-1": cluster("eu-1", region="eu", tier="prod"),
    "dev-1": cluster("dev-1", region="eu", tier="dev"),
}
PROD = parse("environments/prod.yaml", ENVIRONMENT.encode())
MLSERVER = parse("runtimes/mlserver.yaml", RUNTIME.encode())
GENERIC = ResolvedRuntime.from_data(
    {
        "id": "builtin:generic/1",
        "name": "generic",
        "spec": {"ports": [{"name": "http", "port": 8080}], "probes": {"ready": {"path": "/ready"}}},
    }
)
RUNTIMES = runtimes_of([GENERIC], [MLSERVER])


def resolved(data=VALID, *, environment=PROD, runtimes=RUNTIMES, clusters=CLUSTERS):
    return resolve(
        parse(PATH, data),
        {"prod": environment},
        runtimes,
        clusters,
        manifest_sha256=MANIFEST,
        repository="github.com/acme/models",
        renderer=1,
    )


def told(*args, **kwargs):
    with pytest.raises(Invalid) as caught:
        resolved(*args, **kwargs)
    return [str(problem).removeprefix(PATH + ":") for problem in caught.value.problems]


def test_a_release_resolves_to_all_that_a_target_needs():
    found = resolved()
    effective = found.effective
    assert found.clusters == ("eu-1", "us-1")
    assert (effective.name, effective.repository, effective.manifest) == (
        "fraud-detector",
        "github.com/acme/models",
        MANIFEST,
    )
    assert (effective.image, effective.labels, effective.renderer) == (IMAGE, {"team": "risk"}, 1)
    assert effective.runtime.id == "runtimes/mlserver.yaml"
    assert effective.version == version_of(effective.spec, effective.runtime, IMAGE, 1)
    assert Effective.from_data(effective.to_data()) == effective


def test_the_releases_port_and_probes_stand_in_place_of_the_runtimes():
    runtime = resolved().effective.runtime.spec
    assert runtime.ports == (Port(name="http", port=9000), Port(name="grpc", port=8081))
    assert (runtime.probes.ready.path, runtime.probes.live) == ("/v2/health/ready", None)


def test_without_its_own_the_runtimes_port_probes_and_image_hold():
    data = RELEASE.replace(
        f"    image: {IMAGE}\n    port: 9000\n    probes: {{ready: {{path: /v2/health/ready}}}}\n", ""
    )
    effective = resolved(data.encode()).effective
    assert effective.runtime.spec == RUNTIMES["mlserver"].spec
    assert effective.image == IMAGE


def test_a_runtime_of_the_repository_stands_before_a_built_in_one():
    own = runtimes_of([GENERIC.model_copy(update={"name": "mlserver"})], [MLSERVER])
    assert own["mlserver"].id == "runtimes/mlserver.yaml"
    assert RUNTIMES["generic"].id == "builtin:generic/1"


ROWS = [
    ("an unknown environment", "environment: prod", "environment: prd", ["7:16: spec.environment: there is no environment 'prd': did you mean 'prod'?"]),
    ("an environment unlike any other", "environment: prod", "environment: x", ["7:16: spec.environment: there is no environment 'x': there is 'prod'"]),
    ("an unknown runtime", "runtime: mlserver", "runtime: mlsever", ["18:14: spec.serving.runtime: there is no runtime 'mlsever': did you mean 'mlserver'?"]),
    (
        "a format that the runtime does not serve",
        "format: onnx",
        "format: gguf",
        ["13:13: spec.model.format: the runtime 'mlserver' does not serve 'gguf': it serves 'onnx' and 'sklearn'"],
    ),
    (
        "its port is another one of the runtime",
        "port: 9000",
        "port: 8081",
        ["20:11: spec.serving.port: 8081 is the port 'grpc' of the runtime 'mlserver': choose another one"],
    ),
    (
        "a mutable tag",
        IMAGE,
        "registry.example.com/serving/mlserver:1.7",
        ["19:12: spec.serving.image: 'registry.example.com/serving/mlserver:1.7' is named by a tag, which can move: write name@sha256:…"],
    ),
    (
        "half a digest",
        IMAGE,
        "registry.example.com/mlserver@sha256:abc",
        [
            ("19:12: spec.serving.image: 'registry.example.com/mlserver@sha256:abc' is not an image by digest: "
            "write name@sha256: and 64 lower-case hex digits")
        ],
    ),
    (
        "a check of what the cluster checks itself, by a tag",
        "    port: 9000\n",
        "    port: 9000\n    check: {image: registry.example.com/python:3}\n",
        [
            ("21:12: spec.serving.check: the cluster pulls an oci:// model by its digest, so there is nothing to check: "
             "leave this out"),
            ("21:20: spec.serving.check.image: 'registry.example.com/python:3' is not an image by digest: write "
             "name@sha256: and 64 lower-case hex digits"),
        ],
    ),
    (
        "a hook with a mutable tag",
        "  targets:\n",
        f"  hooks: {{after: [{{job: {{name: a, image: {IMAGE}}}}}, {{job: {{name: smoke, image: 'r.example.com/smoke:1'}}}}]}}\n  targets:\n",
        ["36:182: spec.hooks.after[1].job.image: 'r.example.com/smoke:1' is named by a tag, which can move: write name@sha256:…"],
    ),
    (
        "a hook whose name does not fit beside the release's",
        "  name: fraud-detector\n  labels: {team: risk}\nspec:\n",
        f"  name: a12345678-b12345678-c12345678-d12345678\nspec:\n  hooks: {{after: [{{job: {{name: b123456789bcd, image: {IMAGE}}}}}]}}\n",
        [
            ("6:32: spec.hooks.after[0].job.name: 'b123456789bcd' is too long beside the release's name: "
            "its Job is called by both, so use at most 12 characters")
        ],
    ),
    (
        "a namespace that the environment does not allow",
        "namespace: fraud\n",
        "namespace: kube-system\n",
        ["37:16: spec.targets.namespace: 'kube-system' is not allowed: the environment 'prod' allows the namespaces 'fraud' and 'llm'"],
    ),
    (
        "a source that the environment does not allow",
        f"oci://registry.example.com/models/fraud-detector@{DIGEST}",
        "pvc://models/fraud",
        ["11:10: spec.model.uri: 'pvc' is not allowed: the environment 'prod' allows models from 'oci' and 's3'"],
    ),
    (
        "an artifact named by a tag",
        f"oci://registry.example.com/models/fraud-detector@{DIGEST}",
        f"oci://{TAGGED}",
        [f"11:10: spec.model.uri: 'oci://{TAGGED}' is named by a tag, which can move: end it with @{DIGEST}"],
    ),
    (
        "two digests that differ",
        f"    digest: {DIGEST}",
        "    digest: sha256:" + "0" * 64,
        [f"11:10: spec.model.uri: its digest {DIGEST} is not spec.model.digest sha256:{'0' * 64}: write the same one in both"],
    ),
    (
        "a Hugging Face branch",
        f"oci://registry.example.com/models/fraud-detector@{DIGEST}",
        "hf://acme/fraud@main",
        [
            "11:10: spec.model.uri: 'hf' is not allowed: the environment 'prod' allows models from 'oci' and 's3'",
            ("11:10: spec.model.uri: 'hf://acme/fraud@main' is named by a branch, which can move: "
            "end it with @ and the 40 hex digits of a commit"),
        ],
    ),
    (
        "labels that no cluster of the environment has",
        "matchLabels: {tier: prod}",
        "matchLabels: {tier: dev}",
        [
            ("38:15: spec.targets.clusters: no cluster of the environment 'prod' has the labels tier=dev: "
            "its clusters (tier=prod) are 'eu-1' and 'us-1'")
        ],
    ),
    (
        "an empty selector",
        "{matchLabels: {tier: prod}}",
        "{}",
        ["38:15: spec.targets.clusters: an empty selector matches no cluster: name at least one label"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_release_with(old, new, expected):
    assert told(changed(RELEASE, old, new)) == expected


def test_all_that_leads_nowhere_is_told_at_once():
    text = RELEASE.replace("environment: prod", "environment: x").replace("runtime: mlserver", "runtime: nowhere")
    assert [line.split(" ")[1] for line in told(text.replace(f"@{DIGEST}", ":latest").encode())] == [
        "spec.environment:",
        "spec.model.uri:",
        "spec.serving.runtime:",
    ]


def test_no_image_at_all_is_told_at_serving():
    data = RELEASE.replace("runtime: mlserver", "runtime: generic").replace(f"    image: {IMAGE}\n", "")
    assert told(data.encode()) == [
        "17:3: spec.serving.image: there is no image: the runtime 'generic' brings none, so name one as name@sha256:…"
    ]


def test_a_model_that_the_server_fetches_itself_cannot_be_checked():
    data = RELEASE.replace(f"oci://registry.example.com/models/fraud-detector@{DIGEST}", "s3://models/fraud")
    data = data.replace(
        "    port: 9000\n", f"    port: 9000\n    check: {{image: other.example.com/python@{DIGEST}}}\n"
    )
    with pytest.raises(Invalid) as caught:
        resolved(data.encode())
    said = str(caught.value)
    assert "21:12: spec.serving.check: a model at s3:// is fetched by the server itself and cannot be checked" in said
    assert "21:20: spec.serving.check.image: 'other.example.com' is not allowed: the environment 'prod' allows" in said


def test_a_runtimes_mutable_tag_is_told_at_the_runtimes_name():
    tagged = parse("runtimes/mlserver.yaml", changed(RUNTIME, IMAGE, "example.com/mlserver:1"))
    lines = told(RELEASE.replace(f"    image: {IMAGE}\n", "").encode(), runtimes=runtimes_of([], [tagged]))
    assert lines == [
        (
            "18:14: spec.serving.runtime: the image of runtimes/mlserver.yaml, 'example.com/mlserver:1' is named by a tag, "
            "which can move: write name@sha256:…"
        )
    ]


def test_a_repository_without_clusters():
    assert told(clusters={}) == ["38:15: spec.targets.clusters: there are no clusters: add a Cluster document"]


def test_an_environment_that_comes_after_one_that_is_not_there():
    last = parse("environments/prod.yaml", (ENVIRONMENT + "  after: stagging\n").encode())
    assert told(environment=last) == [
        "7:16: spec.environment: 'prod' comes after 'stagging': there is no environment 'stagging': there is 'prod'"
    ]


CHAINS = {
    "first and last": ({"dev": "", "prod": "dev"}, []),
    "one that is not there": ({"dev": "", "prod": "stagging"}, ["there is no environment 'stagging'"]),
    "a circle": ({"a": "b", "b": "a"}, ["a circle: a after b after a", "a circle: b after a after b"]),
    "after a circle": ({"a": "b", "b": "a", "c": "a"}, ["a circle: a", "a circle: b"]),
}


@pytest.mark.parametrize("row", CHAINS)
def test_a_promotion_chain_of(row):
    chain, sentences = CHAINS[row]
    texts = {
        name: ENVIRONMENT.replace("name: prod", f"name: {name}") + (f"  after: {before}\n" if before else "")
        for name, before in chain.items()
    }
    found = list(unchained(parse(f"environments/{name}.yaml", text.encode()) for name, text in texts.items()))
    assert len(found) == len(sentences)
    for problem, sentence in zip(found, sentences, strict=True):
        assert problem.field == "spec.after"
        assert sentence in problem.message


def test_an_environment_that_selects_nothing_selects_nothing():
    empty = parse("e.yaml", changed(ENVIRONMENT, "{matchLabels: {tier: prod}}", "{}"))
    assert told(environment=empty) == [
        "38:15: spec.targets.clusters: no cluster of the environment 'prod' has the labels tier=prod: it has no clusters itself"
    ]


def test_a_release_goes_only_where_both_selectors_match():
    data = changed(RELEASE, "matchLabels: {tier: prod}", "matchLabels: {region: eu}")
    assert resolved(data).clusters == ("eu-1",)


def test_nothing_that_is_asked_of_a_release_depends_on_the_order_of_what_is_there():
    backwards = dict(reversed(CLUSTERS.items()))
    assert resolved(clusters=backwards) == resolved()
