"""How the model gets to its server, by scheme."""

import pytest
from render_cases import FRAUD, llm, merged, rendering, sha

from reconciler.model.release import Model
from reconciler.render.delivery import DELIVERIES, deliver

DIGEST = sha("model")


def model(uri, name="fraud-detector"):
    return Model.from_data(merged(FRAUD["model"], {"uri": uri, "digest": DIGEST, "name": name}))


def test_an_oci_model_is_an_image_volume_of_exactly_its_digest():
    delivery = deliver(model(f"oci://registry.example.com/m/fraud:1.4.0@{DIGEST}"))
    assert delivery.volumes == (
        {
            "name": "model",
            "image": {"reference": f"registry.example.com/m/fraud:1.4.0@{DIGEST}", "pullPolicy": "IfNotPresent"},
        },
    )
    assert delivery.mounts == ({"name": "model", "mountPath": "/models/fraud-detector", "readOnly": True},)
    assert delivery.path == "/models/fraud-detector"


def test_what_was_signed_as_digest_is_what_is_pulled():
    (volume,) = deliver(model("oci://registry.example.com/m/fraud")).volumes
    assert volume["image"]["reference"] == f"registry.example.com/m/fraud@{DIGEST}"


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("https://models.example.com/fraud/1.4.0.onnx?signed=yes", "1.4.0.onnx"),
        ("https://models.example.com", "models.example.com"),
        ("https://models.example.com/fraud/", "model"),
        ("https://models.example.com/fraud/..", "model"),
    ],
)
def test_a_model_that_is_checked_is_fetched_into_the_pod(uri, file):
    delivery = deliver(model(uri), checked=True)
    assert delivery.path == f"/models/fraud-detector/{file}"
    assert delivery.volumes == ({"name": "model", "emptyDir": {}},)
    assert delivery.mounts == ({"name": "model", "mountPath": "/models/fraud-detector", "readOnly": True},)


def test_a_folder_of_a_claim_is_mounted_read_only():
    delivery = deliver(model("pvc://models/fraud/1"))
    assert delivery.volumes == ({"name": "model", "persistentVolumeClaim": {"claimName": "models", "readOnly": True}},)
    assert delivery.mounts[0]["subPath"] == "fraud/1"
    assert "subPath" not in deliver(model("pvc://models")).mounts[0]


@pytest.mark.parametrize("uri", ["s3://bucket/fraud/1", "gs://bucket/fraud/1", "https://models.example.com/fraud.onnx"])
def test_other_stores_are_read_by_the_server(uri):
    delivery = deliver(model(uri))
    assert (delivery.path, delivery.volumes, delivery.mounts) == (uri, (), ())


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("acme/chat", "/models/acme/chat"),
        ("a/../../etc", "/models/a/etc"),
        ("a/.", "/models/a"),
        ("a//b", "/models/a/b"),
    ],
)
def test_no_model_name_leads_out_of_the_models_folder(name, path):
    assert deliver(model(f"oci://r.example.com/m@{DIGEST}", name)).path == path


def test_every_scheme_that_a_model_may_have_is_delivered():
    assert set(DELIVERIES) == {"oci", "pvc", "hf", "s3", "gs", "https"}


def arguments(**over):
    (payload,) = (o.body for o in rendering((llm(**over), "stable", 2, 2)).objects if o.ref.kind == "Deployment")
    (only,) = payload["spec"]["template"]["spec"]["containers"]
    return only["command"], only["args"]


def test_vllm_takes_a_hugging_face_model_by_repository_and_revision():
    command, args = arguments()
    assert command == ["vllm", "serve"]
    assert args[0] == "acme/support-chat"
    assert args[args.index("--revision") + 1] == "0123456789" * 4


def test_vllm_takes_an_oci_model_by_path():
    _, args = arguments(model={"uri": f"oci://registry.example.com/chat@{DIGEST}", "digest": DIGEST})
    assert args[0] == "/models/acme/support-chat"
    assert "--revision" not in args


def test_vllm_uses_all_gpus_of_its_pod():
    _, args = arguments()
    assert args[args.index("--tensor-parallel-size") + 1] == "2"


@pytest.mark.parametrize("own", [["--pipeline-parallel-size", "2"], ["--data-parallel-size=2"], ["-tp", "1"]])
def test_vllm_is_left_to_a_release_that_divides_its_gpus_itself(own):
    _, args = arguments(serving={"args": own})
    assert args[-len(own) :] == own
    assert sum("parallel-size" in argument or argument == "-tp" for argument in args) == 1


def test_vllm_on_one_gpu_needs_no_division():
    _, args = arguments(serving={"resources": {"gpu": {"count": 1}}})
    assert "--tensor-parallel-size" not in args
