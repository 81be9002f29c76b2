"""`demo`: the whole product on this machine, with nothing but Python and git."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from reconciler.errors import EXIT_DONE

_PAUSE = 1.2  # seconds between chapters, so that a person can follow
_PACE = 0.6  # seconds that a pod takes for each step of coming up


def demo(
    fast: Annotated[bool, typer.Option("--fast", help="No pauses: for tests.")] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running at the end, to go on by hand.")
    ] = False,
    folder: Annotated[Path | None, typer.Option("--dir", help="Where to play; default: a temporary folder.")] = None,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Play on real clusters: contexts eu-1 and us-1 of this file.")
    ] = None,
) -> int:
    """Tell the story on two embedded clusters and a local forge: release, refusals, drift, crash, pull requests.

    Example: reconciler demo --keep
    """
    import tempfile

    screen = _Screen(fast=fast)
    if folder or keep:
        where = folder or Path(tempfile.mkdtemp(prefix="reconciler-demo-"))
        return _play(where, screen, keep=keep, kubeconfig=kubeconfig)
    with tempfile.TemporaryDirectory(prefix="reconciler-demo-") as temporary:
        return _play(Path(temporary) / "acme", screen, keep=False, kubeconfig=kubeconfig)


class _Screen:
    """What the audience sees: plain lines, the current one rewritten only on a terminal."""

    def __init__(self, *, fast: bool) -> None:
        from reconciler.cli.output import console

        self.fast = fast
        self._console: Any = console()

    def line(self, text: str, style: str = "", *, indent: int = 0) -> None:
        """One line; on a terminal it is wrapped, with what follows under its beginning."""
        import textwrap

        rest = " " * indent
        if self._console.is_terminal and indent:
            lines = textwrap.wrap(
                text, self._console.width, initial_indent=" " * (indent - 2), subsequent_indent=rest,
                break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip
            text = "\n".join(lines)
        elif indent:
            text = " " * (indent - 2) + text
        self._console.print(text, style=style or None, markup=False, soft_wrap=True)

    def chapter(self, number: int, total: int, title: str, words: str) -> None:
        self.line(f"\n[{number}/{total}] {title}", "bold")
        self.line(f"      {words}", "dim")

    def progress(self, sentence: str) -> None:
        if not self.fast:
            self.line(f"… {sentence}", "dim", indent=8)

    def pause(self) -> None:
        if not self.fast:
            time.sleep(_PAUSE)


def _play(folder: Path, screen: _Screen, *, keep: bool, kubeconfig: Path | None) -> int:
    from reconciler.demo.stage import staged
    from reconciler.demo.story import STORY

    began = time.monotonic()
    pace = 0.0 if screen.fast else _PACE
    with staged(folder, kubeconfig=kubeconfig, pace=pace, progress=screen.progress) as stage:
        screen.line(
            f"An organisation in {folder}: a repository on a forge, keys for ada, bo, cy and the daemon, two clusters."
        )
        screen.line("Look on from another terminal:", "dim")
        screen.line(f"  kubectl --kubeconfig {stage.organisation.kubeconfig} get releasestates,deploy -A", "dim")
        screen.line(f"Read the pull requests in a browser: {stage.page}", "dim")
        try:
            for number, step in enumerate(STORY, start=1):
                screen.chapter(number, len(STORY), step.title, step.words)
                screen.pause()
                screen.line(f"✓ {step.play(stage)}", "green", indent=6)
            screen.line("\nAn auditor checks the ledger from a clone, offline.", "bold")
            screen.line(f"✓ {_ledger(stage)}", "green", indent=6)
        finally:
            finished = number == len(STORY)
            if not (keep and finished):
                stage.close()
        screen.line(f"\nAll {len(STORY)} steps passed in {time.monotonic() - began:.0f} s.")
        if keep:
            _farewell(screen, stage)
    return EXIT_DONE


def _ledger(stage: Any) -> str:
    """Check the ledger offline, as an auditor would."""
    people = stage.organisation
    stage.stop_daemon()
    repository, trust = str(people.folder / "models.git"), str(people.folder / "trust.yaml")
    return str(stage.command("audit", "verify", "--repository-dir", repository, "--trust", trust))


def _farewell(screen: _Screen, stage: Any) -> None:
    import sys

    people = stage.organisation
    stage.start_daemon()
    pids = " ".join(str(process.pid) for process in (stage.daemon, stage.servers, stage.forge) if process)
    release = "releases/staging/fraud-detector.yaml"
    screen.line("\nEverything is still running. Watch from a second terminal:")
    screen.line(f"  kubectl --kubeconfig {people.kubeconfig} get releasestates -A -w")
    screen.line(f"Open, read and merge pull requests in a browser: {stage.page}")
    screen.line("Go on by hand:")
    screen.line(f"  export PATH={Path(sys.executable).parent}:$PATH RECONCILER_CONFIG={people.settings}")
    screen.line(f"  cd {people.checkout.top}")
    screen.line(f"  sed -i 's/version: 1.3.0/version: 1.3.1/' {release}")
    screen.line(f"  reconciler sign {release} --key {people.person('ada').key}")
    screen.line('  git commit -am "Promote fraud-detector 1.3.1 to staging" && git push     # promote')
    screen.line("  reconciler status")
    screen.line("  git revert --no-edit HEAD && git push                                      # roll back")
    screen.line(f"Stop it: kill {pids}; rm -r {people.folder}")
