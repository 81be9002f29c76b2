"""One embedded cluster: its objects, its controllers, and what it answers to a request. No sockets here."""

import traceback
from collections import Counter
from collections.abc import Callable, Iterator

import structlog

from reconciler.demo.api import discovery, proxy
from reconciler.demo.api.controllers import Controllers
from reconciler.demo.api.definitions import Definitions
from reconciler.demo.api.faults import Faults
from reconciler.demo.api.handlers import Handlers, Place, failed
from reconciler.demo.api.messages import JSON, Answer, Request, json, refusal, text
from reconciler.demo.api.objects import Call, Objects
from reconciler.demo.api.resources import Resources
from reconciler.demo.api.shapes import Body
from reconciler.demo.api.status import ApiError, no_such_path, not_allowed
from reconciler.demo.api.store import Store

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
_HEALTH = frozenset({"healthz", "livez", "readyz"})
_PROXY = 5  # namespaces/NAMESPACE/pods/POD:PORT/proxy
_OF_NAMESPACE = frozenset({"finalize", "status"})


class Cluster:
    """`start` before the first request, `stop` at the end.

    `pace`: seconds between two steps of a pod's life, 0 for at once. `history`: how many changes of one resource a
    watch can still ask for. `requests` counts what was asked as {(verb, resource): times}; `faults` makes things go
    wrong.
    """

    def __init__(self, name: str, *, pace: float = 0.0, history: int = 1000) -> None:
        self.name = name
        self.faults = Faults()
        self.requests: Counter[tuple[str, str]] = Counter()
        self.store = Store(history=history)
        self._epoch = 0
        self._objects = Objects(self.store, Resources())
        Definitions(self._objects)
        self._handlers = Handlers(self._objects, lambda: self._epoch)
        self._controllers = Controllers(self._objects, pace=pace)

    def start(self) -> None:
        """Make the first namespaces and start the controllers."""
        resource = self._objects.resources.storage(("", "namespaces"))
        for name in NAMESPACES:
            self._objects.create(Call(resource=resource, manager="kube-apiserver"), {"metadata": {"name": name}})
        self._controllers.start()

    def stop(self) -> None:
        """End the watches and the controllers."""
        self.end_watches()
        self._controllers.stop()

    def end_watches(self) -> None:
        """Every open watch ends, as when a real server restarts; clients start new ones."""
        self._epoch += 1
        self.store.wake()

    def compact(self) -> None:
        """Forget the history: a watch from an older resourceVersion gets 410 Expired."""
        self.store.compact()

    def answer(self, request: Request) -> Answer:
        """What the API server says; never raises."""
        try:
            return self._route(request)
        except ApiError as error:
            return refusal(error)
        except Exception as error:  # noqa: BLE001  # a mistake of ours is a 500 and a log line, as on any server
            told = "".join(traceback.format_exception(error))  # no values: a body may be secret
            structlog.get_logger().error("embedded API", method=request.method, path=request.path, trace=told)
            return refusal(failed(error))

    def _route(self, request: Request) -> Answer:
        head, *rest = request.path
        root = _ROOTS.get(head)
        if root is not None:
            return root(self, request, tuple(rest))
        return text("404 page not found\n", 404)

    # --- resources

    def _api(self, request: Request, rest: tuple[str, ...]) -> Answer:
        if not rest:
            return self._discovery(request, discovery.core_versions(), core=True)
        return self._versioned(request, "", rest[0], rest[1:])

    def _apis(self, request: Request, rest: tuple[str, ...]) -> Answer:
        if not rest:
            return self._discovery(request, discovery.groups(self._objects.resources), core=False)
        if len(rest) == 1:
            return _found(discovery.group(self._objects.resources, rest[0]))
        return self._versioned(request, rest[0], rest[1], rest[2:])

    def _discovery(self, request: Request, plain: Body, *, core: bool) -> Answer:
        for part in request.headers.get("accept", "").split(","):
            for version in ("v2", "v2beta1"):
                if "g=apidiscovery.k8s.io" in part and f"v={version};" in part and JSON in part:
                    kind = f"{JSON};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
                    body = discovery.aggregated(self._objects.resources, core=core, version=version)
                    return json(body, content_type=kind)
        return json(plain)

    def _versioned(self, request: Request, group: str, version: str, rest: tuple[str, ...]) -> Answer:
        if not rest:
            return _found(discovery.resource_list(self._objects.resources, group, version))
        if not group and len(rest) >= _PROXY and rest[2] == "pods" and rest[4] == "proxy":
            return self._proxied(request, rest[1], rest[3], rest[_PROXY:])
        place = self._place(group, version, rest)
        verb = self._handlers.verb(place, request)
        counted = f"{place.resource.plural}/{place.subresource}" if place.subresource else place.resource.plural
        self.requests[verb, counted] += 1
        return self._handlers.handle(verb, place, request)

    def _proxied(self, request: Request, namespace: str, name: str, path: tuple[str, ...]) -> Answer:
        """Whatever the method: the pod answers."""
        pods = self._objects.resources.find("", "v1", "pods")
        assert pods is not None  # noqa: S101  # a built-in kind
        pod, port = proxy.split(name)
        self.requests["get" if request.method == "GET" else "create", "pods/proxy"] += 1
        item = self._objects.get(Call(resource=pods, namespace=namespace, name=pod))
        return proxy.proxied(item, port, path, request)

    def _place(self, group: str, version: str, rest: tuple[str, ...]) -> Place:
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _OF_NAMESPACE:  # noqa: PLR2004
            namespace, rest = rest[1], rest[2:]
        plural, name, subresource, *more = (*rest, "", "")
        resource = self._objects.resources.find(group, version, plural)
        if resource is None or any(more) or (namespace and not resource.namespaced):
            raise no_such_path()
        return Place(resource=resource, namespace=namespace, name=name, subresource=subresource)

    # --- everything else

    def _version(self, _request: Request, _rest: tuple[str, ...]) -> Answer:
        return json(discovery.VERSION)

    def _health(self, _request: Request, _rest: tuple[str, ...]) -> Answer:
        return text("ok")

    def _openapi(self, request: Request, rest: tuple[str, ...]) -> Answer:
        resources = self._objects.resources
        match rest:
            case ("v2",) if "protobuf" in request.headers.get("accept", ""):
                return Answer(content_type=_PROTOBUF)  # an empty message is an empty document
            case ("v2",):
                return json(discovery.openapi_v2())
            case ("v3",):
                return json(discovery.openapi_index(resources))
            case ("v3", "api", version):
                return _found(discovery.openapi(resources, "", version))
            case ("v3", "apis", group, version):
                return _found(discovery.openapi(resources, group, version))
        raise no_such_path()

    def _requests(self, request: Request, _rest: tuple[str, ...]) -> Answer:
        if request.method == "DELETE":
            self.requests.clear()
        elif request.method != "GET":
            raise not_allowed()
        counted: dict[str, dict[str, int]] = {}
        for (verb, resource), times in self.requests.copy().items():
            counted.setdefault(verb, {})[resource] = times
        return json(counted)


_Root = Callable[[Cluster, Request, tuple[str, ...]], Answer]


def _roots() -> Iterator[tuple[str, _Root]]:
    yield "api", Cluster._api  # noqa: SLF001  # the table of the class above
    yield "apis", Cluster._apis  # noqa: SLF001
    yield "version", Cluster._version  # noqa: SLF001
    yield "openapi", Cluster._openapi  # noqa: SLF001
    yield "__requests", Cluster._requests  # noqa: SLF001
    for name in _HEALTH:
        yield name, Cluster._health  # noqa: SLF001


_ROOTS: dict[str, _Root] = dict(_roots())


def _found(body: Body | None) -> Answer:
    return json(body) if body is not None else text("404 page not found\n", 404)
