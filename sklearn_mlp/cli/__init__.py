"""The command line, ``sklearn-mlp``: train on files, predict new ones, describe a model."""

import argparse
import os
import sys
from collections.abc import Sequence

from .arguments import parse
from .errors import InputError
from .meter import Meter

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default those of the process.

    Returns
    -------
    int
        The exit code: 0, 2 after an error that the user can correct, or 130 after Ctrl-C.
    """
    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
        with Meter() as meter:
            return _run(arguments, meter)
    except BrokenPipeError:  # who reads the output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (InputError, OSError) as error:
        print("error:", *str(error).split(), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _run(arguments: argparse.Namespace, meter: Meter) -> int:
    """Run the command, and return the exit code."""
    meter.begin("loading")
    from . import article, describe, fit, predict  # these take seconds to import

    if arguments.command is None:
        return article.run(arguments.plot, meter)
    run = {"fit": fit.run, "predict": predict.run, "report": describe.run}[arguments.command]
    return run(arguments, meter)
