"""What commands read of the home cluster: the states of releases and repositories, and the releases a person means."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import NotFound

if TYPE_CHECKING:
    from reconciler.edges.kube.connect import Connection
    from reconciler.edges.kube.states import Stored
    from reconciler.model.repository import RepositoryState
    from reconciler.model.state import ReleaseState


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeReader:
    """An open connection to the home cluster, and the namespace that the states lie in."""

    connection: "Connection"
    namespace: str

    def releases(self) -> list["Stored[ReleaseState]"]:
        """Every release's state, by environment and name."""
        from reconciler.edges.kube.states import States
        from reconciler.model.state import ReleaseState

        rows = States(self.connection, ReleaseState).list(self.namespace).stored
        return sorted(rows, key=lambda row: (row.value.release.environment, row.value.release.name))

    def repositories(self) -> dict[str, "RepositoryState"]:
        """Every repository's state, by the repository's name."""
        from reconciler.edges.kube.states import States
        from reconciler.model.repository import RepositoryState

        rows = States(self.connection, RepositoryState).list(self.namespace).stored
        return {row.value.repository: row.value for row in rows}

    def troubles(self) -> list[str]:
        """What is wrong with the repositories themselves, and states that do not parse, one sentence each."""
        from reconciler.edges.kube.states import States
        from reconciler.model.repository import RepositoryState
        from reconciler.model.state import ReleaseState

        releases = States(self.connection, ReleaseState).list(self.namespace)
        repositories = States(self.connection, RepositoryState).list(self.namespace)
        found = [row.sentence for row in (*releases.unreadable, *repositories.unreadable)]
        return found + [
            f"{row.value.repository}: {condition.reason}: {condition.message}"
            for row in repositories.stored
            for condition in row.value.status.conditions
            if condition.status == "False"
        ]


@contextmanager
def home(config: Path | None) -> Iterator[HomeReader]:
    """The home cluster of the settings, closed at the end."""
    from reconciler.config import find, load
    from reconciler.edges.kube.connect import open_in_cluster, open_kubeconfig

    settings = load(find(config))
    named = settings.config.home
    if named.kubeconfig is None:
        connection = open_in_cluster(name="home")
    else:
        path = settings.path(named.kubeconfig)
        connection = open_kubeconfig(path, named.context, name="home", allow=settings.config.allowed)
    try:
        yield HomeReader(connection=connection, namespace=named.namespace)
    finally:
        connection.close()


def chosen(rows: Sequence["Stored[ReleaseState]"], name: str) -> list["Stored[ReleaseState]"]:
    """The releases that a person means by NAME or ENVIRONMENT/NAME; raises NotFound when there is none."""
    found = [row for row in rows if name in (row.value.release.name, str(row.value.key))]
    if not found:
        names = ", ".join(str(row.value.key) for row in rows[:10])
        raise NotFound(
            f"there is no release '{name}'", hint=f"there is {names}" if names else "nothing was released yet"
        )
    return found
