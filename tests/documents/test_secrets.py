"""What looks like a secret is an error that never repeats it."""

import time

import pytest
from documents_samples import RELEASE, RUNTIME, changed
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.documents.schema import parse
from reconciler.documents.secrets import env_secret, secret_shape, secrets_in
from reconciler.documents.words import show
from reconciler.errors import Invalid

FIX = "put it in a Secret and write secretKeyRef: {name: …, key: …} instead of value"
BY_NAME = "by its name this is a secret"
RANDOM = "the value looks like a random key"

ROWS = [
    ("a token by name", "HF_TOKEN", "abc", BY_NAME),
    ("a password by name", "DB_PASSWORD_OLD", "abc", BY_NAME),
    ("a secret by name", "client_secret", "abc", BY_NAME),
    ("a key by name", "OPENAI_API_KEY", "abc", BY_NAME),
    ("a key without a prefix", "APIKEY", "abc", BY_NAME),
    ("credentials by name", "DB_CREDENTIALS", "ada:abc", BY_NAME),
    ("a private key", "CERT", "-----BEGIN RSA PRIVATE KEY-----\nMII", "the value looks like a private key"),
    ("an AWS access key", "ID", "AKIAIOSFODNN7EXAMPLE", "the value looks like an AWS access key"),
    ("a GitHub token", "X", "ghp_" + "a1B2" * 9, "the value looks like a GitHub token"),
    ("a fine-grained GitHub token", "X", "github_pat_" + "a1B2_" * 9, "the value looks like a GitHub token"),
    ("a GitLab token", "X", "glpat-" + "a1B2" * 5, "the value looks like a GitLab token"),
    ("an API key", "X", "sk-proj-" + "a1B2" * 8, "the value looks like an API key"),
    ("a Slack token", "X", "xoxb-123456789012-abc", "the value looks like a Slack token"),
    ("a Hugging Face token", "X", "hf_" + "aBcD" * 9, "the value looks like a Hugging Face token"),
    ("a JSON web token", "X", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "the value looks like a JSON web token"),
    ("a password in a URL", "DB", "postgres://ada:hunter2@db/x", "the value looks like a password in a URL"),
    ("a random key", "X", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY0a", ""),
    ("a random key in one run", "X", "q8Zr3TnVx5Lk2Pw9Ys6Hd1Bf", RANDOM),
    ("a random key in base64url", "X", "b7Q2x-Zk9fT3mW8pL5vR1cN6yH4jD0sG_a", RANDOM),
    ("a switch with a secret's name", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "1", ""),
    ("an empty one", "HF_TOKEN", "", ""),
    ("a reference to another variable", "HF_TOKEN", "$(HUB_TOKEN)", ""),
    ("the place of a secret", "DB_PASSWORD_FILE", "/run/secrets/db", ""),
    ("the place of credentials", "GOOGLE_APPLICATION_CREDENTIALS", "/var/run/gcp.json", ""),
    ("a number of tokens", "MAX_TOKENS", "4096", ""),
    ("a log level", "LOG_LEVEL", "info", ""),
    ("a model's name", "MODEL", "meta-llama/Llama-3.3-70B-Instruct-AWQ", ""),
    ("a class name", "ARCH", "Qwen2VLForConditionalGeneration2Model", ""),
    ("a digest", "DIGEST", "sha256:" + "0a1b" * 16, ""),
    ("a commit", "REVISION", "8d1f" * 10, ""),
    ("a library path", "LD_LIBRARY_PATH", "/usr/local/cuda-12.4/lib64:/opt/tritonserver/lib", ""),
    ("a URL", "ENDPOINT", "https://metrics.example.com:9090/api/v1", ""),
]


@pytest.mark.parametrize(("name", "value", "reason"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_as_an_environment_variable(name, value, reason):
    assert env_secret(name, value) == reason


def told(data: bytes) -> list[str]:
    with pytest.raises(Invalid) as caught:
        parse("f.yaml", data)
    return [str(problem) for problem in caught.value.problems]


def test_a_token_in_env_is_refused_with_the_way_to_do_it():
    token = "ghp_" + "a1B2" * 9
    lines = told(changed(RELEASE, "value: info", f"value: {token}"))
    assert lines == [f"f.yaml:25:16: spec.serving.env[0].value: the value looks like a GitHub token: {FIX}"]


def test_a_secret_by_name_is_refused_at_its_value():
    lines = told(changed(RELEASE, "name: LOG_LEVEL\n        value: info", "name: API_KEY\n        value: swordfish"))
    assert lines == [f"f.yaml:25:16: spec.serving.env[0].value: {BY_NAME}: {FIX}"]


def test_a_token_in_an_argument_or_a_label_is_refused_too():
    token = "ghp_" + "a1B2" * 9
    sentence = "this looks like a GitHub token: whoever can read the repository can read it; keep it in a Secret"
    assert told(changed(RELEASE, '"--workers", "2"', f"--token={token}")) == [
        f"f.yaml:22:12: spec.serving.args[0]: {sentence}"
    ]
    assert told(changed(RUNTIME, "sklearn, onnx", f"sklearn, {token}")) == [f"f.yaml:5:22: spec.formats[1]: {sentence}"]


def test_an_env_that_is_no_list_of_variables_is_no_secret():
    assert list(secrets_in({"env": ["a", {"name": 3, "value": "b"}, {"value": ["c"]}]})) == []
    assert [path for path, _ in secrets_in({"env": [{"value": "ghp_" + "a1B2" * 9}]})] == [("env", 0, "value")]


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["value: {}", "valeu: {}", "value: [{}]", "value: *{}", "value: !{} x", "name: {}", "{}: {}"]))
def test_a_secret_in_a_wrong_place_is_not_repeated_either(form):
    token = "ghp_" + "a1B2" * 9
    lines = told(changed(RELEASE, "value: info", form.format(token, token)))
    assert not any(token in line for line in lines)


@settings(max_examples=50, deadline=None)
@given(st.from_regex(r"\A(ghp_[A-Za-z0-9]{36}|AKIA[A-Z0-9]{16}|glpat-[a-zA-Z0-9]{20})\Z"), st.text(max_size=5))
def test_what_has_the_shape_of_a_secret_is_not_shown(token, prefix):
    assert secret_shape(token)
    assert show(token) == "(hidden)"
    assert token not in show(prefix + "=" + token)


@pytest.mark.parametrize("piece", ["sk-", "-eyJ", "://a:", "-gh", "-----BEGIN A"])
def test_a_text_made_of_the_beginnings_of_secrets_is_looked_at_in_a_moment(piece):
    before = time.process_time()
    secret_shape(piece * (256 * 1024 // len(piece)))
    assert time.process_time() - before < 3


def test_a_long_token_is_still_one():
    assert secret_shape("sk-proj-" + "a" * 100 + "7" + "b" * 20) == "an API key"
    assert secret_shape(f"eyJ{'a' * 900}.eyJ{'b' * 3000}.c") == "a JSON web token"
