"""The pod template: made of the version's fields alone, restricted, and started as the runtime says."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from render_cases import churn, fraud, llm, merged, ranker, rendering, sha

from reconciler.model.release import Effective
from reconciler.model.runtime import Port, Probe, Probes, ResolvedRuntime, RuntimeSpec

SERVER = RuntimeSpec(
    command=("serve",),
    args=("--model", "$(MODEL_PATH)"),
    ports=(Port(name="http", port=8080), Port(name="metrics", port=8082)),
    probes=Probes(ready=Probe(path="/ready")),
)


def deployment(effective, role="stable", low=2, high=2):
    (payload,) = (o.body for o in rendering((effective, role, low, high)).objects if o.ref.kind == "Deployment")
    return payload


def pod(effective):
    return deployment(effective)["spec"]["template"]["spec"]


def container(effective):
    (only,) = pod(effective)["containers"]
    return only


def served_by(spec, **over):
    return fraud("1.4.0", **over).model_copy(
        update={"runtime": ResolvedRuntime(id="runtimes/own.yaml", name="own", spec=spec)}
    )


def names():
    return st.from_regex(r"[a-z]([a-z0-9]{0,8})?", fullmatch=True)


@st.composite
def changes_in_place(draw):
    low = draw(st.integers(1, 50))
    return {
        "labels": draw(st.dictionaries(names(), names(), max_size=2)),
        "manifest": sha(draw(st.text(max_size=5))),
        "spec": {
            "evidence": {"evaluations": [{"dataset": "d", "metric": "auc", "value": draw(st.floats(0, 1))}]},
            "rollout": {"strategy": draw(st.sampled_from(["rolling", "recreate"]))},
            "targets": {"namespace": "fraud", "clusters": {"matchLabels": {"tier": draw(names())}}},
            "serving": {
                "replicas": {
                    "min": low,
                    "max": low + draw(st.integers(0, 50)),
                    "metric": {"type": draw(st.sampled_from(["cpu", "memory"])), "target": "50%"},
                },
                "disruption": {"maxUnavailable": draw(st.integers(1, 5))},
                "access": {"allowFrom": [{"namespace": name} for name in draw(st.lists(names(), max_size=3))]},
            },
        },
    }


@settings(max_examples=40, deadline=None)
@given(
    change=changes_in_place(),
    role=st.sampled_from(["stable", "candidate", "previous"]),
    sizes=st.sampled_from([(0, 0), (1, 1), (2, 10)]),
)
def test_nothing_that_applies_in_place_and_no_role_or_size_changes_the_deployment(change, role, sizes):
    before = fraud("1.4.0")
    data = before.to_full_data()
    after = Effective.from_data(merged(data, change))
    assert deployment(after, role, *sizes) == deployment(before)


@pytest.mark.parametrize(
    ("why", "over"),
    [
        ("its model", {"model": {"name": "other"}}),
        ("its arguments", {"serving": {"args": ["--threads", "4"]}}),
        ("its environment", {"serving": {"env": [{"name": "A", "value": "b"}]}}),
        ("its resources", {"serving": {"resources": {"cpu": "3"}}}),
        ("its placement", {"serving": {"placement": {"topologySpread": "node"}}}),
        ("its identity", {"serving": {"access": {"serviceAccount": "other"}}}),
    ],
)
def test_what_is_part_of_the_version_is_in_the_pod(why, over):
    assert pod(fraud("1.4.0", **over)) != pod(fraud("1.4.0")), why


@pytest.mark.parametrize(
    ("why", "text", "becomes"),
    [
        ("the path", "$(MODEL_PATH)", "/models/fraud-detector"),
        ("inside a text", "--name=$(MODEL_NAME):$(MODEL_VERSION)", "--name=fraud-detector:1.4.0"),
        ("an escaped name stays for the kubelet", "$$(MODEL_NAME)", "$$(MODEL_NAME)"),
        ("after an escaped dollar it is a name again", "$$$(MODEL_NAME)", "$$fraud-detector"),
        ("another variable is the kubelet's", "$(POD_IP)", "$(POD_IP)"),
        ("nothing else is a template", "${MODEL_NAME} {{ .x }} `id`", "${MODEL_NAME} {{ .x }} `id`"),
    ],
)
def test_arguments_are_substituted_and_nothing_more(why, text, becomes):
    assert container(fraud("1.4.0", serving={"args": [text]}))["args"] == [becomes], why


def test_a_model_uri_is_never_expanded_again():
    each = fraud("1.4.0", model={"uri": "s3://bucket/$(SECRET)"}, serving={"args": ["$(MODEL_PATH)"]})
    assert container(each)["args"] == ["s3://bucket/$$(SECRET)"]
    values = {variable["name"]: variable.get("value") for variable in container(each)["env"]}
    assert values["MODEL_URI"] == values["MODEL_PATH"] == "s3://bucket/$$(SECRET)"


def test_arguments_stand_in_the_order_runtime_then_release():
    assert container(served_by(SERVER, serving={"args": ["--threads", "4"]}))["args"] == [
        "--model", "/models/fraud-detector", "--threads", "4",
    ]  # fmt: skip


def test_the_releases_environment_wins_over_ours_and_no_name_stands_twice():
    each = fraud("1.4.0", serving={"env": [{"name": "HOME", "value": "/data"}, {"name": "EMPTY", "value": ""}]})
    variables = container(each)["env"]
    assert [variable["name"] for variable in variables] == [
        "MODEL_NAME", "MODEL_VERSION", "MODEL_PATH", "MODEL_URI", "HOME", "EMPTY",
    ]  # fmt: skip
    assert variables[-2:] == [{"name": "HOME", "value": "/data"}, {"name": "EMPTY"}]


def test_a_secret_is_referred_to_by_name():
    (variable,) = (entry for entry in container(fraud("1.4.0"))["env"] if entry["name"] == "FEATURE_TOKEN")
    assert variable["valueFrom"] == {"secretKeyRef": {"name": "fraud-features", "key": "token"}}


def test_probes_ask_the_first_port_and_the_start_is_waited_for():
    only = container(served_by(SERVER))
    assert only["startupProbe"]["httpGet"] == only["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "http"}
    assert only["startupProbe"]["periodSeconds"] * only["startupProbe"]["failureThreshold"] == 300
    assert deployment(served_by(SERVER))["spec"]["progressDeadlineSeconds"] > 300


def test_a_runtime_without_a_live_probe_is_never_restarted_by_one():
    assert "livenessProbe" not in container(served_by(SERVER))
    assert "livenessProbe" in container(fraud("1.4.0"))


def test_gpus_stand_in_the_limits_only_and_memory_in_both():
    resources = container(llm())["resources"]
    assert resources["limits"] == {"memory": "1536Gi", "nvidia.com/gpu": "2"}
    assert resources["requests"] == {"cpu": "7500m", "memory": "1536Gi"}
    assert pod(llm())["nodeSelector"] == {"pool": "gpu", "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}


def test_gpu_pods_have_shared_memory_and_others_do_not():
    assert {"name": "shm", "emptyDir": {"medium": "Memory"}} in pod(llm())["volumes"]
    assert all(volume["name"] != "shm" for volume in pod(fraud("1.4.0"))["volumes"])


def test_empty_lists_and_maps_are_left_out():
    bare = fraud("1.4.0", serving={"args": [], "env": [], "placement": {"topologySpread": None}})
    assert {"nodeSelector", "tolerations", "topologySpreadConstraints"}.isdisjoint(pod(bare))
    assert {"args", "command"}.isdisjoint(container(bare))


def test_pods_are_restricted_and_have_somewhere_to_write():
    each = pod(fraud("1.4.0"))
    assert each["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert each["automountServiceAccountToken"] is False
    (only,) = each["containers"]
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert {"name": "tmp", "mountPath": "/tmp"} in only["volumeMounts"]


def test_pods_spread_by_version():
    (zone,) = pod(fraud("1.4.0"))["topologySpreadConstraints"]
    assert zone["topologyKey"] == "topology.kubernetes.io/zone"
    assert zone["labelSelector"]["matchLabels"] == deployment(fraud("1.4.0"))["spec"]["selector"]["matchLabels"]


def test_the_default_service_account_is_the_releases_name():
    assert pod(llm())["serviceAccountName"] == "support-chat"
    assert pod(fraud("1.4.0"))["serviceAccountName"] == "fraud"


def with_port(effective, port):
    """As `resolve` does it: the release's own port stands in place of the runtime's first one."""
    first, *others = effective.runtime.spec.ports
    spec = effective.runtime.spec.model_copy(update={"ports": (first.model_copy(update={"port": port}), *others)})
    return effective.model_copy(update={"runtime": effective.runtime.model_copy(update={"spec": spec})})


def test_triton_listens_on_its_three_ports_or_on_the_releases_own_first_one():
    assert container(ranker())["args"][1:4] == ["--http-port=8000", "--grpc-port=8001", "--metrics-port=8002"]
    assert "--http-port=9000" in container(with_port(ranker(), 9000))["args"]


def test_mlserver_is_told_by_variables_where_to_listen_and_to_write():
    env = {row["name"]: row["value"] for row in container(churn())["env"]}
    assert (env["MLSERVER_HTTP_PORT"], env["MLSERVER_GRPC_PORT"], env["MLSERVER_METRICS_PORT"]) == (
        "8080", "8081", "8082",
    )  # fmt: skip
    assert env["MLSERVER_METRICS_DIR"].startswith("/tmp/")
    moved = {row["name"]: row["value"] for row in container(with_port(churn(), 9000))["env"]}
    assert moved["MLSERVER_HTTP_PORT"] == "9000"


def test_a_releases_own_variable_stands_in_place_of_the_runtimes():
    own = churn(serving={"env": [{"name": "MLSERVER_METRICS_DIR", "value": "/cache"}]})
    assert [row["value"] for row in container(own)["env"] if row["name"] == "MLSERVER_METRICS_DIR"] == ["/cache"]


@pytest.mark.parametrize(("budget", "failures", "deadline"), [("5m", 60, 600), ("30m", 360, 2100), ("31s", 7, 335)])
def test_the_startup_budget_is_what_the_probe_and_the_deadline_allow(budget, failures, deadline):
    slow = llm(serving={"startup": {"budget": budget}})
    probe = container(slow)["startupProbe"]
    assert (probe["failureThreshold"], probe["periodSeconds"]) == (failures, 5)
    assert deployment(slow)["spec"]["progressDeadlineSeconds"] == deadline
