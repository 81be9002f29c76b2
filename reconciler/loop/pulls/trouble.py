"""What keeps us from a forge, as a condition of its repository: `reconciler status` tells it, and it holds nothing."""

from datetime import datetime

from reconciler.loop.home import Home
from reconciler.model.ids import RepositoryName
from reconciler.model.plan import Told, with_told
from reconciler.model.repository import RepositoryStatus

FORGE = "Forge"
ANSWERS = "ForgeAnswers"


def say_trouble(home: Home, repository: RepositoryName, branch: str, message: str, reason: str, now: datetime) -> None:
    """Write it down; an empty message says that the forge answers again. Raises Retry when home was written to."""

    def change(status: RepositoryStatus) -> RepositoryStatus:
        if not message and not any(row.type == FORGE for row in status.conditions):
            return status
        told = Told(type=FORGE, status=not message, reason=reason or ANSWERS, message=message)
        return status.model_copy(update={"conditions": with_told(status.conditions, (told,), now)})

    home.change_repository(repository, branch, change)
