"""The program `reconciler`. Nothing but the version is answered here: everything else is imported when it is needed."""

import sys

from reconciler import __version__


def main() -> None:
    """Run the command that the arguments name and end the process with its exit code."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        print(f"reconciler {__version__}")  # noqa: T201  # the answer itself; the command line is not even imported
        return
    from reconciler.cli.app import run

    sys.exit(run(arguments))


if __name__ == "__main__":
    main()
