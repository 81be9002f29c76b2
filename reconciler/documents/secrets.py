"""What looks like a secret: by the name of an environment variable, or by the shape of a text.

Not a scanner of everything people can leak; it stops the common accident before a review has to. Rules: a finding says
what kind of secret it is and never the text; a doubt about an environment variable's value is an error, because
`secretKeyRef` is always the better answer there. Every pattern looks a bounded way ahead: a text made for it must not
cost the square of its length, for nothing else of the process turns meanwhile.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

_NAME = re.compile(r"(?:^|_)(?:TOKEN|KEY|APIKEY|PWD)$|PASSWORD|PASSWD|SECRET|CREDENTIAL", re.IGNORECASE)
_HARMLESS = re.compile(r"|true|false|yes|no|on|off|[01]|\$\([A-Za-z_][A-Za-z0-9_]*\)", re.IGNORECASE)
_PLACE_NAME = re.compile(r"_(?:FILE|PATH|DIR|CREDENTIALS)$", re.IGNORECASE)
_PLACE = re.compile(r"(?:/[A-Za-z0-9._-]+)+/?")

_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a private key", re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")),
    ("an AWS access key", re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])")),
    ("a GitHub token", re.compile(r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})")),
    ("a GitLab token", re.compile(r"(?<![A-Za-z0-9])glpat-[A-Za-z0-9_-]{16,}")),
    ("a Slack token", re.compile(r"(?<![A-Za-z0-9])xox[abeoprs]-[A-Za-z0-9-]{10,}")),
    ("a Google API key", re.compile(r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{35}")),
    ("a Hugging Face token", re.compile(r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,}")),
    ("an API key", re.compile(r"(?<![A-Za-z0-9])sk-(?=[A-Za-z_-]{0,200}[0-9])[A-Za-z0-9_-]{20,}")),
    ("a JSON web token", re.compile(r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,1024}\.[A-Za-z0-9_-]{8}")),
    ("a password in a URL", re.compile(r"://[^\s/@:]{0,256}:[^\s/@$]{1,256}@")),
)  # fmt: skip

_RUN = re.compile(r"[A-Za-z0-9]{20,}")
_BITS = 3.5  # per character; a random base64 run of 20 characters has about 4
_MIXED = 0.4  # share of neighbours of another class (upper, lower, digit); random text has 0.6, CamelCase 0.25


def secret_shape(text: str) -> str:
    """What known kind of secret the text contains (`a GitHub token`); empty when none."""
    return next((kind for kind, pattern in _SHAPES if pattern.search(text)), "")


def env_secret(name: str, value: str) -> str:
    """Why this environment variable looks like a secret, without its value; empty when it does not."""
    shape = secret_shape(value)
    if shape:
        return f"the value looks like {shape}"
    if any(_random(run) for run in _RUN.findall(value)):
        return "the value looks like a random key"
    if _NAME.search(name) is None or _HARMLESS.fullmatch(value):
        return ""
    if _PLACE_NAME.search(name) and _PLACE.fullmatch(value):
        return ""
    return "by its name this is a secret"


def secrets_in(data: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The field path of every text in plain data that looks like a secret, and the sentence that says what to do.

    A mapping with `name` and `value` in a list called `env` is an environment variable.
    """
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), data)]
    while waiting:
        path, here = waiting.pop()
        if isinstance(here, dict):
            waiting.extend(((*path, key), value) for key, value in here.items())
        elif isinstance(here, list):
            waiting.extend(((*path, index), value) for index, value in enumerate(here))
            if path and path[-1] == "env":
                yield from _env_findings(path, here)
        elif isinstance(here, str) and not _is_env_value(path):
            shape = secret_shape(here)
            if shape:
                yield path, f"this looks like {shape}: whoever can read the repository can read it; keep it in a Secret"


def _env_findings(path: tuple[str | int, ...], env: list[Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for index, variable in enumerate(env):
        if not isinstance(variable, dict):
            continue
        name, value = variable.get("name"), variable.get("value")
        reason = env_secret(name if isinstance(name, str) else "", value) if isinstance(value, str) else ""
        if reason:
            instead = "secretKeyRef: {name: …, key: …}"
            if "podTemplate" in path:
                instead = f"valueFrom: {{{instead}}}"
            yield (*path, index, "value"), f"{reason}: put it in a Secret and write {instead} instead of value"


def _is_env_value(path: tuple[str | int, ...]) -> bool:
    return len(path) > 2 and path[-1] == "value" and path[-3] == "env"  # noqa: PLR2004  # env, index, value


def _random(run: str) -> bool:
    classes = ["d" if char.isdigit() else "u" if char.isupper() else "l" for char in run]
    if len(set(classes)) < 3:  # noqa: PLR2004  # all three classes, else it is a word or a hex digest
        return False
    changes = sum(left != right for left, right in pairwise(classes))
    entropy = -sum(n / len(run) * math.log2(n / len(run)) for n in Counter(run).values())
    return entropy >= _BITS and changes / (len(run) - 1) >= _MIXED
