"""What we render is what a server keeps: accepted strictly, stored as sent, and a second apply changes nothing."""

import random

import pytest
from api_server import differences, path_of, placed
from render_cases import CASES, fraud, rendering

from reconciler.edges.kube.observe import summarise
from reconciler.model.wire import quantity_value
from reconciler.render.quantity import canonical_quantity

CHECKED = {"check": {"image": "registry.example.com/python@sha256:" + "0" * 64}}
FROM_A_CLAIM = {"model": {"uri": "pvc://claim/fraud/2"}, "serving": CHECKED}
FROM_AN_ADDRESS = {"model": {"uri": "https://models.example.com/fraud.onnx"}, "serving": CHECKED}
FROM_A_BUCKET = {
    "model": {"uri": "s3://bucket/fraud/2"},
    "serving": {
        "env": [{"name": "EMPTY", "value": ""}],
        "placement": {"tolerations": [{"key": "a"}, {"key": "b", "value": "x"}]},
    },
}
ALL = {
    **CASES,
    "from-a-claim": ((fraud("2.0.0", **FROM_A_CLAIM), "stable", 1, 1),),
    "from-an-address": ((fraud("2.2.0", **FROM_AN_ADDRESS), "stable", 1, 1),),
    "from-a-bucket": ((fraud("2.1.0", **FROM_A_BUCKET), "stable", 1, 1),),
}
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


@pytest.fixture(scope="module")
def models(api_server):
    """A namespace as the installation guide asks for: restricted."""
    return api_server.namespace(**RESTRICTED)


def ours(obj):
    (entry,) = (each for each in obj["metadata"]["managedFields"] if each["manager"] == "reconciler")
    return entry


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_object_is_accepted_strictly_without_a_warning_and_kept_as_sent(name, api_server, models):
    for rendered in rendering(*ALL[name]).objects:
        wanted = placed(rendered.body, models)
        status, kept = api_server.apply(path_of(wanted), wanted, force="true")
        assert (status in {200, 201}, api_server.warnings, kept.get("message")) == (True, [], None), rendered.ref
        assert differences(wanted, kept) == [], rendered.ref


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_second_apply_changes_nothing(name, api_server, models):
    for rendered in rendering(*ALL[name]).objects:
        wanted = placed(rendered.body, models)
        _, first = api_server.apply(path_of(wanted), wanted, force="true")
        _, again = api_server.apply(path_of(wanted), wanted, force="true")
        assert again["metadata"].get("generation") == first["metadata"].get("generation"), rendered.ref
        assert ours(again) == ours(first), rendered.ref
        assert summarise(again).digest == summarise(first).digest, rendered.ref
        assert summarise(again).others == (), rendered.ref


def test_what_we_write_for_a_quantity_stays_as_it_is(api_server, models):
    """A hundred quantities, those that were wrong once among them: also where we round, or cut what no server holds.

    What a server makes of the quantities as they were written is another matter: `123.456k` it leaves as it is.
    """
    texts = [canonical_quantity(text) for text in quantities() if readable(text)]
    assert texts == stored(api_server, models, texts)


def stored(server, namespace, texts):
    """How the server spells these quantities once they are stored; the answer to the write itself can differ."""
    body = sized(dict(enumerate(texts)), namespace)
    status, answer = server.apply(path_of(body), body, manager="test", force="true")
    assert status in {200, 201}, answer
    volumes = server.get(path_of(body))["spec"]["template"]["spec"]["volumes"]
    by_name = {each["name"]: each["emptyDir"]["sizeLimit"] for each in volumes}
    return [by_name[f"v{number}"] for number in range(len(texts))]


def quantities():
    chosen = random.Random(3)  # noqa: S311  # the same ones every time
    yield from (
        "0", "0m", "0Gi", "1", "1000m", "1500m", "0.5", "0.1m", "1.5Gi", "0.5Ki", "1023Ki", "0.999Ki", "1.000001Ki",
        "1000", "1000k", "2000", "1024", "8192Mi", "1.5Ti", "0.0001m", "0.000001m", "999999999999999Pi",
        "9223372036854775807m", "123456.789k", "1024Pi", "5000Pi", "9000P", "10000P", "1.25k", "3.1M",
    )  # fmt: skip
    for _ in range(70):
        fraction = f".{chosen.randrange(10**6)}" if chosen.random() < 0.5 else ""
        suffix = chosen.choice(["", "m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi"])
        yield f"{chosen.randrange(10 ** chosen.randint(1, 15))}{fraction}{suffix}"


def readable(text):
    try:
        quantity_value(text)
    except ValueError:
        return False  # we refuse it before a server could
    return True


def sized(texts, namespace):
    volumes = [{"name": f"v{number}", "emptyDir": {"sizeLimit": text}} for number, text in texts.items()]
    labels = {"app": "quantities"}
    pod = {"containers": [{"name": "c", "image": "x"}], "volumes": volumes}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "quantities", "namespace": namespace},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
