"""The arguments of the command line."""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from .. import __version__
from .errors import InputError

PROGRAM = "sklearn-mlp"

COMMANDS = ("fit", "predict", "report")

SOLVERS = ("adam", "auto", "gd", "lbfgs", "lm", "sgd")
MAX_ITER = 200
"""The regressor's own, which takes seconds to import."""

DESCRIPTION = """\
Train a network with error bars on your table, and predict new rows with it.

  sklearn-mlp fit DATA.csv --target COLUMN --save MODEL.skops
  sklearn-mlp predict MODEL.skops NEW.csv --out PREDICTED.csv
  sklearn-mlp report MODEL.skops

Without arguments it runs the introductory article that the network comes from,
on the article's own data. The word `fit` may be left out.
"""

EXIT_CODES = """\
exit codes:
  0    all went well
  2    an argument or a file cannot be used, or the memory is not enough; the
       error is one line
  130  interrupted by Ctrl-C; `fit --save` has saved the best model so far, if
       there was one
  143  ended by SIGTERM; files that were not finished are removed
"""

DATA = (
    "CSV, Parquet, Feather or Excel files with the same columns, a pattern in quotes such as "
    "'data/*.csv', or - for the standard input. What a file is, its separator, its decimal sign "
    "and its encoding are found by looking at it. CSV may be packed by gzip"
)


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors :func:`sklearn_mlp.cli.main` shows."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see {self.prog} --help)")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the arguments. Without a command, data files are for `fit`."""
    parser = _parser()
    if argv and argv[0] not in COMMANDS and not _are_of_the_article(argv):
        if _is_no_file(argv[0]):
            raise InputError(
                f"there is no command and no file {argv[0]!r}. The commands are "
                f"{', '.join(COMMANDS)} (see {PROGRAM} --help)"
            )
        argv = ["fit", *argv]
    return parser.parse_args(argv)


def _is_no_file(argument: str) -> bool:
    """Whether a word can only be a command: an option, a pattern or a path looks different."""
    return argument.isalpha() and not Path(argument).exists()


def _are_of_the_article(argv: Sequence[str]) -> bool:
    """Whether the first argument is an option of the program itself."""
    return argv[0].split("=")[0] in ("-h", "--help", "--version", "--plot")


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = _Parser(prog=PROGRAM, description=DESCRIPTION, epilog=EXIT_CODES, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="draw a figure of the article's run (.png, .pdf or .svg)",
    )
    commands = parser.add_subparsers(dest="command", metavar="{fit,predict,report}")
    _add_fit(commands.add_parser(
        "fit", help="train on files, and report how well the network predicts",
        epilog=EXIT_CODES, formatter_class=raw,
    ))  # fmt: skip
    _add_predict(commands.add_parser(
        "predict", help="predict the rows of files by a saved model, with error bars",
        epilog=EXIT_CODES, formatter_class=raw,
    ))  # fmt: skip
    report = commands.add_parser("report", help="say what a saved model is")
    report.add_argument("model", type=Path, metavar="MODEL", help="a file that `fit` has saved")
    return parser


def _add_reading(add: Callable[..., argparse.Action]) -> None:
    """Add the options of all commands that read tables."""
    add(
        "--separator",
        type=_separator,
        metavar="CHAR",
        help="what divides the columns of CSV files: a character, 'tab' or 'space'",
    )
    add("--encoding", metavar="NAME", help="that of CSV files, such as utf-16 or latin-1")
    add(
        "--sheet",
        metavar="SHEET",
        help="the sheet of Excel files: its name, or its number from 1; default: the first",
    )


def _add_fit(parser: argparse.ArgumentParser) -> None:
    """Add the options for training, with the regressor's defaults."""
    add = parser.add_argument
    add("data", nargs="+", metavar="DATA", help=DATA)
    add("--target", required=True, metavar="COLUMN", help="the column to predict, from all others")
    add(
        "--save",
        type=Path,
        metavar="MODEL",
        help="write the model here, fitted to all rows. It is a skops file, which runs no code "
        "when it is loaded, unless the name ends in .joblib",
    )
    add(
        "--no-refit",
        action="store_true",
        help="save the model that was scored, which has not seen the held-out rows. This saves "
        "the time of the fit to all rows",
    )
    for option, what in (
        ("--drop", "columns to leave out"),
        ("--categorical", "columns whose values are categories, also if they are numbers"),
        ("--numeric", "columns whose values are numbers, also if they look like identifiers"),
    ):
        add(option, action="append", default=[], metavar="COLUMNS",
            help=f"{what}; give it several times, or commas between the names")  # fmt: skip
    _add_reading(add)
    add(
        "--folds",
        type=_folds,
        default=5,
        metavar="N",
        help="fits of the cross-validation, which take most of the time; 0 for none; default: 5",
    )
    add(
        "--test-size",
        type=_fraction,
        default=0.2,
        metavar="SHARE",
        help="share of the rows that is held out; default: 0.2",
    )
    add(
        "--hidden",
        type=_layer_sizes,
        default="auto",
        metavar="SIZES",
        help="units of the hidden layers, as 50 or 50,20, or 0 for a linear model; "
        "default: auto, which finds them",
    )
    add(
        "--solver",
        choices=SOLVERS,
        default="auto",
        help="default: auto",
    )
    add(
        "--max-iter",
        type=_integer_from(1),
        default=MAX_ITER,
        metavar="N",
        help=f"most iterations; default: {MAX_ITER}",
    )
    add(
        "--random-state",
        type=_integer_from(0),
        default=0,
        metavar="SEED",
        help="of the split, the folds and the initial weights; default: 0",
    )


def _add_predict(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="a file that `fit` has saved")
    add("data", nargs="+", metavar="DATA", help=DATA)
    add(
        "--out",
        type=Path,
        metavar="FILE",
        help="where the rows go, with two columns more: COLUMN_predicted, and COLUMN_std, the "
        "standard deviation of a new observation. The name says the format: .parquet, .feather, "
        ".xlsx, or CSV; default: CSV to the standard output",
    )
    _add_reading(add)


# The values of options --------------------------------------------------------------------------


def _separator(text: str) -> str:
    """Read a character, or its name."""
    text = {"tab": "\t", "\\t": "\t", "space": r"\s+", " ": r"\s+"}.get(text, text)
    if len(text) != 1 and text != r"\s+":
        raise argparse.ArgumentTypeError(f"expected a character, 'tab' or 'space', got {text!r}")
    if text in '"\r\n':
        raise argparse.ArgumentTypeError(f"{text!r} has a meaning of its own in CSV files")
    return text


def _layer_sizes(text: str) -> tuple[int, ...] | str:
    """Read "50" or "50,20". "0" means no hidden layer, "auto" that they are to be found."""
    if text == "auto":
        return text
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = (-1,)
    if sizes == (0,):
        return ()
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"expected integers such as 50 or 50,20, got {text!r}")
    return sizes


def _folds(text: str) -> int:
    """Read a number of folds: 0, or at least 2."""
    value = _integer_from(0)(text)
    if value == 1:
        raise argparse.ArgumentTypeError("expected 0 or an integer from 2, got '1'")
    return value


def _integer_from(minimum: int) -> Callable[[str], int]:
    """Return a function that reads an integer of at least `minimum`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = minimum - 1
        if value < minimum:
            raise argparse.ArgumentTypeError(f"expected an integer from {minimum}, got {text!r}")
        return value

    return read


def _fraction(text: str) -> float:
    """Read a number between 0 and 1, both excluded."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1, got {text!r}")
    return value
