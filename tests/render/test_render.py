"""Which objects a target should have, in which order, and what is refused."""

import hashlib
import itertools

import pytest
from render_cases import CASES, HOOKS, REPOSITORY, directive, fraud, key_of, llm, rendering, sha

from reconciler.errors import Stalled
from reconciler.model.ids import ReleaseKey, short
from reconciler.model.objects import LABEL_HOOK, LABEL_MANAGED, LABEL_STATE, LABEL_VERSION
from reconciler.render import render

OLD, NEW = fraud("1.4.0"), fraud("1.5.0")


def kinds(rendered, tier):
    return [each.ref.kind for each in rendered.objects if each.tier == tier]


def body(rendered, kind, name):
    (found,) = (each.body for each in rendered.objects if (each.ref.kind, each.ref.name) == (kind, name))
    return found


def name_of(effective):
    return f"fraud-detector-{short(effective.version)}"


def test_identity_comes_before_the_versions_and_the_address_after_them():
    rendered = rendering((OLD, "stable", 2, 10))
    assert kinds(rendered, 1) == ["ServiceAccount", "NetworkPolicy"]
    assert kinds(rendered, 2) == ["Service", "Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget"]
    assert kinds(rendered, 3) == ["Service"]
    assert [each.tier for each in rendered.objects] == sorted(each.tier for each in rendered.objects)


@pytest.mark.parametrize(
    ("why", "replicas", "low", "high", "autoscaler"),
    [
        ("a range is what the autoscaler may choose from", {"min": 2, "max": 10}, 2, 10, (2, 10)),
        ("a rollout pins the autoscaler to the size it set", {"min": 2, "max": 10}, 3, 3, (3, 3)),
        ("a release of one size has no autoscaler", {"min": 2, "max": 2}, 2, 2, None),
        ("a version at zero has no autoscaler", {"min": 2, "max": 10}, 0, 0, None),
    ],
)
def test_the_autoscaler(why, replicas, low, high, autoscaler):
    each = fraud("1.4.0", serving={"replicas": replicas})
    found = [o.body["spec"] for o in rendering((each, "stable", low, high)).objects if o.ref.group == "autoscaling"]
    assert [(spec["minReplicas"], spec["maxReplicas"]) for spec in found] == ([autoscaler] if autoscaler else []), why


def test_a_version_at_zero_has_no_disruption_budget():
    rendered = rendering((NEW, "stable", 2, 10), (OLD, "previous", 0, 0))
    assert [each.ref.name for each in rendered.objects if each.ref.kind == "PodDisruptionBudget"] == [name_of(NEW)]


def test_sizes_are_apart_from_payloads():
    rendered = rendering((OLD, "stable", 3, 3), (NEW, "candidate", 1, 1))
    assert {size.ref.name: (size.low, size.high) for size in rendered.sizes} == {
        name_of(OLD): (3, 3),
        name_of(NEW): (1, 1),
    }
    for each in rendered.objects:
        if each.ref.kind == "Deployment":
            assert "replicas" not in each.body["spec"]


def test_the_release_service_selects_every_version_and_the_others_only_theirs():
    rendered = rendering((OLD, "stable", 3, 3), (NEW, "candidate", 1, 1))
    assert body(rendered, "Service", "fraud-detector")["spec"]["selector"] == {
        "reconciler.dev/release": "fraud-detector"
    }
    assert body(rendered, "Service", name_of(NEW))["spec"]["selector"] == {
        "reconciler.dev/release": "fraud-detector",
        LABEL_VERSION: short(NEW.version),
    }


@pytest.mark.parametrize(
    ("why", "entries", "lead"),
    [
        ("the candidate leads", [(OLD, "stable", 3, 3), (NEW, "candidate", 1, 1)], NEW),
        ("without one the stable version leads", [(NEW, "previous", 0, 0), (OLD, "stable", 3, 3)], OLD),
        ("else the first", [(NEW, "previous", 0, 0), (OLD, "previous", 0, 0)], NEW),
    ],
)
def test_the_releases_own_objects_follow_the_lead_version(why, entries, lead):
    annotations = body(rendering(*entries), "Service", "fraud-detector")["metadata"]["annotations"]
    assert annotations["reconciler.dev/model-version"] == lead.spec.model.version, why
    assert annotations["reconciler.dev/manifest"] == lead.manifest


def test_the_order_of_versions_in_a_directive_changes_nothing():
    entries = [(OLD, "stable", 3, 3), (NEW, "candidate", 1, 1), (fraud("1.3.0"), "previous", 0, 0)]
    renderings = [rendering(*order) for order in itertools.permutations(entries)]
    assert all(each == renderings[0] for each in renderings)


def test_callers_are_the_own_namespace_and_those_named():
    (rule,) = body(rendering((OLD, "stable", 2, 10)), "NetworkPolicy", "fraud-detector")["spec"]["ingress"]
    assert rule["from"] == [
        {"podSelector": {}},
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "checkout"}}},
    ]
    assert rule["ports"] == [{"port": 8080, "protocol": "TCP"}]


def test_the_policy_opens_the_ports_of_both_versions_while_they_differ():
    moved = NEW.model_copy(update={"runtime": llm().runtime})
    (rule,) = body(rendering((OLD, "stable", 2, 2), (moved, "candidate", 1, 1)), "NetworkPolicy", "fraud-detector")[
        "spec"
    ]["ingress"]
    assert [port["port"] for port in rule["ports"]] == [8000, 8080]


def test_a_service_account_stays_while_a_version_runs_as_it():
    renamed = fraud("1.5.0", serving={"access": {"serviceAccount": "fraud-v2"}})
    rendered = rendering((OLD, "stable", 2, 2), (renamed, "candidate", 1, 1))
    assert [each.ref.name for each in rendered.objects if each.ref.kind == "ServiceAccount"] == ["fraud", "fraud-v2"]


def test_every_object_says_whose_it_is():
    for entries in CASES.values():
        for each in rendering(*entries).objects:
            labels = each.body["metadata"]["labels"]
            assert labels[LABEL_STATE] == key_of(entries[0][0]).state_name
            assert labels[LABEL_MANAGED] == "reconciler"


def test_names_fit_even_for_the_longest_release_name():
    name = "a" * 40
    long = OLD.model_copy(update={"name": name})
    assert max(len(each.ref.name) for each in rendering((long, "stable", 2, 10)).objects) == 51


def test_the_role_is_in_no_object():
    as_candidate, as_stable = rendering((OLD, "candidate", 2, 2)), rendering((OLD, "stable", 2, 2))
    assert as_candidate == as_stable


HOOKED = fraud("1.6.0", hooks=HOOKS)


def jobs(rendered):
    return {each.body["metadata"]["labels"][LABEL_HOOK]: each for each in rendered.objects if each.ref.kind == "Job"}


def test_a_hook_is_a_job_of_its_version_after_everything_else():
    rendered = rendering((OLD, "stable", 3, 3), (HOOKED, "candidate", 0, 0))
    found = jobs(rendered)
    assert [each.ref.name for each in found.values()] == [f"{name_of(HOOKED)}-migrate", f"{name_of(HOOKED)}-smoke"]
    assert [(hook.hook, hook.version, hook.ref) for hook in rendered.hooks] == [
        (name, HOOKED.version, each.ref) for name, each in found.items()
    ]
    assert rendered.objects[-1].tier == 5 > rendered.objects[-3].tier


def test_only_hooks_that_the_directive_names_are_rendered():
    told = directive((HOOKED, "stable", 2, 2))
    for names in ((), ("smoke",), ("smoke", "gone")):
        versions = tuple(entry.model_copy(update={"hooks": names}) for entry in told.versions)
        each = told.model_copy(update={"versions": versions})
        rendered = render(each, {HOOKED.version: HOOKED}, key=key_of(HOOKED), cluster="eu-1")
        assert set(jobs(rendered)) == set(names) & {"smoke"}


def test_no_selector_of_the_release_finds_the_pods_of_a_hook():
    rendered = rendering((HOOKED, "stable", 2, 10))
    pods = [each.body["spec"]["template"]["metadata"]["labels"] for each in jobs(rendered).values()]
    specs = [each.body["spec"] for each in rendered.objects if each.ref.kind not in ("Job", "ServiceAccount")]
    selectors = [spec[name] for spec in specs for name in ("selector", "podSelector") if name in spec]
    matches = [each.get("matchLabels", each) for each in selectors]
    assert len(matches) == 5
    assert not [match for match in matches for labels in pods if match.items() <= labels.items()]


def test_a_hook_knows_where_it_runs_and_its_own_variables_stand_in_place_of_ours():
    (container,) = jobs(rendering((HOOKED, "stable", 2, 2)))["migrate"].body["spec"]["template"]["spec"]["containers"]
    known = {each["name"]: each.get("value") for each in container["env"]}
    assert (known["CLUSTER"], known["RELEASE"], known["ENVIRONMENT"]) == ("eu-1", "fraud-detector", "prod")
    assert (known["MODEL_VERSION"], known["HOME"]) == ("1.6.0", "/work")
    assert known["MODEL_ADDRESS"] == f"http://{name_of(HOOKED)}.fraud:8080"
    assert len(known) == len(container["env"])


def test_hooks_are_pulled_with_what_the_servers_image_is_pulled_with():
    secrets = [{"name": "registry"}]
    each = fraud("1.6.0", hooks=HOOKS, serving={"podTemplate": {"spec": {"imagePullSecrets": secrets}}})
    (job, _) = jobs(rendering((each, "stable", 2, 2))).values()
    assert job.body["spec"]["template"]["spec"]["imagePullSecrets"] == secrets


def test_a_candidate_without_pods_brings_what_its_hooks_run_as():
    each = fraud("1.6.0", hooks=HOOKS, serving={"access": {"serviceAccount": "other"}})
    plain = fraud("1.6.0", serving={"access": {"serviceAccount": "other"}})
    assert "other" not in {ref.name for ref in rendering((OLD, "stable", 3, 3), (each, "candidate", 0, 0)).kept}
    assert "other" in {ref.name for ref in rendering((OLD, "stable", 3, 3), (plain, "candidate", 0, 0)).kept}
    assert "other" in {ref.name for ref in rendering((OLD, "stable", 3, 3), (each, "previous", 0, 0)).kept}


def test_hooks_change_nothing_of_the_pods_that_serve():
    plain, hooked = rendering((fraud("1.6.0"), "stable", 2, 2)), rendering((HOOKED, "stable", 2, 2))
    assert set(plain.objects) == {each for each in hooked.objects if each.ref.kind != "Job"}


def test_the_longest_names_make_a_name_that_a_job_may_have():
    name, hook = "a" * 40, {"name": "b" * 11, "image": f"r/x@{sha('x')}"}
    each = fraud("1.6.0", hooks={"after": [{"job": hook}]}).model_copy(update={"name": name})
    (job,) = jobs(rendering((each, "stable", 2, 2))).values()
    assert len(job.ref.name) == 63


@pytest.mark.parametrize(("size", "leads"), [(0, OLD), (1, NEW)])
def test_a_candidate_without_pods_does_not_lead(size, leads):
    open_to = {"serving": {"access": {"allowFrom": [{"namespace": "risk"}]}}}
    newer = NEW.model_copy(update={"spec": fraud("1.5.0", **open_to).spec})
    rendered = rendering((OLD, "stable", 3, 3), (newer, "candidate", size, size))
    annotations = body(rendered, "Service", "fraud-detector")["metadata"]["annotations"]
    assert annotations["reconciler.dev/model-version"] == leads.spec.model.version
    assert ("risk" in str(body(rendered, "NetworkPolicy", "fraud-detector"))) == (leads is NEW)


def refused(reason, entries, *, known=None, key=None):
    with pytest.raises(Stalled) as caught:
        render(
            directive(*entries),
            {each.version: each for each, *_ in entries} if known is None else known,
            key=key or key_of(OLD),
        )
    assert caught.value.reason == reason
    return caught.value.message


def test_a_directive_of_nothing_is_not_an_instruction():
    assert "names no version" in refused("DirectiveInvalid", [])


def test_a_version_named_twice_is_refused():
    assert "twice" in refused("DirectiveInvalid", [(OLD, "stable", 2, 2), (OLD, "previous", 0, 0)])


@pytest.mark.parametrize(("low", "high"), [(3, 2), (-1, 2), (0, 2)])
def test_a_size_that_is_no_range_is_refused(low, high):
    assert "not a range" in refused("DirectiveInvalid", [(OLD, "stable", low, high)])


def test_a_missing_effective_spec_is_not_an_empty_rendering():
    assert short(OLD.version) in refused("EffectiveMissing", [(OLD, "stable", 2, 2)], known={})


@pytest.mark.parametrize(
    ("why", "known"),
    [
        ("another version", NEW),
        ("another release", OLD.model_copy(update={"name": "other"})),
        ("another repository", OLD.model_copy(update={"repository": "github.com/acme/other"})),
    ],
)
def test_an_effective_spec_of_something_else_is_refused(why, known):
    assert "is that of" in refused("EffectiveMismatch", [(OLD, "stable", 2, 2)], known={OLD.version: known}), why


def test_an_effective_spec_of_another_environment_is_refused():
    key = ReleaseKey(repository=REPOSITORY, environment="dev", name="fraud-detector")
    refused("EffectiveMismatch", [(OLD, "stable", 2, 2)], key=key)


def test_a_version_of_a_newer_renderer_is_left_to_a_newer_daemon():
    newer = OLD.model_copy(update={"renderer": 99})
    assert "renderer 99" in refused("RendererUnknown", [(newer, "stable", 2, 2)])


def test_the_digest_is_that_of_the_payload():
    for each in rendering((OLD, "stable", 2, 10)).objects:
        assert each.digest == sha(each.payload.decode()) == "sha256:" + hashlib.sha256(each.payload).hexdigest()
