"""Kinds and fields: what a person reads when a document is wrong, at which line and column."""

# ruff: noqa: E501  # the sentences stand here as they are printed

import json
from pathlib import Path
from typing import Annotated

import pytest
from documents_samples import DIGEST, ENVIRONMENT, POLICY, RELEASE, RUNTIME, SAMPLES, changed
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler.documents.explain import fields_at
from reconciler.documents.forms import form
from reconciler.documents.load import load
from reconciler.documents.schema import (
    KINDS,
    NotOurs,
    is_document_path,
    json_schema,
    parse,
    parse_as,
    schema_files,
)
from reconciler.errors import Invalid, Misused
from reconciler.model.cluster import Cluster
from reconciler.model.release import ModelRelease
from reconciler.model.wire import Field, Wire

PATH = "releases/prod/fraud-detector.yaml"
SCHEMAS = Path(__file__).parents[2] / "schemas"
SERVING_FIELDS = "'access', 'args', 'check', 'disruption', 'env', 'ignore', 'image', 'objects', 'placement', 'podTemplate', 'port', 'probes' and 4 more"
MAPPING = "this must be a mapping (indented 'name: value' lines), not"


def told(data: bytes) -> list[str]:
    with pytest.raises(Invalid) as caught:
        parse(PATH, data)
    assert all(problem.path == PATH for problem in caught.value.problems)
    return [str(problem).removeprefix(PATH + ":") for problem in caught.value.problems]


RELEASES = [
    (
        "a misspelt field is missing and unknown",
        "    digest: sha",
        "    digset: sha",
        [
            "8:3: spec.model.digest: this field is missing: add it under 'spec.model'",
            "12:5: spec.model.digset: unknown field: did you mean 'digest'?",
        ],
    ),
    (
        "an unknown field like no other",
        "    port: 9000\n",
        "    zebra: 1\n",
        [f"20:5: spec.serving.zebra: unknown field: the fields here are {SERVING_FIELDS}"],
    ),
    (
        "the spelling inside the program is not the published one",
        "value: info",
        "secret_key_ref: {name: a, key: b}",
        ["25:9: spec.serving.env[0].secret_key_ref: unknown field: did you mean 'secretKeyRef'?"],
    ),
    (
        "a version that is a number",
        "version: 1.4.0",
        "version: 1.10",
        ['10:14: spec.model.version: this must be text, not the number 1.10: put it in quotes, "1.10"'],
    ),
    (
        "a name that is a boolean",
        "pool: gpu",
        "pool: true",
        ['31:28: spec.serving.placement.nodeSelector.pool: this must be text, not true: put it in quotes, "true"'],
    ),
    (
        "an env value that is a number is not repeated",
        "value: info",
        "value: 12345",
        ["25:16: spec.serving.env[0].value: this must be text, not a number: put it in quotes"],
    ),
    (
        "text for a whole number",
        "port: 9000",
        "port: '9000'",
        ["20:11: spec.serving.port: this must be a whole number, not the text '9000'"],
    ),
    (
        "a fraction for a whole number",
        "port: 9000",
        "port: 9000.0",
        ["20:11: spec.serving.port: this must be a whole number, not the number 9000.0"],
    ),
    (
        "true for a whole number",
        "port: 9000",
        "port: true",
        ["20:11: spec.serving.port: this must be a whole number, not true"],
    ),
    (
        "a number that is too large",
        "port: 9000",
        "port: 90000",
        ["20:11: spec.serving.port: this must be at most 65535"],
    ),
    ("a list for a mapping", "rollout: {strategy: rolling}", "rollout: []", [f"39:12: spec.rollout: {MAPPING} a list"]),
    ("nothing for a mapping", "rollout: {strategy: rolling}", "rollout:", [f"39:11: spec.rollout: {MAPPING} empty"]),
    (
        "a mapping for a list",
        'args: ["--workers", "2"]',
        "args: {}",
        ["22:11: spec.serving.args: this must be a list, not a mapping"],
    ),
    (
        "text for a number",
        "value: 0.953",
        "value: high",
        ["16:56: spec.evidence.evaluations[0].value: this must be a number, not the text 'high'"],
    ),
    (
        "a word that is not one of the choices",
        "strategy: rolling",
        "strategy: rollin",
        ["39:23: spec.rollout.strategy: this must be 'rolling' or 'recreate', not the text 'rollin': did you mean 'rolling'?"],
    ),
    (
        "a name with a capital and one with a line feed",
        "  name: fraud-detector\n  labels",
        '  name: "fraud\\n"\n  labels',
        [
            ("4:9: metadata.name: 'fraud\\u000a' does not fit: a release's name has at most 40 lower-case letters, "
            "digits and '-', and starts with a letter")
        ],
    ),
    (
        "a short digest",
        f"    digest: {DIGEST}",
        "    digest: sha256:abc",
        ["12:13: spec.model.digest: 'sha256:abc' does not fit: write sha256: and 64 lower-case hex digits"],
    ),
    (
        "a quantity",
        "memory: 8Gi",
        "memory: 8GB",
        ["28:35: spec.serving.resources.memory: '8GB' is not a quantity such as 500m, 2 or 16Gi"],
    ),
    (
        "two fields that do not go together",
        "{min: 2, max: 10,",
        "{min: 20, max: 10,",
        ["29:15: spec.serving.replicas: max 10 is below min 20"],
    ),
    (
        "a label's name and its value",
        "team: risk",
        "-team: 'a b'",
        [
            ("5:12: metadata.labels['-team']: the name '-team' does not fit: a label's name has at most 63 letters, "
            "digits, '-', '_' and '.', after an optional domain/"),
            ("5:19: metadata.labels['-team']: 'a b' does not fit: a label's value has at most 63 letters, "
            "digits, '-', '_' and '.'"),
        ],
    ),
    (
        "another version of the group",
        "reconciler.dev/v1alpha1",
        "reconciler.dev/v2",
        ["1:13: apiVersion: this must be 'reconciler.dev/v1alpha1', not the text 'reconciler.dev/v2'"],
    ),
    ("an unknown kind", "kind: ModelRelease", "kind: ModelReleas", ["2:7: kind: unknown kind 'ModelReleas': did you mean 'ModelRelease'?"]),
    (
        "a kind unlike any other",
        "kind: ModelRelease",
        "kind: Pod",
        [
            ("2:7: kind: unknown kind 'Pod': the kinds are 'Cluster', 'Environment', 'Hold', 'ModelRelease', "
            "'Policy', 'PolicyTest', 'ServingRuntime', 'Trust' and 'Waiver'")
        ],
    ),
    (
        "no kind",
        "kind: ModelRelease\n",
        "",
        [
            ("1:1: kind: this field is missing: add one of 'Cluster', 'Environment', 'Hold', 'ModelRelease', "
            "'Policy', 'PolicyTest', 'ServingRuntime', 'Trust' and 'Waiver'")
        ],
    ),
    (
        "the country of Norway",
        "environment: prod",
        "environment: NO",
        ["7:16: spec.environment: 'NO' is false to some tools and text to others: write false, or put it in quotes: \"NO\""],
    ),
    (
        "what the loader said is not said again by the schema",
        "value: info",
        "value: *level",
        ["25:16: spec.serving.env[0].value: anchors and aliases (&, *) are not read here: write the value again"],
    ),
    (
        "what a merge key would bring is not called missing",
        "  name: fraud-detector\n  labels",
        "  <<: {name: x}\n  labels",
        ["4:3: metadata: merge keys (<<) are not read here: write the fields out"],
    ),
    (
        "a hook without an image and with a name that is none",
        "  targets:\n",
        "  hooks:\n    before:\n      - job: {name: Migrate}\n  targets:\n",
        [
            "38:9: spec.hooks.before[0].job.image: this field is missing: add it under 'spec.hooks.before[0].job'",
            (
                "38:21: spec.hooks.before[0].job.name: 'Migrate' does not fit: use at most 30 lower-case letters, "
                "digits and '-', with a letter or digit at both ends"
            ),
        ],
    ),
    (
        "a hook that may take longer than a day",
        "  targets:\n",
        "  hooks: {after: [{job: {name: a, image: i, budget: 25h}}]}\n  targets:\n",
        ["36:25: spec.hooks.after[0].job: a hook's budget of 1d1h is not between 10s and 24h"],
    ),
    (
        "two hooks of one name",
        "  targets:\n",
        "  hooks:\n    before:\n      - job: {name: a, image: i}\n    after:\n      - job: {name: a, image: i}\n  targets:\n",
        ["37:5: spec.hooks: two hooks are called 'a'"],
    ),
    (
        "a hook with a literal secret",
        "  targets:\n",
        "  hooks: {after: [{job: {name: a, image: i, env: [{name: API_TOKEN, value: hunter2}]}}]}\n  targets:\n",
        [
            (
                "36:76: spec.hooks.after[0].job.env[0].value: by its name this is a secret: "
                "put it in a Secret and write secretKeyRef: {name: …, key: …} instead of value"
            )
        ],
    ),
    (
        "a second document",
        "  rollout: {strategy: rolling}\n",
        "---\napiVersion: v1\n",
        ["39:1: a file holds exactly one document: put this one into a file of its own"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), [row[1:] for row in RELEASES], ids=[row[0] for row in RELEASES])
def test_a_release_with(old, new, expected):
    assert told(changed(RELEASE, old, new)) == expected


def test_everything_wrong_with_a_file_is_told_at_once_and_in_order():
    text = RELEASE.replace("environment: prod", "environment: NO").replace("port: 9000", "prot: 0755")
    text = text.replace("value: info", "value: ghp_" + "a1B2" * 8).replace("targets:", "target:")
    assert told(text.encode()) == [
        "7:16: spec.environment: 'NO' is false to some tools and text to others: write false, or put it in quotes: \"NO\"",
        (
            "20:11: spec.serving.prot: some tools read a leading zero as octal: write the number without it, "
            "or put it in quotes if it is text"
        ),
        (
            "25:16: spec.serving.env[0].value: the value looks like a GitHub token: put it in a Secret and write "
            "secretKeyRef: {name: …, key: …} instead of value"
        ),
        "36:3: spec.target: unknown field: did you mean 'targets'?",
    ]


OTHERS = [
    (ENVIRONMENT, "[fraud, llm]", "[]", "5:15: spec.namespaces: this list needs at least 1 entry"),
    (
        ENVIRONMENT,
        "30d",
        "30",
        "9:32: spec.rollback.maxAge: this must be a duration such as 90s, 10m, 24h or 30d, not the number 30",
    ),
    (ENVIRONMENT, "30d", "1mo", "9:32: spec.rollback.maxAge: '1mo' is not a duration such as 90s, 10m, 24h or 30d"),
    (
        ENVIRONMENT,
        "30d",
        '"3\\n0"',
        "9:32: spec.rollback.maxAge: '3\\u000a0' is not a duration such as 90s, 10m, 24h or 30d",
    ),
    (
        ENVIRONMENT,
        "{margin: 0.02}",
        "3",
        "11:50: spec.policies.params.not-worse: this must be a mapping (indented 'name: value' lines), not the number 3",
    ),
    (
        ENVIRONMENT,
        "not-worse: {",
        "Not-Worse: {",
        (
            "11:39: spec.policies.params.Not-Worse: the name 'Not-Worse' does not fit: use at most 63 lower-case letters, "
            "digits and '-', with a letter or digit at both ends"
        ),
    ),
    (
        ENVIRONMENT,
        "[fraud, llm]",
        "[fraud, 3]",
        '5:23: spec.namespaces[1]: this must be text, not the number 3: put it in quotes, "3"',
    ),
    (ENVIRONMENT, "true", "'true'", "10:13: spec.selfHeal: this must be true or false, not the text 'true'"),
    (
        ENVIRONMENT,
        "[oci, s3]",
        "[oci, http]",
        (
            "8:23: spec.modelSources[1]: this must be 'oci', 's3', 'gs', 'hf', 'https' or 'pvc', not the text 'http': "
            "did you mean 'https'?"
        ),
    ),
    (ENVIRONMENT, "reason: batch", "reason: ''", "11:102: spec.policies.off[0].reason: this must not be empty"),
    (
        ENVIRONMENT,
        "Europe/Berlin",
        "Europe/Berlim",
        (
            "13:15: spec.windows.timeZone: there is no time zone 'Europe/Berlim': write one such as Europe/Berlin, or UTC"
        ),
    ),
    (
        ENVIRONMENT,
        "Europe/Berlin",
        "CEST",
        "13:15: spec.windows.timeZone: 'CEST' does not fit: write a time zone such as Europe/Berlin, or UTC",
    ),
    (
        ENVIRONMENT,
        "0 9 * * MON-THU",
        "0 25 * * MON-THU",
        (
            "14:20: spec.windows.allow[0].cron: the hour of this cron expression is not right: write minute, hour, "
            "day of month, month and day of week, such as 0 9 * * MON-FRI"
        ),
    ),
    (
        ENVIRONMENT,
        "0 9 * * MON-THU",
        "0 0 9 * * MON-THU",
        (
            "14:20: spec.windows.allow[0].cron: '0 0 9 * * MON-THU' does not fit: write five fields with one space "
            "between them: minute, hour, day of month, month and day of week, such as 0 9 * * MON-FRI"
        ),
    ),
    (
        ENVIRONMENT,
        "0 0 20 12 *",
        "0 0 30 2 *",
        (
            "15:19: spec.windows.deny[0].cron: the day-of-month of this cron expression is not right: write minute, hour, "
            "day of month, month and day of week, such as 0 9 * * MON-FRI"
        ),
    ),
    (ENVIRONMENT, "21d", "0s", "15:44: spec.windows.deny[0].duration: a period lasts from 1m to 366d"),
    (
        ENVIRONMENT,
        "finish",
        "stop",
        "16:14: spec.windows.overrun: this must be 'pause' or 'finish', not the text 'stop'",
    ),
    (
        SAMPLES["Hold"],
        "{environments: [prod], matchLabels: {team: risk}}",
        "{}",
        "5:13: spec.selector: it selects nothing: give environments, names or matchLabels",
    ),
    (
        SAMPLES["Hold"],
        "  releasedBy: platform\n",
        "",
        "4:1: spec.releasedBy: this field is missing: add it under 'spec'",
    ),
    (
        SAMPLES["Waiver"],
        "  expires: 2026-12-31T00:00:00Z\n",
        "",
        "4:1: spec.expires: this field is missing: add it under 'spec'",
    ),
    (
        SAMPLES["Waiver"],
        ", environments: [prod]",
        "",
        "6:3: spec.selector.environments: this field is missing: add it under 'spec.selector'",
    ),
    (
        RUNTIME,
        "probes: {ready: {path: /v2/health/ready}, ",
        "probes: {ready: {path: v2}, ",
        "9:26: spec.probes.ready.path: 'v2' does not fit: write the path of a URL, starting with '/'",
    ),
    (
        POLICY,
        "reason: NoOwner",
        "reason: no-owner",
        (
            "11:15: spec.validations[0].reason: 'no-owner' does not fit: write a reason in PascalCase, such as "
            "EvaluationRegressed"
        ),
    ),
]


@pytest.mark.parametrize(
    ("sample", "old", "new", "expected"), OTHERS, ids=[f"{row[3].split(': ')[1]} {row[2]!r}" for row in OTHERS]
)
def test_another_document_with_a_wrong(sample, old, new, expected):
    assert told(changed(sample, old, new)) == [expected]


def test_a_time_that_is_none():
    data = changed(SAMPLES["PolicyTest"], "now: 2026-12-01T09:00:00Z", "now: tomorrow")
    assert told(data) == [
        "10:12: spec.cases[1].now: this must be a time such as 2026-12-01T09:00:00Z, not the text 'tomorrow'"
    ]


def test_conflicts_inside_a_trust_file_are_told_where_they_are():
    lines = told(changed(SAMPLES["Trust"], "role: owner, count: 1", "role: owner, count: 2"))
    assert lines == ["6:14: spec.threshold: it can never be met: it needs 2 with the role owner and the file has 1"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_valid_document_is_loaded_with_its_identity_and_positions(kind):
    loaded = parse("some/file.yaml", SAMPLES[kind].encode())
    assert (loaded.path, loaded.kind) == ("some/file.yaml", kind)
    assert type(loaded.document) is KINDS[kind]
    assert loaded.positions.value(("kind",)) == (2, 7)
    assert str(loaded.problem(("kind",), "x", key=True)) == "some/file.yaml:2:1: kind: x"


def test_a_loaded_document_is_what_it_is_and_nothing_else():
    loaded = parse(PATH, RELEASE.encode())
    assert (loaded.name, loaded.as_(ModelRelease).environment) == ("fraud-detector", "prod")
    with pytest.raises(Misused, match="is a ModelRelease, not a Cluster"):
        loaded.as_(Cluster)


NOT_OURS = [
    ("an empty file", b""),
    ("a Kubernetes object", b"apiVersion: apps/v1\nkind: Deployment\n"),
    ("a group that only starts like ours", b"apiVersion: reconciler.development/v1\nkind: ModelRelease\n"),
    ("a workflow with `on`, anchors and tags", b"on: push\nx: &a 1\ny: !t *a\n"),
    ("several Kubernetes objects", b"apiVersion: v1\n---\napiVersion: v1\n"),
    ("a template that is no YAML", b"apiVersion: v1\nname: {{ .Values.name }}\nkind: [\n"),
    ("a file that is no text", bytes(range(256))),
    ("a very large file", b"a: 1\n" * 100_000),
    ("a list", b"- apiVersion: reconciler.dev/v1alpha1\n"),
    ("text that speaks of us", b"# apiVersion: reconciler.dev/v1alpha1\na: 1\n"),
]

OURS_ALL_THE_SAME = [
    ("broken at the end", RELEASE.encode() + b"  x: [\n"),
    ("not UTF-8", RELEASE.encode() + b"\xff"),
    ("too large", RELEASE.encode() + b"#" * 300_000),
    ("second in its file", b"apiVersion: v1\n---\n" + RELEASE.encode()),
    ("with a byte order mark", b"\xef\xbb\xbf" + RELEASE.encode()),
    ("in JSON that breaks off", b'{"apiVersion": "reconciler.dev/v1alpha1", "kind": '),
    ("of an unknown kind", b"apiVersion: reconciler.dev/v1alpha1\nkind: 3\n"),
    ("without anything else", b"apiVersion: reconciler.dev"),
]


@pytest.mark.parametrize("data", [row[1] for row in NOT_OURS], ids=[row[0] for row in NOT_OURS])
def test_is_left_alone(data):
    with pytest.raises(NotOurs):
        parse("f.yaml", data)


@pytest.mark.parametrize("data", [row[1] for row in OURS_ALL_THE_SAME], ids=[row[0] for row in OURS_ALL_THE_SAME])
def test_is_an_error_and_never_an_absence_when_it_is(data):
    with pytest.raises(Invalid):
        parse("f.yaml", data)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_however_a_release_is_damaged_the_answer_is_one_of_three(data):
    raw = bytearray(RELEASE.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(raw) - 1))
        raw[start : start + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        loaded = parse("f.yaml", bytes(raw))
    except (Invalid, NotOurs):
        return
    assert loaded.kind in KINDS


@pytest.mark.parametrize(
    ("path", "answer"),
    [("a.yaml", True), ("a/b.yml", True), ("a.yaml.sig", False), ("yaml", False), ("a.json", False), ("a.YAML", False)],
)
def test_documents_are_looked_for_in_yaml_files(path, answer):
    assert is_document_path(path) is answer


def test_a_file_that_must_be_one_kind_is_parsed_as_it():
    cluster, positions = parse_as(Cluster, "c.yaml", SAMPLES["Cluster"].encode())
    assert cluster.name == "eu-1"
    assert positions.value(("spec", "suspend")) == (6, 12)
    with pytest.raises(Invalid) as caught:
        parse_as(Cluster, "c.yaml", RELEASE.encode())
    assert "c.yaml:2:7: kind: this must be 'Cluster', not the text 'ModelRelease'" in str(caught.value)
    with pytest.raises(Invalid, match="the file holds no document"):
        parse_as(Cluster, "c.yaml", b"\n")


class Inner(Wire):
    """A model whose errors have no words of ours."""

    even: Annotated[int, Field(multiple_of=2)] = 0


class Outer(Wire):
    """Models in a mapping, in a list, and perhaps."""

    by_name: dict[str, Inner] = Field(default_factory=dict)
    listed: tuple[Inner, ...] = ()
    maybe: Inner | None = None


def test_an_error_without_words_of_ours_still_has_a_place_and_a_sentence():
    with pytest.raises(Invalid) as caught:
        parse_as(Outer, "f.yaml", b"maybe: {even: 3}\n")
    assert str(caught.value) == "f.yaml:1:15: maybe.even: this does not fit: Input should be a multiple of 2"


@pytest.mark.parametrize("text", ["byName: {x: {evn: 1}}", "listed: [{evn: 1}]", "maybe: {evn: 1}"])
def test_a_field_is_suggested_wherever_its_model_lies(text):
    with pytest.raises(Invalid, match=r"evn: unknown field: did you mean 'even'\?"):
        parse_as(Outer, "f.yaml", text.encode())


def test_a_field_beneath_an_unknown_one_has_no_known_names():
    assert fields_at(Outer, ("byName", "x")) == ["even"]
    assert fields_at(Outer, ("zebra", "x")) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_schema_is_valid_and_accepts_what_the_model_accepts(kind):
    schema = json_schema(kind)
    Draft202012Validator.check_schema(schema)
    assert (schema["$id"], schema["title"]) == (f"https://reconciler.dev/schemas/{kind}.json", KINDS[kind].__name__)
    assert schema["description"]
    Draft202012Validator(schema).validate(load("f.yaml", SAMPLES[kind].encode()).data)


SEEN_BY_EDITORS = [
    row
    for row in RELEASES
    if any(word in row[3][0] for word in ("this must be", "missing", "unknown", "the name", "write sha256", "quantity"))
    and row[0] not in ("a fraction for a whole number", "the country of Norway")  # 9000.0 is whole to JSON Schema
]


@pytest.mark.parametrize(("old", "new"), [row[1:3] for row in SEEN_BY_EDITORS], ids=[row[0] for row in SEEN_BY_EDITORS])
def test_the_published_schema_refuses_too(old, new):
    data = load("f.yaml", changed(RELEASE, old, new)).data
    assert not Draft202012Validator(json_schema("ModelRelease")).is_valid(data)


def test_the_published_schemas_are_up_to_date():
    """To write them: PYTHONPATH=. python tests/documents/write_schemas.py."""
    assert {path.name: path.read_bytes() for path in SCHEMAS.iterdir()} == schema_files()


def test_there_is_no_schema_of_an_unknown_kind():
    with pytest.raises(Misused, match="There is no kind 'Modelrelease': did you mean 'ModelRelease'"):
        json_schema("Modelrelease")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "Trust"])  # Trust says its sentences itself
def test_every_pattern_of_a_document_has_a_sentence(kind):
    def patterns(node):
        if isinstance(node, dict):
            yield from ([node["pattern"]] if isinstance(node.get("pattern"), str) else [])
            yield from (found for name in node.get("patternProperties", {}) for found in [name])
            for value in node.values():
                yield from patterns(value)
        elif isinstance(node, list):
            for value in node:
                yield from patterns(value)

    found = {pattern for pattern in patterns(json_schema(kind)) if not pattern.startswith("^([0-9]+d)?")}
    found -= {r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"}  # quantities and durations say it themselves
    assert found
    assert not [pattern for pattern in found if form(pattern).startswith("it must have the form")]
    assert json.dumps(sorted(found))


@pytest.mark.parametrize("version", ["reconciler.dv/v1alpha1", "reconcilr.dev/v1alpha1", "reconciler.dev1/v1"])
def test_a_misspelt_group_is_a_problem_and_not_somebody_elses_file(version):
    with pytest.raises(Invalid) as caught:
        parse("environments/dev.yaml", f"apiVersion: {version}\nkind: Environment\nmetadata: {{name: dev}}\n".encode())
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.field) == (1, 13, "apiVersion")
    assert "did you mean 'reconciler.dev/v1alpha1'?" in problem.message


def test_a_policy_of_another_project_is_somebody_elses_file():
    with pytest.raises(NotOurs):
        parse("policies/p.yaml", b"apiVersion: kyverno.io/v1\nkind: Policy\nmetadata: {name: p}\n")


@pytest.mark.parametrize(
    ("added", "sentence"),
    [
        ("  after: prod\n", "'prod' cannot come after itself"),
        ("  soak: 24h\n", "spec.soak needs spec.after"),
        ("  promotion: auto\n", "spec.promotion: auto needs spec.after"),
    ],
)
def test_a_promotion_chain_that_makes_no_sense(added, sentence):
    with pytest.raises(Invalid, match=sentence):
        parse("environments/prod.yaml", (ENVIRONMENT + added).encode())


EVIDENCE = """
    card: docs/fraud.md
    license: Apache-2.0
    risk: high
    trainingRun:
      provider: mlflow
      uri: https://mlflow.example.com/#/experiments/3/runs/77
      commit: "4711000"
      dataset: {uri: "s3://data/fraud", digest: DIGEST}
""".replace("DIGEST", DIGEST)


def test_evidence_and_links_are_read():
    text = changed(RELEASE, "  evidence:\n", f"  evidence:{EVIDENCE}").decode()
    text += "  links: {owner: team-risk, runbook: 'https://runbooks.example.com/fraud', incident: pagerduty/fraud}\n"
    spec = parse(PATH, text.encode()).document.spec.whole
    assert (spec.evidence.card, spec.evidence.license, spec.evidence.risk) == ("docs/fraud.md", "Apache-2.0", "high")
    assert (spec.evidence.training_run.commit, spec.evidence.training_run.dataset.digest) == ("4711000", DIGEST)
    assert (spec.links.owner, spec.links.incident) == ("team-risk", "pagerduty/fraud")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("risk: high", "risk: extreme", "extreme"),
        ("license: Apache-2.0", "license: the usual one", "SPDX identifier"),
        ("card: docs/fraud.md", "card: my card.md", "a path in the repository or an address"),
        ('commit: "4711000"', "commit: main", "7 to 64 lower-case hex digits"),
        ("provider: mlflow", "provider: mlflow\n      runs: 7", "runs"),
    ],
)
def test_evidence_that_cannot_be_read(old, new, sentence):
    text = changed(RELEASE, "  evidence:\n", f"  evidence:{EVIDENCE.replace(old, new)}")
    with pytest.raises(Invalid) as caught:
        parse(PATH, text)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(("budget", "wrong"), [("30s", ""), ("2h", ""), ("29s", "29s"), ("2h1s", "2h1s"), ("0s", "0s")])
def test_a_startup_budget_has_bounds(budget, wrong):
    text = changed(RELEASE, "    disruption:", f"    startup: {{budget: {budget}}}\n    disruption:")
    if not wrong:
        assert parse(PATH, text).document.spec.whole.serving.startup.budget
        return
    with pytest.raises(Invalid, match=f"a startup budget of {wrong} is not between 30s and 2h"):
        parse(PATH, text)
