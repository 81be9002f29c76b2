"""What a promotion does to a text: golden texts, a table of shapes, and properties over texts in every style."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.documents.load import load
from reconciler.documents.nodes import packed
from reconciler.documents.splice import COPIED, copied, first, not_copied, splice
from reconciler.errors import Invalid, Refused

TARGET = """\
# prod, on call: team-risk
apiVersion: reconciler.dev/v1alpha1
kind: ModelRelease
metadata: {name: fraud}
spec:
  environment: prod
  model:          # what runs
    name: fraud
    version: 1.3.0    # see RISK-7
    # of the manifest, not of a layer
    digest: "sha256:aa"
  serving:
    runtime: onnx-http
    env:
      - name: LOG_LEVEL   # quiet
        value: warn
    args: [--a, --b]   # two of them
    resources: {cpu: "2"}  # measured
    replicas:
      min: 2
      # one for each zone
      max: 6

  # nobody else
  targets: {namespace: fraud}
"""
SOURCE = """\
apiVersion: reconciler.dev/v1alpha1
kind: ModelRelease
metadata: {name: fraud}
spec:
  environment: staging
  model: {name: fraud, version: 1.4.0, digest: "sha256:bb"}
  evidence:
    license: apache-2.0   # asked legal
    evaluations:
      - {dataset: holdout, value: 0.957}
  serving:
    runtime: onnx-http
    image: registry/onnx@sha256:cc
    env:
      - name: LOG_LEVEL
        value: info
    args: [--a, --b, --c]
    startup:
      budget: 15m
    replicas: {min: 1, max: 1}
"""
RESULT = """\
# prod, on call: team-risk
apiVersion: reconciler.dev/v1alpha1
kind: ModelRelease
metadata: {name: fraud}
spec:
  environment: prod
  model:          # what runs
    name: fraud
    version: 1.4.0    # see RISK-7
    # of the manifest, not of a layer
    digest: "sha256:bb"
  evidence:
    license: apache-2.0
    evaluations:
      - {dataset: holdout, value: 0.957}
  serving:
    runtime: onnx-http
    image: registry/onnx@sha256:cc
    env:
      - name: LOG_LEVEL   # quiet
        value: info
    args: [--a, --b, --c]   # two of them
    startup:
      budget: 15m
    resources: {cpu: "2"}  # measured
    replicas:
      min: 2
      # one for each zone
      max: 6

  # nobody else
  targets: {namespace: fraud}
"""


def put(target: str, source: str) -> str:
    return splice("prod.yaml", target.encode(), "staging.yaml", source.encode()).decode()


def spec(body: str) -> str:
    return f"spec:\n{body}"


def test_what_is_copied_changes_and_every_other_line_and_comment_stays():
    assert put(TARGET, SOURCE) == RESULT


def test_line_ends_of_another_system_and_a_missing_one_at_the_end_stay():
    assert put(TARGET.replace("\n", "\r\n"), SOURCE) == RESULT.replace("\n", "\r\n")
    assert put(TARGET.rstrip("\n"), SOURCE) == RESULT.rstrip("\n")
    assert put(TARGET, SOURCE.replace("\n", "\r\n")) == RESULT


def test_what_was_spliced_once_stays_as_it_is():
    assert put(RESULT, SOURCE) == RESULT


@pytest.mark.parametrize(
    ("target", "source", "result"),
    [
        pytest.param("  model: {v: 1}  # c\n", "  model: {v: 2}\n", "  model: {v: 2}  # c\n", id="in brackets"),
        pytest.param('  "model": {"v": 1}\n', "  model: {v: 2}\n", '  "model": {"v": 2}\n', id="quoted keys"),
        pytest.param("  model: {a: 1, b: 2}\n", "  model: {b: 2}\n", "  model: {b: 2}\n", id="first one goes"),
        pytest.param("  model: {a: 1, b: 2, c: 3}\n", "  model: {a: 1}\n", "  model: {a: 1}\n", id="last ones go"),
        pytest.param("  model: {b: 2}\n", "  model: {a: 1, b: 2}\n", "  model: {a: 1, b: 2}\n", id="new in front"),
        pytest.param(
            "  model: {a: 1}\n", "  model: {a: 1, c: 'x, y'}\n", "  model: {a: 1, c: 'x, y'}\n", id="new behind"
        ),
        pytest.param("  model: {a: 1}\n", "  model:\n    a: x, y\n", '  model: {a: "x, y"}\n', id="commas in brackets"),
        pytest.param(
            "  model:\n    a: 1 # c\n    b: 2\n", "  model: {b: 2}\n", "  model:\n    b: 2\n", id="a line goes"
        ),
        pytest.param(
            "  model:\n    b: 2\n", "  model: {a: 1, b: 2}\n", "  model:\n    a: 1\n    b: 2\n", id="line in front"
        ),
        pytest.param(
            "  model:\n      b: 2\n", "  model: {b: 3, c: 1}\n", "  model:\n      b: 3\n      c: 1\n", id="its indent"
        ),
        pytest.param("  model: 1 # c\n", "  model:\n    a: 1\n", "  model: # c\n    a: 1\n", id="one becomes many"),
        pytest.param(
            "  model: # c\n    a: 1\n  x: 1\n", "  model: 1\n", "  model: 1 # c\n  x: 1\n", id="many become one"
        ),
        pytest.param(
            "  model: # c\n    - 1\n  x: 1\n",
            "  model:\n  - 1\n  - 2\n",
            "  model: # c\n    - 1\n    - 2\n  x: 1\n",
            id="a longer list",
        ),
        pytest.param(
            "  model:\n  - 1\n  x: 1\n",
            "  model:\n    - 1\n    - 2\n",
            "  model:\n  - 1\n  - 2\n  x: 1\n",
            id="a list without indent",
        ),
        pytest.param(
            "  model:\n  - a: 1 # c\n    b: 1\n",
            "  model: [{a: 2, b: 1}]\n",
            "  model:\n  - a: 2 # c\n    b: 1\n",
            id="inside of a list",
        ),
        pytest.param(
            "  model:\n  - a: 1\n    b: 1\n", "  model: [{b: 1}]\n", "  model: [{b: 1}]\n", id="of a list's first line"
        ),
        pytest.param("  model: {b: |\n    x\n  }\n", "  model: {b: 1}\n", None, id="what YAML does not read"),
        pytest.param(
            "  model:\n    b: | # c\n      x\n      y\n\n    c: 1\n",
            "  model: {b: z, c: 1}\n",
            "  model:\n    b: z\n\n    c: 1\n",
            id="text of lines becomes a word",
        ),
        pytest.param(
            "  model:\n    b: z # c\n    c: 1\n",
            "  model:\n    b: |\n      x\n      y\n    c: 1\n",
            '  model:\n    b: "x\\ny\\n" # c\n    c: 1\n',
            id="a word with a comment becomes text of lines",
        ),
        pytest.param(
            "  model:\n    b: z\n    c: 1\n",
            "  model:\n    b: |\n      x\n\n      y\n    c: 1\n",
            "  model:\n    b: |\n      x\n\n      y\n    c: 1\n",
            id="a word becomes text of lines",
        ),
        pytest.param(
            "  model:\n    b:\n      long\n      text # c\n",
            "  model: {b: z}\n",
            "  model:\n    b:\n      z # c\n",
            id="a word on the next line",
        ),
        pytest.param(
            "  model:\n    b: 1\n", "  model: {b: '1'}\n", "  model:\n    b: '1'\n", id="a number becomes text"
        ),
        pytest.param(
            "  model:\n    b: 1\n", "  model: {b: 1.0}\n", "  model:\n    b: 1.0\n", id="a number with a point"
        ),
        pytest.param(
            "  model:\n    b: 'x'\n", "  model: {b: x}\n", "  model:\n    b: 'x'\n", id="the same in other words"
        ),
        pytest.param("  model:\n    on: x\n", "  model: {on: z}\n", "  model:\n    on: z\n", id="a key that is a word"),
        pytest.param(
            "  model:\n    b: ä𝒳 # c\n    c: 1\n",
            "  model: {b: é, c: 2}\n",
            "  model:\n    b: é # c\n    c: 2\n",
            id="letters of more than one byte",
        ),
        pytest.param("  serving: {runtime: x}\n", "  serving: {port: 1}\n", "  serving: {}\n", id="nothing is left"),
        pytest.param("  x: 1\n", "  serving: {port: 1}\n", "  x: 1\n", id="nothing to copy"),
        pytest.param(
            "  x: 1\n",
            "  serving:\n    runtime: z\n    port: 1\n",
            "  x: 1\n  serving:\n    runtime: z\n",
            id="the field around it",
        ),
        pytest.param("  model: {}\n", "  model: {a: 1}\n", "  model: {a: 1}\n", id="an empty one"),
        pytest.param("  model: {a: 1}\n", "  model: {}\n", "  model: {}\n", id="to an empty one"),
        pytest.param(
            "  x: 1\n  # of y\n  y: 2\n",
            "  x: 1\n  model: {a: 1}\n",
            "  x: 1\n  model: {a: 1}\n  # of y\n  y: 2\n",
            id="in front of the next one's comment",
        ),
    ],
)
def test_shapes(target, source, result):
    if result is None:
        with pytest.raises(Refused):
            put(spec(target), spec(source))
        return
    assert put(spec(target), spec(source)) == spec(result)


def test_a_text_that_is_all_in_brackets_stays_so():
    assert put('{"spec": {"x": 1}}', "spec: {model: {a: b}, x: 1}") == '{"spec": {model: {a: b}, "x": 1}}'


def test_a_text_that_cannot_be_changed_safely_is_refused_with_its_place():
    with pytest.raises(Refused, match=r"^prod.yaml:3:7: a cannot be changed: its colon is on another line$"):
        put("spec:\n  model:\n    ? a\n    : 1\n", "spec: {model: {a: {b: [1, 2]}}}")
    with pytest.raises(Refused, match=r"^prod.yaml:4:1: this cannot be changed without writing other lines anew"):
        put("spec:\n  x: |+\n    its end is an empty line\n\n  y: 1\n", "spec: {x: 1, model: 2}")
    with pytest.raises(Refused, match=r"^staging.yaml:1:1: there is no spec"):
        put("spec: {}", "spek: {}")
    with pytest.raises(Invalid, match=r"^staging.yaml:1:7: .*anchors"):
        put("spec: {}", "spec: &a {}")


def test_a_first_text_has_what_is_copied_and_leaves_the_rest_to_the_defaults():
    source = SOURCE.replace("    replicas", "    # of staging\n    replicas") + "  # quick\n  targets: {namespace: x}\n"
    assert first("staging.yaml", source.encode(), "prod").decode() == (
        source.replace("environment: staging", 'environment: "prod"')
        .replace("    # of staging\n    replicas: {min: 1, max: 1}\n", "")
        .replace("  # quick\n  targets: {namespace: x}\n", "")
    )
    assert not_copied("staging.yaml", source.encode()) == ("serving.replicas", "targets")


def test_a_first_text_needs_no_serving_of_its_own():
    text = first(
        "s.yaml", b"metadata: {name: x}\nspec:\n  environment: dev\n  serving: {port: 1}\n  state: active\n", "prod"
    )
    assert text == b'metadata: {name: x}\nspec:\n  environment: "prod"\n'


# --- properties

PLAIN = st.from_regex(r"[a-z][a-z0-9./-]{0,6}", fullmatch=True)
TEXTS = st.one_of(PLAIN, st.text(alphabet="ab:#,-[]{}'\" \n!é𝒳%&*?|>@`1.", max_size=8))
SCALARS = st.one_of(TEXTS, st.integers(-99, 99), st.booleans(), st.sampled_from([0.5, 1.0, 1.5e300]))
KEYS = st.sampled_from(["a", "b", "c", "name", "on", "x y", "é"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)
SERVING = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("runtime", "image", "args", "env", "startup", "port", "replicas"), VALUES)
)
SPECS = st.fixed_dictionaries(
    {"environment": PLAIN},
    optional={"model": VALUES, "evidence": VALUES, "serving": SERVING, "targets": VALUES, "links": VALUES},
)


class Writer:
    """Writes data as YAML in a style that is drawn value by value, with comments at every place for one."""

    def __init__(self, draw) -> None:
        self.draw = draw
        self.step = draw(st.sampled_from([2, 2, 3, 4]))

    def flip(self, *choices):
        return self.draw(st.sampled_from(choices))

    def scalar(self, value) -> str:
        if not isinstance(value, str):
            return json.dumps(value) if value != 1.5e300 else "1.5e+300"
        if value and value.isalpha() and value.isascii() and value not in ("on", "a") and self.flip(True, False):
            return value
        if "\n" not in value and self.flip(True, False):
            return "'" + value.replace("'", "''") + "'"
        return json.dumps(value, ensure_ascii=False)

    def flow(self, value) -> str:
        gap = self.flip("", " ", "")
        if isinstance(value, dict):
            return "{" + gap + ", ".join(f"{self.scalar(k)}: {self.flow(v)}" for k, v in value.items()) + gap + "}"
        if isinstance(value, list):
            return "[" + gap + ", ".join(self.flow(v) for v in value) + gap + "]"
        return self.scalar(value)

    def comment(self) -> str:
        return self.flip("", "", "  # why", " #")

    def above(self, indent) -> list[str]:
        return self.flip([], [], [f"{' ' * indent}# above"], [""], ["# at the margin"])

    def block(self, value, indent) -> list[str]:
        space = " " * indent
        lines = []
        rows = value.items() if isinstance(value, dict) else [(None, item) for item in value]
        for key, inner in rows:
            head = f"{space}-" if key is None else f"{space}{self.scalar(key)}:"
            lines += self.above(indent)
            if isinstance(inner, (dict, list)) and inner and self.flip(True, True, False):
                deeper = (
                    indent
                    if isinstance(inner, list) and key is not None and self.flip(True, False)
                    else indent + self.step
                )
                if key is None and self.flip(True, False) and isinstance(inner, dict):
                    body = [
                        line
                        for line in self.block(inner, indent + 2)
                        if line.strip() and not line.lstrip().startswith("#")
                    ]
                    lines += [f"{space}- {body[0].lstrip(' ')}", *body[1:]]
                    continue
                lines += [head + self.comment(), *self.block(inner, deeper)]
            elif (
                isinstance(inner, str)
                and "\n" in inner
                and inner.strip()
                and inner[0] not in " \n"
                and self.flip(True, False)
            ):
                chomp = "-" if not inner.endswith("\n") else "+" if inner.endswith("\n\n") else ""
                body = inner.removesuffix("\n").split("\n")
                if any(line and not line.strip() for line in body) or inner.endswith("\n\n"):
                    lines.append(f"{head} {self.flow(inner)}")
                else:
                    lines += [f"{head} |{chomp}", *(f"{space}{' ' * self.step}{line}" if line else "" for line in body)]
            else:
                lines.append(f"{head} {self.flow(inner)}{self.comment()}")
        return lines


@st.composite
def texts(draw):
    writer = Writer(draw)
    data = {"kind": "ModelRelease", "metadata": {"name": "x"}, "spec": draw(SPECS)}
    text = "\n".join([*writer.block(data, 0), *writer.above(0)]) + "\n"
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    if not text.rstrip().endswith("|") and draw(st.booleans()):
        text = text.rstrip("\r\n")
    try:
        load("x", text.encode())
    except Invalid:
        text = f"{json.dumps(data, ensure_ascii=False)}\n"
    return text


def without(spec_: dict) -> dict:
    """A spec's data without what is copied."""
    rest = {key: value for key, value in spec_.items() if key not in COPIED}
    serving = {k: v for k, v in spec_.get("serving", {}).items() if k not in COPIED["serving"]}
    return rest | ({"serving": serving} if serving else {})


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts(), texts())
def test_the_result_reads_as_the_sources_values_in_the_target_and_once_more_changes_nothing(target, source):
    result = put(target, source)
    was, gave, now = (load("x", text.encode()).data for text in (target, source, result))
    assert packed(copied(now["spec"])) == packed(copied(gave["spec"]))
    assert packed(without(now["spec"])) == packed(without(was["spec"]))
    assert packed({**now, "spec": 0}) == packed({**was, "spec": 0})
    assert put(result, source) == result
    if packed(copied(was["spec"])) == packed(copied(gave["spec"])):
        assert result == target


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts())
def test_a_first_text_reads_as_what_is_copied(source):
    result = first("prod.yaml", source.encode(), "prod")
    gave, now = load("x", source.encode()).data, load("x", result).data
    assert packed(now["spec"]) == packed(copied(gave["spec"]) | {"environment": "prod"})
    assert packed(now["metadata"]) == packed(gave["metadata"])
