"""`init`: a new repository in the sample's shape, with keys, trust and settings, signed and ready to be watched."""

from pathlib import Path
from typing import Annotated

import typer

from reconciler.errors import EXIT_DONE

_NEXT = """\
made {folder}:
  models/           the repository (a clone of models.git), signed by bo
  keys/             keys of ada (science), bo (platform, owner), cy (risk) and the daemon
  trust.yaml        whom the daemon believes, and in what
  reconciler.yaml   the daemon's settings

next:
  put the kubeconfig of your clusters (contexts eu-1 and us-1) at {folder}/kube/fleet
  reconciler install --kubeconfig {folder}/kube/fleet --context eu-1 --apply     (and for us-1)
  make the namespaces that models/environments/*.yaml name, on both clusters: the daemon makes none
  reconciler run --config {folder}/reconciler.yaml
or see it all without a cluster: reconciler demo"""


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
    repository: Annotated[str, typer.Option(metavar="NAME", help="The name that signatures use.")] = "",
) -> int:
    """Make a new repository with sample releases, keys and trust.

    Example: reconciler init acme
    """
    from reconciler.demo.organisation import REPOSITORY, make

    make(folder, repository=repository or REPOSITORY)
    print(_NEXT.format(folder=folder))
    return EXIT_DONE
