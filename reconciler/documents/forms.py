"""What a text must look like, in words: one sentence per pattern of the models.

Not the patterns themselves: those stand in the models, once. Rule: a pattern of a document has its sentence here (a
test looks at every kind); one that has none is shown as it is.
"""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import StringConstraints

from reconciler.model import environment, evidence, hooks, release, runtime, variables, windows, wire

_LABEL = "use at most 63 lower-case letters, digits and '-', with a letter or digit at both ends"


def _pattern(annotated: Any) -> str:
    return _first(get_args(annotated))


def _field(model: type[wire.Wire], name: str) -> str:
    return _first(model.model_fields[name].metadata)


def _first(parts: Iterable[object]) -> str:
    return next(str(part.pattern) for part in parts if isinstance(part, StringConstraints) and part.pattern)


_FORMS: Mapping[str, str] = {
    wire.DNS_LABEL: _LABEL,
    wire.SHA256: "write sha256: and 64 lower-case hex digits",
    _pattern(wire.Percent): "write a percentage such as 70%",
    _pattern(
        wire.LabelKey
    ): "a label's name has at most 63 letters, digits, '-', '_' and '.', after an optional domain/",
    _pattern(wire.LabelValue): "a label's value has at most 63 letters, digits, '-', '_' and '.'",
    _pattern(release.ReleaseLabel): (
        "a release's name has at most 40 lower-case letters, digits and '-', and starts with a letter"
    ),
    _pattern(
        release.ModelUri
    ): "write oci://, s3://, gs://, hf://, https:// or pvc:// and a place without spaces or quotes",
    _pattern(evidence.ModelText): "use at most 128 letters, digits and . _ + / -, starting with a letter or digit",
    _pattern(variables.EnvName): "an environment variable's name has letters, digits and '_' only",
    _pattern(evidence.Address): "write an address such as https://… or s3://… without spaces or quotes",
    _pattern(release.WebAddress): "write an address that begins with https:// (or http://), without spaces or quotes",
    _pattern(evidence.CardPlace): "write a path in the repository or an address, without spaces or quotes",
    _pattern(release.ShortText): "use at most 128 characters on one line, starting with a letter or digit",
    _pattern(evidence.CommitHex): "write a commit as 7 to 64 lower-case hex digits",
    _pattern(evidence.SpdxName): "write an SPDX identifier, such as apache-2.0",
    _pattern(release.KindName): "write a kind such as Deployment",
    _pattern(release.ObjectName): "use at most 200 lower-case letters, digits, '-' and '.'",
    _pattern(release.JsonPointer): (
        "write a JSON pointer such as /metadata/annotations/example.com~1name: '/' before each step, and ~1 for a '/' "
        "(~0 for a '~') in one"
    ),
    _field(release.Model, "format"): "use at most 32 lower-case letters, digits and . _ -, such as onnx",
    _field(evidence.Evaluation, "metric"): "use at most 64 letters, digits and . _ @ -, starting with a letter",
    _field(variables.SecretKeyRef, "key"): "the key of a Secret has letters, digits and . _ - only",
    _pattern(hooks.HookName): "use at most 30 lower-case letters, digits and '-', with a letter or digit at both ends",
    _pattern(runtime.ImageRef): "write an image such as registry.example.com/name@sha256:… without spaces",
    _pattern(runtime.HttpPath): "write the path of a URL, starting with '/'",
    _field(
        runtime.Port, "name"
    ): "use at most 15 lower-case letters, digits and '-', with a letter or digit at both ends",
    _pattern(
        environment.RegistryHost
    ): "write a host such as registry.example.com, without https:// and without a path",
    _pattern(windows.CronText): f"write five fields with one space between them: {windows.CRON_FORM}",
    _pattern(windows.ZoneName): "write a time zone such as Europe/Berlin, or UTC",
    r"^[A-Za-z0-9][A-Za-z0-9._@:/-]{0,252}$": "write a kubeconfig's context: letters, digits and . _ @ : / -",
    r"^[A-Za-z_][A-Za-z0-9_]{0,62}$": "use letters, digits and '_' only, at most 63, starting with a letter",
    r"^[A-Z][A-Za-z0-9]{0,62}$": "write a reason in PascalCase, such as EvaluationRegressed",
}


def form(pattern: str) -> str:
    """What to write so that the text has this pattern."""
    return _FORMS.get(pattern, f"it must have the form {pattern}")
