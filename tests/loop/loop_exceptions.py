"""Holds and Waivers as files of acme's repository."""

from loop_acme import Repo, signature

HOLD = "holds/incident.yaml"
WAIVER = "waivers/two.yaml"
GLASS = "waivers/glass.yaml"


def hold_text(
    selector="environments: [prod]", *, name="incident", until="2026-12-01T12:00:00Z", reason="incident 4711"
):
    end = f", until: {until}" if until else ""
    return f"""\
apiVersion: reconciler.dev/v1alpha1
kind: Hold
metadata: {{name: {name}}}
spec: {{selector: {{{selector}}}, reason: {reason}{end}, releasedBy: owner}}
""".encode()


def add_hold(repo: Repo, selector="environments: [prod]", *, path=HOLD, **more):
    """Nobody signs it."""
    repo.write(path, hold_text(selector, **more))


def add_waiver(repo: Repo, *, by="ada", version="", environments="prod", policy="two-replicas", path=WAIVER):
    about = f", version: {version}" if version else ""
    repo.write(
        path,
        f"""\
apiVersion: reconciler.dev/v1alpha1
kind: Waiver
metadata: {{name: two}}
spec:
  policy: {policy}
  selector: {{names: [fraud-detector], environments: [{environments}]}}
  reason: one pod is enough this week
  expires: 2026-12-01T12:00:00Z{about.replace(", ", chr(10) + "  ")}
""".encode(),
    )
    if by:
        repo.sign(path, by)


def break_glass(
    repo: Repo, *gates, version, by=("dee",), manifest="", environments="prod", expires="2026-12-01T12:00:00Z",
    path=GLASS,
):  # fmt: skip
    """Gates opened for one version of fraud-detector; signed by all of these."""
    text = f"\n  manifest: {manifest}" if manifest else ""
    repo.write(
        path,
        f"""\
apiVersion: reconciler.dev/v1alpha1
kind: Waiver
metadata: {{name: glass}}
spec:
  breakGlass: [{", ".join(gates)}]
  selector: {{names: [fraud-detector], environments: [{environments}]}}
  version: {version}{text}
  reason: incident 4711
  expires: {expires}
""".encode(),
    )
    data = repo.blobs[repo.files[path]]
    repo.write(f"{path}.sig", b"".join(signature(path, data, person) for person in by))
