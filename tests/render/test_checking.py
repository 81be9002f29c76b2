"""The init container that compares a model with its digest: what it runs, run here, and how it stands in the pod."""

import hashlib
import subprocess
import sys

import pytest
from render_cases import fraud, merged, sha

from reconciler.render.checking import PROGRAM, PYTHON
from reconciler.render.pod import deadline_seconds, pod_template

IMAGE = f"registry.example.com/tools/python@{sha('python')}"
ON_A_CLAIM = {"model": {"uri": "pvc://models/fraud/2"}, "serving": {"check": {"image": IMAGE}}}


def release(over):
    return fraud("1.4.0", **over)


def run(path, wanted, uri=""):
    """The program as the pod runs it, with this interpreter in place of the image's."""
    words = [sys.executable, *PYTHON[1:], PROGRAM, str(path), wanted, uri]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, (done.stdout + done.stderr).strip()


def digest(*parts):
    """The root digest of files with these contents, in the order of their paths."""
    return "sha256:" + hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


@pytest.fixture
def model(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "weights").write_bytes(b"weights")
    (tmp_path / "config").write_bytes(b"config")
    (tmp_path / "a.txt").write_bytes(b"first")
    return tmp_path


def test_a_folder_is_the_digest_of_its_files_digests_in_the_order_of_their_paths(model):
    wanted = digest(b"first", b"weights", b"config")
    assert run(model, wanted) == (0, f"{model} is {wanted}")


def test_a_file_is_the_digest_of_its_bytes(model):
    assert run(model / "config", "sha256:" + hashlib.sha256(b"config").hexdigest())[0] == 0


def test_one_changed_byte_is_not_served(model):
    wanted = digest(b"first", b"weights", b"config")
    (model / "b" / "weights").write_bytes(b"Weights")
    code, said = run(model, wanted)
    assert code == 1
    assert said.startswith("the model is not served: its digest is sha256:")
    assert said.endswith(f", and {wanted} was signed")


@pytest.mark.parametrize("link", ["b/link", "link"])
def test_a_link_is_refused_wherever_it_leads(model, link):
    (model / link).symlink_to(model / "config")
    code, said = run(model, digest(b"first", b"weights", b"config", b"config"))
    assert (code, said) == (1, f"the model is not served: {model / link} is a symbolic link")


def test_an_empty_folder_and_one_that_is_not_there_are_no_model(tmp_path):
    assert run(tmp_path, digest())[1] == f"the model is not served: there is no model in {tmp_path}"
    code, said = run(tmp_path / "gone", digest())
    assert code == 1
    assert "gone" in said


def test_a_model_that_cannot_be_fetched_is_said_so(tmp_path):
    code, said = run(tmp_path / "model", digest(), "https://127.0.0.1:1/model")
    assert code == 1
    assert said.startswith("the model is not served: it could not be fetched: ")
    assert "Traceback" not in said


def test_the_pod_compares_before_the_server_starts_and_changes_nothing_of_the_claim():
    (check,) = pod_template(release(ON_A_CLAIM), {})["spec"]["initContainers"]
    assert check["name"] == "check-model"
    assert check["image"] == IMAGE
    words = [*PYTHON, PROGRAM, "/models/fraud-detector", sha("fraud 1.4.0"), ""]
    assert check["command"] == words
    assert check["volumeMounts"] == [
        {"name": "model", "mountPath": "/models/fraud-detector", "readOnly": True, "subPath": "fraud/2"}
    ]
    assert check["securityContext"] == {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True,
    }  # fmt: skip


def test_what_is_fetched_is_written_by_the_check_and_read_by_the_server():
    uri = "https://models.example.com/fraud.onnx"
    pod = pod_template(release(merged(ON_A_CLAIM, {"model": {"uri": uri}})), {})["spec"]
    (check,), (server,) = pod["initContainers"], pod["containers"]
    assert check["command"][-3:] == ["/models/fraud-detector/fraud.onnx", sha("fraud 1.4.0"), uri]
    assert "readOnly" not in check["volumeMounts"][0]
    assert {"name": "model", "mountPath": "/models/fraud-detector", "readOnly": True} in server["volumeMounts"]
    assert {"name": "MODEL_PATH", "value": "/models/fraud-detector/fraud.onnx"} in server["env"]


def test_reading_a_model_twice_may_take_twice_as_long():
    plain = release({"model": ON_A_CLAIM["model"]})
    assert deadline_seconds(release(ON_A_CLAIM)) - deadline_seconds(plain) == deadline_seconds(plain) - 300


def test_without_it_nothing_of_the_pod_changes():
    assert "initContainers" not in pod_template(release({"model": ON_A_CLAIM["model"]}), {})["spec"]


def test_the_program_has_nothing_that_the_kubelet_would_replace():
    assert "$" not in PROGRAM
