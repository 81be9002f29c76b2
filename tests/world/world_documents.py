"""The texts that people of a simulated world write: releases, environments, Holds and Waivers."""

import re
from datetime import datetime
from pathlib import Path

import yaml
from world_rules import Env, Hold, Key, Waiver

from reconciler.digest import sha256_of
from reconciler.model.wire import format_duration, format_time

SAMPLE = Path(__file__).parents[2] / "sample-repo"
BASELINE = 1  # replicas of a release that leaves them to its environment
_OWN = {"dev": "fraud-dev, llm-dev", "staging": "churn-staging, fraud-staging, llm-staging", "prod": "fraud, llm"}


def release_text(
    key: Key, text: str, *, version: str, score: float | None, low: int, not_before: datetime | None
) -> str:
    """A release's text with another version, score, size or schedule."""
    old = yaml.load(text, Loader=yaml.CSafeLoader)["spec"]
    if version != old["model"]["version"]:
        text = re.sub(r"version: (?!1alpha1)\S+", f'version: "{version}"', text, count=1)
        text = text.replace(old["model"]["digest"], sha256_of(f"{key[1]}:{version}".encode()))
    if score is not None:
        value = str(old["evidence"]["evaluations"][0]["value"])
        text = text.replace(f"value: {value}", f"value: {score}", 1)
    if low:
        text = re.sub(r"\n    replicas: \{[^}]*\}", "", text)  # a release may leave them to its environment
        line = f"    replicas: {{min: {low}, max: {max(low, 2)}}}"
        text = re.sub(r"(\n    runtime: \S+)", rf"\1\n{line}", text)
    text = re.sub(r"  schedule: .*\n", "", text)
    if not_before:
        text = text.replace("  rollout:", f"  schedule: {{notBefore: {format_time(not_before)}}}\n  rollout:", 1)
    return text


def text_of(name: str, env: Env, number: int) -> str:
    """An environment's text: the sample's, and what was added to it."""
    text = (SAMPLE / f"environments/{name}.yaml").read_text()
    text = re.sub(r"namespaces: \[.*\]", f"namespaces: [{_OWN[name] if env.there else 'elsewhere'}]", text)
    text += env.approvals.text() if env.approvals else ""
    text += env.windows.text() if env.windows else ""
    text += f"  after: {env.after}\n" if env.after else ""
    text += f"  soak: {format_duration(env.soak)}\n" if env.soak else ""
    text += f"  prune: {{budget: {{count: {env.budget}, percent: 100}}}}\n" if env.budget else ""
    return f"{text}# {number}\n"


def hold_text(path: str, hold: Hold, number: int) -> str:
    """A Hold; its name is its file's."""
    rows = [f"environments: [{hold.environment}]"] if hold.environment else []
    rows += [f"names: [{hold.name}]"] if hold.name else []
    until = f"  until: {format_time(hold.until)}\n" if hold.until else ""
    return (
        "apiVersion: reconciler.dev/v1alpha1\nkind: Hold\n"
        f"metadata: {{name: {Path(path).stem}}}\nspec:\n  selector: {{{', '.join(rows)}}}\n"
        f"  reason: an incident\n{until}  releasedBy: platform\n# {number}\n"
    )


def in_place_of(old: Hold | None, new: Hold, now: datetime) -> bool:
    """Whether a Hold's new text is in force: nothing was there, it had ended, or it holds the same at least as long."""
    if old is None or (old.until and now >= old.until):
        return True
    longer = new.until is None or (old.until is not None and new.until >= old.until)
    return (old.environment, old.name) == (new.environment, new.name) and longer


def waiver_text(path: str, waiver: Waiver, number: int) -> str:
    """A Waiver; its name is its file's."""
    return (
        "apiVersion: reconciler.dev/v1alpha1\nkind: Waiver\n"
        f"metadata: {{name: {Path(path).stem}}}\nspec:\n  policy: {waiver.policy}\n"
        f"  selector: {{names: [{waiver.name}], environments: [{waiver.environment}]}}\n"
        f"  reason: it has to be\n  expires: {format_time(waiver.expires)}\n# {number}\n"
    )
