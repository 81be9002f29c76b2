"""References become things: a completed release, with what it names, becomes the effective spec and its clusters.

Not a judgement (whether an image's registry is allowed is a policy's question) and not trust: the caller passes only
documents that are in force. Rules: everything that does not resolve is told at once, at the field that names it, in
the file that this field is from; nothing is guessed; an image and an artifact are named by digest, for what a tag
means can change after the review.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.digest import version_of
from reconciler.documents.complete import Completed, complete
from reconciler.documents.ignoring import ignored
from reconciler.documents.objects import further
from reconciler.documents.pod_patch import PINNED, pod_patch, unlike
from reconciler.documents.schema import Loaded
from reconciler.documents.words import FieldPath, listed, show, suggestion
from reconciler.errors import Invalid, Problem
from reconciler.model.cluster import Cluster
from reconciler.model.document import Selector
from reconciler.model.environment import Environment, EnvironmentSpec
from reconciler.model.hooks import MAX_NAMES
from reconciler.model.ids import ClusterName
from reconciler.model.release import Effective, ModelRelease, ReleaseSpec
from reconciler.model.runtime import ResolvedRuntime, ServingRuntime

_OCI_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")
_HF_REVISION = re.compile(r"@[0-9a-f]{40}$")

_ENVIRONMENT: FieldPath = ("spec", "environment")
_AFTER: FieldPath = ("spec", "after")
_URI: FieldPath = ("spec", "model", "uri")
_FORMAT: FieldPath = ("spec", "model", "format")
_RUNTIME: FieldPath = ("spec", "serving", "runtime")
_PORT: FieldPath = ("spec", "serving", "port")
_IMAGE: FieldPath = ("spec", "serving", "image")
_CHECK: FieldPath = ("spec", "serving", "check")
_NAMESPACE: FieldPath = ("spec", "targets", "namespace")
_CLUSTERS: FieldPath = ("spec", "targets", "clusters")

Found = Iterator[tuple[FieldPath, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What a release means now: what its targets render, and the clusters it goes to, sorted and never empty.

    `completed` knows which file every field of the effective spec is from.
    """

    effective: Effective = field(repr=False)
    clusters: tuple[ClusterName, ...]
    completed: Completed = field(repr=False)


def runtimes_of(builtin: Iterable[ResolvedRuntime], documents: Iterable[Loaded]) -> dict[str, ResolvedRuntime]:
    """The runtimes that releases may name; a document of the repository stands before a built-in one of its name."""
    runtimes = {runtime.name: runtime for runtime in builtin}
    for loaded in documents:
        document = loaded.as_(ServingRuntime)
        runtimes[loaded.name] = ResolvedRuntime(id=loaded.path, name=loaded.name, spec=document.spec)
    return runtimes


def resolve(
    release: Loaded,
    environments: Mapping[str, Loaded],
    runtimes: Mapping[str, ResolvedRuntime],
    clusters: Mapping[str, Cluster],
    *,
    manifest_sha256: str,
    repository: str,
    renderer: int,
    completing: Callable[[Loaded, Loaded | None], Completed] = complete,
) -> Resolved:
    """The effective spec of a release and its clusters; raises Invalid with every reference that does not resolve.

    `manifest_sha256` is of the manifest's bytes, `renderer` the number that new versions get; `completing` may remember
    what it did before.
    """
    document = release.as_(ModelRelease)
    loaded = environments.get(document.environment)
    environment = loaded.as_(Environment) if loaded else None
    completed = _completed(release, loaded, environments, completing)
    spec = completed.spec
    runtime = runtimes.get(spec.serving.runtime)
    found = [*_names(spec, environments, runtimes), *_artifact(spec), *_served_by(runtime, spec)]
    found += [*_hatches(spec, document.name, runtime, environment), *_hooks(document.name, spec)]
    if environment is not None:
        found += _promoted(environment, environments)
        found += [*_allowed(spec, environment.spec), *_selected(spec, environment, clusters)]
    image = spec.serving.image or (runtime.spec.image if runtime else None)
    if found or environment is None or runtime is None or image is None:
        raise Invalid([completed.problem(path, sentence) for path, sentence in found])
    runtime = with_overrides(runtime, spec)
    effective = Effective(
        renderer=renderer,
        version=version_of(spec, runtime, image, renderer),
        manifest=manifest_sha256,
        repository=repository,
        name=document.name,
        labels=document.metadata.labels,
        image=image,
        spec=spec,
        runtime=runtime,
    )
    return Resolved(
        effective=effective,
        clusters=selected(spec.targets.clusters, environment.spec.clusters, clusters),
        completed=completed,
    )


def _served_by(runtime: ResolvedRuntime | None, spec: ReleaseSpec) -> Found:
    if runtime is not None:
        yield from (*_served(spec, runtime), *_port(spec, runtime), *_image(spec, runtime))


def _hatches(spec: ReleaseSpec, name: str, runtime: ResolvedRuntime | None, environment: Environment | None) -> Found:
    served = with_overrides(runtime, spec) if runtime else None
    yield from (*pod_patch(spec, served, environment), *further(spec, name), *ignored(spec), *_check(spec, environment))


def _check(spec: ReleaseSpec, environment: Environment | None) -> Found:
    check, scheme = spec.serving.check, spec.model.uri.partition("://")[0]
    if check is None:
        return
    if scheme == "oci":
        yield _CHECK, "the cluster pulls an oci:// model by its digest, so there is nothing to check: leave this out"
    elif scheme not in ("pvc", "https"):
        yield _CHECK, f"a model at {scheme}:// is fetched by the server itself and cannot be checked before it starts"
    if environment is not None:
        yield from unlike((*_CHECK, "image"), check.image, environment)


def _completed(
    release: Loaded,
    environment: Loaded | None,
    environments: Mapping[str, object],
    completing: Callable[[Loaded, Loaded | None], Completed],
) -> Completed:
    """The release over its baseline. Without an environment that is what is wrong, and not what it would give."""
    try:
        return completing(release, environment)
    except Invalid:
        if environment is not None:
            raise
    name = release.as_(ModelRelease).environment
    raise Invalid([release.problem(_ENVIRONMENT, _unknown("environment", name, environments))])


def unchained(documents: Iterable[Loaded]) -> Iterator[Problem]:
    """Environments whose `after` leads nowhere or back to themselves: nothing could ever come to them."""
    loaded = {one.name: one for one in documents}
    after = {name: one.as_(Environment).spec.after for name, one in loaded.items()}
    for name, one in loaded.items():
        before = after[name]
        if before is not None and before not in loaded:
            yield one.problem(_AFTER, _unknown("environment", before, sorted(loaded)))
            continue
        chain = [name]
        while before is not None and before in loaded and before not in chain:
            chain.append(before)
            before = after[before]
        if before == name:
            yield one.problem(_AFTER, f"the chain goes in a circle: {' after '.join([*chain, name])}")


def selected(release: Selector, environment: Selector, clusters: Mapping[str, Cluster]) -> tuple[ClusterName, ...]:
    """The clusters that both selectors match, sorted."""
    return tuple(
        ClusterName(name)
        for name, cluster in sorted(clusters.items())
        if release.matches(cluster.metadata.labels) and environment.matches(cluster.metadata.labels)
    )


def with_overrides(runtime: ResolvedRuntime, spec: ReleaseSpec) -> ResolvedRuntime:
    """The runtime with the release's own port (in place of its first one) and probes."""
    content = runtime.spec
    if spec.serving.port is not None:
        first = content.ports[0].model_copy(update={"port": spec.serving.port})
        content = content.model_copy(update={"ports": (first, *content.ports[1:])})
    if spec.serving.probes is not None:
        content = content.model_copy(update={"probes": spec.serving.probes})
    return runtime.model_copy(update={"spec": content})


def _names(spec: ReleaseSpec, environments: Mapping[str, object], runtimes: Mapping[str, object]) -> Found:
    if spec.environment not in environments:
        yield _ENVIRONMENT, _unknown("environment", spec.environment, environments)
    if spec.serving.runtime not in runtimes:
        yield _RUNTIME, _unknown("runtime", spec.serving.runtime, runtimes)


def _promoted(environment: Environment, environments: Mapping[str, object]) -> Found:
    before = environment.spec.after
    if before is not None and before not in environments:
        name = environment.name
        yield _ENVIRONMENT, f"'{name}' comes after '{before}': {_unknown('environment', before, environments)}"


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    known = list(known)
    return f"there is no {kind} '{name}': {suggestion(name, known) or f'there is {listed(known)}'}"


def _artifact(spec: ReleaseSpec) -> Found:
    uri, digest = spec.model.uri, spec.model.digest
    if uri.startswith("oci://"):
        match = _OCI_DIGEST.search(uri)
        if match is None:
            yield _URI, f"{show(uri)} is named by a tag, which can move: end it with @{digest}"
        elif match[1] != digest:
            yield _URI, f"its digest {match[1]} is not spec.model.digest {digest}: write the same one in both"
    if uri.startswith("hf://") and _HF_REVISION.search(uri) is None:
        yield _URI, f"{show(uri)} is named by a branch, which can move: end it with @ and the 40 hex digits of a commit"


def _served(spec: ReleaseSpec, runtime: ResolvedRuntime) -> Found:
    if runtime.spec.formats and spec.model.format not in runtime.spec.formats:
        served = listed(runtime.spec.formats)
        yield _FORMAT, f"the runtime '{runtime.name}' does not serve '{spec.model.format}': it serves {served}"


def _port(spec: ReleaseSpec, runtime: ResolvedRuntime) -> Found:
    for port in runtime.spec.ports[1:]:
        if port.port == spec.serving.port:
            yield _PORT, f"{port.port} is the port '{port.name}' of the runtime '{runtime.name}': choose another one"


def _image(spec: ReleaseSpec, runtime: ResolvedRuntime) -> Found:
    if spec.serving.image is not None:
        path, image, owner = _IMAGE, spec.serving.image, ""
    elif runtime.spec.image is not None:
        path, image, owner = _RUNTIME, runtime.spec.image, f"the image of {runtime.id}, "
    else:
        yield _IMAGE, f"there is no image: the runtime '{runtime.name}' brings none, so name one as name@sha256:…"
        return
    yield from _pinned(path, image, owner)


def _hooks(release: str, spec: ReleaseSpec) -> Found:
    for when, hooks in (("before", spec.hooks.before), ("after", spec.hooks.after)):
        for number, hook in enumerate(hooks):
            job: FieldPath = ("spec", "hooks", when, number, "job")
            longest = MAX_NAMES - len(release)
            if len(hook.name) > longest:
                sentence = f"'{hook.name}' is too long beside the release's name: its Job is called by both"
                yield (*job, "name"), f"{sentence}, so use at most {longest} characters"
            yield from _pinned((*job, "image"), hook.job.image, "")


def _pinned(path: FieldPath, image: str, owner: str) -> Found:
    if PINNED.fullmatch(image):
        return
    if "@" in image:
        yield path, f"{owner}{show(image)} is not an image by digest: write name@sha256: and 64 lower-case hex digits"
    else:
        yield path, f"{owner}{show(image)} is named by a tag, which can move: write name@sha256:…"


def _allowed(spec: ReleaseSpec, environment: EnvironmentSpec) -> Found:
    namespace, scheme = spec.targets.namespace, spec.model.uri.partition("://")[0]
    if namespace not in environment.namespaces:
        sentence = f"the environment '{spec.environment}' allows the namespaces {listed(environment.namespaces)}"
        yield _NAMESPACE, f"'{namespace}' is not allowed: {sentence}"
    if scheme not in environment.model_sources:
        sentence = f"the environment '{spec.environment}' allows models from {listed(environment.model_sources)}"
        yield _URI, f"'{scheme}' is not allowed: {sentence}"


def _selected(spec: ReleaseSpec, environment: Environment, clusters: Mapping[str, Cluster]) -> Found:
    wanted, allowed = spec.targets.clusters, environment.spec.clusters
    if selected(wanted, allowed, clusters):
        return
    if not wanted.match_labels:
        yield _CLUSTERS, "an empty selector matches no cluster: name at least one label"
    elif not clusters:
        yield _CLUSTERS, "there are no clusters: add a Cluster document"
    else:
        here = [name for name, cluster in clusters.items() if allowed.matches(cluster.metadata.labels)]
        theirs = f"its clusters ({_labels(allowed)}) are {listed(here)}" if here else "it has no clusters itself"
        sentence = f"no cluster of the environment '{environment.name}' has the labels {_labels(wanted)}: {theirs}"
        yield _CLUSTERS, sentence


def _labels(selector: Selector) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(selector.match_labels.items())) or "no labels"
