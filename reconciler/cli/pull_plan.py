"""`plan --pr 12`: what the daemon's comment on a pull request tells, computed here and now, and posted nowhere.

Not the plan (`loop/pulls/one`). Rule: it is planned by a daemon of one's own that only looks, with the forge and the
clusters of the settings.
"""

from typing import TYPE_CHECKING

from reconciler.cli.output import print_json, write
from reconciler.cli.showing import onlooker
from reconciler.errors import EXIT_DONE, EXIT_NO, Misused, NotFound, Refused

if TYPE_CHECKING:
    from reconciler.config import Settings
    from reconciler.loop.pulls.one import One
    from reconciler.model.pull import PullRequest


def plan_pull(settings: "Settings", number: int, output: str) -> int:
    """Print the plan of a pull request as text, markdown or json; ends as `plan` does."""
    from reconciler.cli.proposing import plain
    from reconciler.plan.explain_pull import is_quiet, pull_as_data, pull_as_text

    rows = settings.config.repositories
    if len(rows) > 1:
        raise Misused("the settings watch several repositories: plan one of them with settings of its own")
    with onlooker(settings) as daemon:
        (source,) = daemon.world.sources.values()
        one = daemon.pulls(source.repository)
        pull = _open_pull(one, number, rows[0].branch)
        daemon.look(source)
        report, comment = one.told(pull, daemon.world.now())
    if output == "json":
        print_json(pull_as_data(report))
    elif output == "markdown":
        write(comment.encode())
    else:
        print("\n".join(plain(line) for line in pull_as_text(report).split("\n")))
    return EXIT_DONE if is_quiet(report) else EXIT_NO


def _open_pull(one: "One", number: int, branch: str) -> "PullRequest":
    """The pull request; raises NotFound, or Refused for one that merging does nothing with."""
    from reconciler.model.pull import PullState

    try:
        pull = one.forge.pull(number)
    except NotFound:
        raise NotFound(f"there is no pull request #{number} on the forge of {one.repository}") from None
    if pull.state is not PullState.OPEN:
        hint = "what became of it: reconciler status" if pull.state is PullState.MERGED else ""
        raise Refused(f"#{number} is {pull.state}: there is nothing to plan", hint=hint)
    if pull.base_branch != branch:
        raise Refused(f"#{number} is to {pull.base_branch}, and the settings watch {branch}")
    return pull
