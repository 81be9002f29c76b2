"""Who is to be told of an object that others own: the autoscalers of a Deployment, the budgets that count a pod.

An index, so that a change of one pod costs the same among two budgets and two thousand. It is kept from the same events
as the view.
"""

from collections.abc import Iterator, Mapping

from reconciler.demo.api.controllers.objects import Obj, name_of
from reconciler.demo.api.controllers.view import AUTOSCALERS, BUDGETS, Key, Name
from reconciler.demo.api.selectors import Labels, labels_match, of_object

_Place = tuple[str, str, str]  # of a target: namespace, kind, name; of a label: namespace, key, value
_ANY = ""


class Interest:
    """`learn` from every event; then ask."""

    def __init__(self) -> None:
        self._places: dict[tuple[Key, Name], _Place] = {}
        self._at: dict[tuple[Key, _Place], dict[Name, Labels]] = {}

    def learn(self, event: str, key: Key, obj: Obj) -> None:
        """An autoscaler or a budget came, changed or went; anything else is of no interest."""
        if key not in {AUTOSCALERS, BUDGETS}:
            return
        name = name_of(obj)
        before = self._places.pop((key, name), None)
        if before is not None:
            del self._at[key, before][name]
        if event == "DELETED":
            return
        place = _of_target(obj) if key == AUTOSCALERS else _of_selector(obj)
        if place is not None:
            self._places[key, name] = place
            labels = () if key == AUTOSCALERS else of_object(obj["spec"]["selector"])
            self._at.setdefault((key, place), {})[name] = labels

    def autoscalers(self, deployment: Obj) -> list[Name]:
        """The autoscalers whose target this is."""
        namespace, name = name_of(deployment)
        return list(self._at.get((AUTOSCALERS, (namespace, "Deployment", name)), ()))

    def budgets(self, namespace: str, labels: Mapping[str, str]) -> Iterator[Name]:
        """The budgets that count pods with these labels."""
        for place in ((namespace, _ANY, _ANY), *((namespace, key, value) for key, value in labels.items())):
            for name, requirements in self._at.get((BUDGETS, place), {}).items():
                if labels_match(requirements, labels):
                    yield name


def _of_target(autoscaler: Obj) -> _Place:
    target = autoscaler["spec"]["scaleTargetRef"]
    return autoscaler["metadata"]["namespace"], target["kind"], target["name"]


def _of_selector(budget: Obj) -> _Place | None:
    """A label that every pod of the budget has; a budget without a selector is about no pod."""
    selector = budget["spec"].get("selector")
    if selector is None:
        return None
    key, value = next(iter((selector.get("matchLabels") or {}).items()), (_ANY, _ANY))
    return budget["metadata"]["namespace"], key, value
