"""Hostile texts on the trunk of a running daemon: each is named with its place, and every other release goes on."""

from collections.abc import Iterator

import pytest
from attack_stage import change, sign_as
from stage_lab import DEPLOYMENTS, Lab, lab

from reconciler.demo.story import PROD, STAGING, pods

FOLDER = "releases/staging"
BASE = "metadata:\n  name: fraud-detector"


def text_of(name: str, old: str = "", new: str = "") -> str:
    """The staging release under another name, with one place changed."""
    from pathlib import Path

    base = (Path(__file__).parents[2] / "sample-repo" / STAGING).read_text().replace(BASE, f"metadata:\n  name: {name}")
    assert old in base, old
    return base.replace(old, new, 1) if old else base


MAX, UNDER_SPEC, UNDER_SERVING = "max: 2", "spec:\n", "  serving:\n"
BOMB = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 9))
YAML = {
    "duplicate-key": (UNDER_SPEC, "spec:\n  environment: staging\n", ":9:3", "stands in line 8 already"),
    "anchor": ("version:", "version: &a", "", "anchors and aliases"),
    "merge": (UNDER_SPEC, "spec:\n  <<: {a: b}\n", "", "merge keys"),
    "tag": ("version:", "version: !!python/object/apply:os.system", "", "tag"),
    "no": ("team: risk", "team: NO", "", "'NO' is false to some tools"),
    "octal": ("team: risk", "team: 0755", "", "octal"),
    "bom": ("apiVersion", "\ufeffapiVersion", ":2:1", "U+FEFF is a byte order mark"),
    "nel": ("team: risk", "team: ri\u0085sk", "", "U+0085 is a line break"),
    "bidi": ("team: risk", "team: ri\u202esk", "", "U+202E is a control that reorders"),
    "escaped-bidi": ("team: risk", r'team: "ri\u202esk"', "", "U+202E is a control that reorders"),
    "escape": ("team: risk", r'team: "ri\e[31msk"', "", "U+001B is a character that is not shown"),
    "several": ("apiVersion", "a: b\n---\napiVersion", "", "exactly one document"),
    "bomb": ("apiVersion", f"x0: &x0 [a]\n{BOMB}apiVersion", "", "anchors and aliases"),
    "brackets": (UNDER_SPEC, f"spec: {'[' * 25_000}\n", "", "nested more than 64 levels"),
}
FIELDS = {
    "newline-in-name": ("  name: newline-in-name\n", '  name: "newline-in-name\\n"\n', "metadata.name"),
    "true-for-integer": (MAX, "max: true", "this must be a whole number"),
    "nan": ("value: 0.953", "value: .nan", "not-a-number"),
    "infinity": ("value: 0.953", "value: -.inf", "infinity"),
    "large": (MAX, f"max: 1{'0' * 30}", "does not fit into 64 bits"),
    "exponent": (MAX, "max: 10e30", "exponents"),
    "name-with-slash": ("  name: name-with-slash\n", "  name: ../../kube-system/x\n", "metadata.name"),
    "name-too-long": ("  name: name-too-long\n", f"  name: {'a' * 41}\n", "metadata.name"),
    "label-with-newline": ("team: risk", 'team: "a\\nb"', "metadata.labels"),
    "argument-with-null": (UNDER_SERVING, '  serving:\n    args: ["a\\0b"]\n', "spec.serving.args"),
    "other-namespace": ("namespace: fraud-staging", "namespace: kube-system", "kube-system"),
    "production-namespace": ("namespace: fraud-staging", "namespace: fraud", "namespace"),
    "namespace-with-dots": ("namespace: fraud-staging", "namespace: fraud-staging/../fraud", "spec.targets.namespace"),
    "environment-of-others": ("environment: staging", "environment: prod", "environment"),
    "image-of-others": (UNDER_SERVING, f"  serving:\n    image: evil.example/x@sha256:{'6' * 64}\n", "evil.example"),
    "account-of-others": (UNDER_SERVING, "  serving:\n    access: {serviceAccount: a/b}\n", "serviceAccount"),
    "unknown-field": (UNDER_SERVING, "  serving:\n    hostNetwork: true\n", "hostNetwork"),
    "model-uri-option": ("uri: oci://", "uri: --upload-pack=oci://", "spec.model.uri"),
}  # fmt: skip


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Everything hostile is merged at once; signatures are good where a text can be signed at all."""
    from reconciler.errors import ReconcilerError

    with lab(tmp_path_factory.mktemp("documents") / "acme") as made:
        for name, (old, new, *_) in (YAML | FIELDS).items():
            path = f"{FOLDER}/{name}.yaml"
            (made.work / path).write_text(text_of(name, old, new))
            try:
                sign_as(made, path, "bo")
            except ReconcilerError:
                continue
        made.release("1.4.0")
        made.serves("1.4.0")
        yield made
        assert "Traceback" not in made.log()


def refused(acme: Lab, name: str, *words: str) -> None:
    """Its state, or the state of the one whose name it took, says where and why; nothing of it runs."""
    path = f"{FOLDER}/{name}.yaml"

    def told() -> list[str]:
        rows = acme.stage.statuses()
        every = [line for row in rows.values() for gate in row.gates for line in gate.message.splitlines()]
        own = rows.get(("staging", name))
        return [line for line in every if f"{path}:" in line] or [gate.message for gate in (own.gates if own else ())]

    acme.wait(f"{path} is named", told)
    lines = told()
    assert any(all(word in line for word in words) for line in lines), lines
    assert not [pod for pod in pods(acme.stage, "eu-1", "fraud-staging") if name in pod["metadata"]["name"]]


@pytest.mark.slow
@pytest.mark.parametrize("name", YAML)
def test_yaml_that_tools_read_differently_is_an_error_with_its_place(acme, name):
    _, _, place, words = YAML[name]
    refused(acme, name, f"{FOLDER}/{name}.yaml{place}", words)


@pytest.mark.slow
@pytest.mark.parametrize("name", FIELDS)
def test_a_hostile_field_is_refused(acme, name):
    refused(acme, name, FIELDS[name][2])


@pytest.mark.slow
def test_arguments_and_variables_reach_the_pod_as_they_stand_and_no_shell(acme):
    hostile = ["--x=$(touch /tmp/x)", "; rm -rf /", "`id`", "$(MODEL_PATH)", "--", "{{.Values}}", "%s", "a\u00e9"]
    listed = ", ".join(f"'{word}'" for word in hostile)
    labels = "{team: risk, reconciler.dev/release: other, app.kubernetes.io/managed-by: nobody}"

    def edit(text: str) -> str:
        return text.replace("{team: risk}", labels).replace(UNDER_SERVING, f"  serving:\n    args: [{listed}]\n")

    change(acme, PROD, edit, by="bo")
    acme.commit("arguments")

    def given() -> list[list[str]]:
        rows = acme.ask("us-1", "GET", DEPLOYMENTS)["items"]
        assert {row["metadata"]["labels"]["app.kubernetes.io/managed-by"] for row in rows} == {"reconciler"}
        return [row["spec"]["template"]["spec"]["containers"][0].get("args", [])[-len(hostile) :] for row in rows]

    def literal(given: list[str]) -> bool:
        """As it stands; only the path of the model is filled in."""
        return given[:3] == hostile[:3] and given[4:] == hostile[4:]

    acme.wait("the pods have them", lambda: any(literal(row) for row in given()))


@pytest.mark.slow
def test_control_characters_of_commits_and_file_names_reach_no_log(acme):
    evil = "\x1b[31mred\x07"
    acme.git("commit", "-q", "--allow-empty", f"--author={evil} <{evil}@x>", "-m", f"{evil}\n\n\x1b]0;title\x07")
    odd = acme.git("hash-object", "-w", STAGING)
    acme.git("update-index", "--add", "--cacheinfo", f"100644,{odd},policies/{evil}.yaml")
    tree = acme.git("write-tree")
    head = acme.git("commit-tree", "-p", "HEAD", "-m", evil, tree)
    acme.git("push", "-q", "origin", f"{head}:refs/heads/main")
    acme.wait("it is read", lambda: acme.repository()["revision"] == head)
    acme.wait("it is named", lambda: "U+001B in its name" in acme.condition("Synced")["message"])
    acme.recorded()
    settings = str(acme.organisation.settings)
    outputs = [acme.run("status", "--config", settings), acme.run("plan", "--config", settings),
               acme.run("why", "prod/fraud-detector", "--config", settings),
               acme.run("once", "--config", settings, "--log-format", "console")]  # fmt: skip
    texts = [acme.log(), repr(acme.repository()), *(row.stdout + row.stderr for row in outputs)]
    assert [text for text in texts if "\x1b" in text or "\x07" in text] == []
