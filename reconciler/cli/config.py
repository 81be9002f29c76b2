"""`config check` and `config schema`: the daemon's settings file before the daemon reads it."""

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.app import new_app
from reconciler.cli.output import print_json
from reconciler.errors import EXIT_DONE

app = new_app("Check the daemon's settings file.")


@app.command()
def check(
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Else $RECONCILER_CONFIG or ./reconciler.yaml.")
    ] = None,
) -> int:
    """Check the settings file and everything that it names; tells every problem at once.

    Example: reconciler config check --config /etc/reconciler/reconciler.yaml
    """
    from reconciler.config import find, load
    from reconciler.edges.kube.kubeconfig import login

    path = find(config)
    settings = load(path)
    home = settings.config.home
    if home.kubeconfig is not None:
        login(settings.path(home.kubeconfig), home.context, settings.config.allowed)
    watched = ", ".join(f"{one.name} ({one.branch})" for one in settings.config.repositories)
    print(f"{path} is valid: it watches {watched}")
    return EXIT_DONE


@app.command()
def schema() -> int:
    """Print the JSON Schema of the settings file.

    Example: reconciler config schema > reconciler.schema.json
    """
    from reconciler.config import Config
    from reconciler.documents.schema import json_schema

    print_json(json_schema("Config", {"Config": Config}))
    return EXIT_DONE
