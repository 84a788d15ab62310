"""The command line, ``sklearn-mlp``: train on files, predict new ones, describe a model."""

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from .arguments import parse
from .errors import InputError
from .meter import Meter, say_no_more

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

    Raises
    ------
    SystemExit
        With 0 after ``--help`` and the like, and with 143 after SIGTERM.
    """
    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
        with _unwound_by_sigterm(), Meter() as meter:
            return _run(arguments, meter)
    except BrokenPipeError:  # who reads the output has had enough
        say_no_more()
        return 0
    except (InputError, OSError) as error:
        print("error:", *str(error).split(), file=sys.stderr)
        return 2
    except MemoryError as error:
        print("error: there is not enough memory:", *str(error).split(), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


@contextmanager
def _unwound_by_sigterm() -> Iterator[None]:
    """A context that SIGTERM ends by an exception, so that unfinished files are removed."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _run(arguments: argparse.Namespace, meter: Meter) -> int:
    """Run the command, and return the exit code."""
    meter.begin("loading")
    from . import article, describe, fit, predict  # these take seconds to import

    if arguments.command is None:
        return article.run(arguments.plot, meter)
    run = {"fit": fit.run, "predict": predict.run, "report": describe.run}[arguments.command]
    return run(arguments, meter)
