"""One target: its directive and effective specs → every object it should have, and the sizes of its workloads.

Not deciding what to change, and no knowledge of what is there. Rules:

- Tiers: 1 ServiceAccounts, NetworkPolicy and the release's further objects; 2 per version the Deployment, Service,
  autoscaler and disruption budget; 3 the release Service, and PodMonitors where the cluster has that kind; 5 hooks'
  Jobs, last, so that one that cannot be made keeps nothing from being repaired.
- A release's own objects follow the lead version: the candidate, else the stable, else the first; one at size zero
  leads only when all are.
- The order of versions in a directive changes nothing else.
- A directive to retire has every object of its versions and no pod; one that gives a size is an error.
- A version is rendered by the renderer whose number its effective spec carries, for as long as it runs; `RENDERER` is
  what new versions get. A pod template that changes is a new renderer with the next number.
- What is missing, unknown or of another release is an error, never an empty rendering: only a directive to remove has
  that.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from reconciler.errors import Stalled
from reconciler.model.ids import ReleaseKey, Version, short
from reconciler.model.objects import HookRef, Kinds, ObjectRef, RenderedObject, Rendering, Size
from reconciler.model.release import Effective
from reconciler.model.state import Apply, Directive, Role, VersionDirective
from reconciler.render.access import network_policy, service_accounts
from reconciler.render.hook import hook_jobs
from reconciler.render.identity import Body, seal
from reconciler.render.ignoring import without_ignored
from reconciler.render.monitoring import pod_monitor
from reconciler.render.objects import further_objects, own_config
from reconciler.render.scaling import autoscaler, disruption_budget, size
from reconciler.render.service import release_service, version_service
from reconciler.render.workload import deployment

RENDERER = 1
RENDERERS: Mapping[int, Callable[[Effective, ReleaseKey], Body]] = {1: deployment}

_IDENTITY, _VERSION, _ADDRESS, _HOOK = 1, 2, 3, 5


def render(
    directive: Directive,
    effective: Mapping[Version, Effective],
    *,
    key: ReleaseKey,
    kinds: Kinds = frozenset(),
    cluster: str = "",
) -> Rendering:
    """Everything the target should have; raises Stalled when the directive cannot be rendered as it stands.

    `kinds` are the optional kinds that the cluster has (see `monitoring.OPTIONAL`). Only hooks are told the cluster's
    name, so whoever just counts objects needs none.
    """
    if directive.apply is Apply.REMOVE:
        return Rendering(objects=(), sizes=())
    if not directive.versions:
        raise Stalled(f"The directive for {key} names no version.", reason="DirectiveInvalid")
    sized = [entry for entry in directive.versions if entry.high]
    if directive.apply is Apply.RETIRE and sized:
        raise Stalled(f"The directive retires {key} and gives a version pods.", reason="DirectiveInvalid")
    specs = {entry.version: _effective(entry, effective, key) for entry in directive.versions}
    if len(specs) < len(directive.versions):
        raise Stalled(f"The directive for {key} names one version twice.", reason="DirectiveInvalid")
    lead = specs[_lead(directive).version]
    running = [specs[version] for version in sorted(specs)]
    asleep = {entry.version for entry in directive.versions if entry.high == 0}
    by_weight = [lead, *sorted(running, key=lambda each: each.version in asleep)]
    shared = [*service_accounts(running, key), network_policy(lead, running, key), *further_objects(by_weight, key)]
    objects = [_sealed(body, _IDENTITY, lead) for body in shared]
    sizes = []
    for entry in directive.versions:
        rendered, its_size = _version(entry, specs[entry.version], key, kinds)
        objects += rendered
        sizes.append(its_size)
    objects.append(_sealed(release_service(lead, key), _ADDRESS, lead))
    hooks = []
    for entry in directive.versions:
        for name, body in hook_jobs(entry.hooks, specs[entry.version], key, cluster).items():
            objects.append(seal(body, _HOOK))
            due = entry.role is Role.CANDIDATE
            hooks.append(HookRef(ref=objects[-1].ref, version=entry.version, hook=name, due=due))
    return Rendering(
        objects=tuple(sorted(objects, key=lambda rendered: (rendered.tier, rendered.ref))),
        sizes=tuple(sorted(sizes, key=lambda each: each.ref)),
        kept=_kept(directive, specs, key),
        hooks=tuple(sorted(hooks, key=lambda each: each.ref)),
    )


def _kept(directive: Directive, specs: Mapping[Version, Effective], key: ReleaseKey) -> frozenset[ObjectRef]:
    """What only versions at size zero use. A version that is given up must not hold the one that returns.

    Hooks of a candidate run before it has a size, with the identity and the objects that it brings.
    """
    asleep = [specs[entry.version] for entry in directive.versions if entry.high == 0]
    awake = [
        specs[entry.version]
        for entry in directive.versions
        if entry.high > 0 or (entry.hooks and entry.role is Role.CANDIDATE)
    ]
    own = [body for effective in asleep for body in own_config(effective, key)]
    return _refs([*own, *_of(asleep, key)]) - _refs(_of(awake, key))


def _of(effectives: Sequence[Effective], key: ReleaseKey) -> list[Body]:
    """Objects of the release that these versions use."""
    return [*service_accounts(effectives, key), *further_objects(effectives, key)]


def _refs(bodies: Iterable[Body]) -> frozenset[ObjectRef]:
    return frozenset(map(ObjectRef.of, bodies))


def _sealed(body: Body, tier: int, effective: Effective) -> RenderedObject:
    return seal(without_ignored(body, effective), tier)


def _version(
    entry: VersionDirective, effective: Effective, key: ReleaseKey, kinds: Kinds
) -> tuple[list[RenderedObject], Size]:
    renderer = RENDERERS.get(effective.renderer)
    if renderer is None:
        raise Stalled(
            f"Version {short(effective.version)} of {key} was made by renderer {effective.renderer}, which this daemon "
            f"does not have (it has {', '.join(map(str, sorted(RENDERERS)))}); run a newer one.",
            reason="RendererUnknown",
        )
    workload = _sealed(renderer(effective, key), _VERSION, effective)
    tiers = {
        _IDENTITY: own_config(effective, key),
        _VERSION: [
            version_service(effective, key),
            *autoscaler(entry, effective, key),
            *disruption_budget(entry, effective, key),
        ],
        _ADDRESS: pod_monitor(entry, effective, key, kinds),
    }
    rest = [_sealed(body, tier, effective) for tier, bodies in tiers.items() for body in bodies]
    return [workload, *rest], size(entry, workload.ref)


def _lead(directive: Directive) -> VersionDirective:
    entries = [entry for entry in directive.versions if entry.high > 0] or directive.versions
    by_role = {entry.role: entry for entry in reversed(entries)}
    return by_role.get(Role.CANDIDATE) or by_role.get(Role.STABLE) or entries[0]


def _effective(entry: VersionDirective, effective: Mapping[Version, Effective], key: ReleaseKey) -> Effective:
    found = effective.get(entry.version)
    if found is None:
        raise Stalled(
            f"The effective spec of version {short(entry.version)} of {key} is missing.", reason="EffectiveMissing"
        )
    identity = (found.repository, found.spec.environment, found.name, found.version)
    if identity != (key.repository, key.environment, key.name, entry.version):
        raise Stalled(
            f"The effective spec kept for version {short(entry.version)} of {key} is that of version "
            f"{short(found.version)} of {found.spec.environment}/{found.name} in {found.repository}.",
            reason="EffectiveMismatch",
        )
    return found
