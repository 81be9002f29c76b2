"""`run` and `once`: the daemon, and the same loops turned by hand until nothing is left to do."""

from pathlib import Path
from typing import Annotated, Any

import typer

from reconciler.errors import EXIT_DONE, EXIT_NO

Config = Annotated[Path | None, typer.Option("--config", "-c", help="Settings file; default: $RECONCILER_CONFIG.")]
LogFormat = Annotated[str, typer.Option(help="console, json, or auto: console on a terminal.")]
Level = Annotated[str, typer.Option(help="debug, info, warning or error.")]


def run(config: Config = None, log_format: LogFormat = "auto", log_level: Level = "info") -> int:
    """Watch the repositories and keep the clusters as declared, until SIGTERM or Ctrl-C.

    Example: reconciler run --config reconciler.yaml
    """
    import signal
    import threading

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log = logger(log_format, log_level)
    daemon = _daemon(config, log)
    try:
        daemon.start()
        log.info("started", metrics=daemon.address)
        stop.wait()
        log.info("stopping")
    finally:
        daemon.stop()
    return EXIT_DONE


def once(
    config: Config = None,
    until_settled: Annotated[bool, typer.Option(help="Go on until no rollout is under way.")] = False,
    timeout: Annotated[float, typer.Option(min=1.0, help="Seconds to work at most.")] = 300.0,
    log_format: LogFormat = "auto",
    log_level: Level = "info",
) -> int:
    """Bring the clusters to what is declared, once, and end: 0 when nothing is left to do, 1 when time ran out.

    Example: reconciler once --until-settled --timeout 120
    """
    daemon = _daemon(config, logger(log_format, log_level))
    try:
        daemon.open()
        done = daemon.drain(until_settled=until_settled, timeout=timeout)
        left = [] if done else daemon.moving()
    finally:
        daemon.stop()
    for key in left:
        typer.echo(f"{key} is still under way", err=True)
    return EXIT_DONE if done else EXIT_NO


def _daemon(config: Path | None, log: Any) -> Any:
    from reconciler.config import find, load
    from reconciler.loop.daemon import Daemon

    return Daemon(load(find(config)), log=log)


def logger(form: str, level: str) -> Any:
    """One line per decision on standard error: for people on a terminal, JSON elsewhere. Raises Misused."""
    import logging
    import sys

    import structlog

    from reconciler.errors import Misused

    if form not in ("auto", "console", "json"):
        raise Misused(f"--log-format is console, json or auto, not '{form}'")
    numbers = logging.getLevelNamesMapping()
    if level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise Misused(f"--log-level is debug, info, warning or error, not '{level}'")
    people = form == "console" or (form == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if people else _json
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(numbers[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    return structlog.get_logger()


def _json(_logger: Any, _name: str, event: Any) -> str:
    """One line of JSON; control characters in values are escaped by it."""
    import orjson

    return orjson.dumps(dict(event), default=str).decode()
