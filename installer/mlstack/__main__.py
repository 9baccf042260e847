"""Entry point. Answers ``--help``, ``--version`` and an ``up`` to which nothing has changed itself: the command-line library alone
costs more than their time budget."""

import sys


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; the process' exit code (``mlstack.core.errors.ExitCode``)."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments in ([], ["-h"], ["--help"]) and not _completing():
        from mlstack.cli.commands import help_text

        print(help_text())
        return 0 if arguments else 2
    if arguments == ["--version"]:
        from mlstack import __version__

        print(f"mlstack {__version__}")
        return 0
    if arguments[:1] == ["up"] and not _completing():
        from os import environ

        from mlstack.cli.quick import attempt

        if attempt(arguments[1:], environ):
            return 0
    from mlstack.cli.root import run

    return run(arguments)


def _completing() -> bool:
    from os import environ

    return "_MLSTACK_COMPLETE" in environ


if __name__ == "__main__":
    sys.exit(main())
