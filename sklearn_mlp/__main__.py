"""``python -m sklearn_mlp``: the article from end to end, or a network for the user's files.

Without arguments it generates the article's data, trains the article's network of five hidden
units on them, and compares the error with the article's. With ``DATA... --target COLUMN`` it
trains a network to predict that column from the others, and scores it by cross-validation and on
held-out rows. Files that are large for the memory are read in blocks, without cross-validation.
"""

import argparse
import difflib
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.model_selection import KFold, cross_validate, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from ._lazy_tables import BLOCK_BYTES, LazyTable, Summary, fit_on_disk, summaries
from ._tables import (
    MEMORY_SHARE,
    TableError,
    are_large,
    find_files,
    is_parquet,
    missing_as_nan,
    read,
)
from ._typing import FloatArray
from .datasets import make_hyperplane
from .regressor import SigmoidMLPRegressor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROGRAM = "python -m sklearn_mlp"
ARTICLE_RMSE = 0.0514
"""Where the article's training levels off."""
N_FOLDS = 5
DEFAULT_FIGURE = Path("hyperplane.png")
INTERRUPTED = "Training was interrupted"
"""How the regressor's warning starts when Ctrl-C ends a fit."""


class CommandError(Exception):
    """An error that the user can correct, shown as one line."""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors :func:`main` shows."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(message)


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
        arguments = _parse(argv)
        if arguments.data:
            _run_files(arguments)
        else:
            _run_article(arguments.figure)
    except (CommandError, TableError, OSError) as error:
        print("error:", *str(error).split(), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


# The arguments ------------------------------------------------------------------------------


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the arguments. An option of the other mode is an error."""
    parser = _Parser(
        prog=PROGRAM,
        description="Train a sigmoid network on DATA and report how well it predicts; "
        "without arguments, run the article from end to end on its own data.",
    )
    parser.add_argument(
        "data",
        nargs="*",
        metavar="DATA",
        help="CSV files with a header, or Parquet files (.parquet, .pq), with the same columns; or "
        "a pattern in quotes, such as 'data/*.csv'",
    )
    figure = parser.add_argument(
        "--figure",
        type=Path,
        metavar="PATH",
        help=f"where the article's run draws its figure; default: {DEFAULT_FIGURE}",
    )
    of_files = _add_file_options(parser.add_argument)
    arguments = parser.parse_args(argv)
    if not arguments.data:
        _refuse(arguments, of_files, "DATA, the file to train on, is missing")
    else:
        _refuse(arguments, [figure], "there is a figure of the article's run only")
        if arguments.target is None:
            raise CommandError("which column is to be predicted? Add --target COLUMN")
    return arguments


def _add_file_options(add: Callable[..., argparse.Action]) -> list[argparse.Action]:
    """Add the options for training on files, with the regressor's defaults."""
    defaults = SigmoidMLPRegressor()
    return [
        add("--target", metavar="COLUMN", help="the column to predict, from all others"),
        add(
            "--hidden",
            type=_layer_sizes,
            default="auto",
            metavar="SIZES",
            help="units of the hidden layers, as 50 or 50,20, or 0 for a linear model; "
            "default: auto, which finds them",
        ),
        add(
            "--solver",
            choices=sorted(defaults._parameter_constraints["solver"][0].options),
            default=defaults.solver,
            help=f"default: {defaults.solver}",
        ),
        add(
            "--max-iter",
            type=_integer_from(1),
            default=defaults.max_iter,
            metavar="N",
            help=f"most iterations; default: {defaults.max_iter}",
        ),
        add(
            "--test-size",
            type=_fraction,
            default=0.2,
            metavar="SHARE",
            help="share of the rows that is held out; default: 0.2",
        ),
        add(
            "--save",
            type=Path,
            metavar="MODEL",
            help="write the model that was scored on the held-out rows (fitted without them) "
            "here, with joblib",
        ),
        add(
            "--random-state",
            type=_integer_from(0),
            default=0,
            metavar="SEED",
            help="of the split, the folds and the initial weights; default: 0",
        ),
    ]


def _refuse(arguments: argparse.Namespace, options: Sequence[argparse.Action], reason: str) -> None:
    """Raise an error if the user gave one of these options."""
    for option in options:
        if getattr(arguments, option.dest) != option.default:
            raise CommandError(f"{option.option_strings[0]}: {reason}")


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


def _check_writable(path: Path, option: str) -> None:
    """Raise an error if no file can be written there."""
    if path.is_dir():
        raise CommandError(f"{option}: {str(path)!r} is a folder, a file name is needed")
    if not path.parent.is_dir():
        raise CommandError(f"{option}: there is no folder {str(path.parent)!r}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise CommandError(f"{option}: {str(path)!r} may not be written")


# The article --------------------------------------------------------------------------------


def _run_article(figure_path: Path | None) -> None:
    """Generate the article's data, train its network, and compare."""
    path = figure_path or DEFAULT_FIGURE
    if _has_matplotlib():
        _check_figure_path(path)
    table = make_hyperplane(random_state=0)
    X, y = table.drop(columns="value"), table["value"]

    print(f"The article's data, {len(X):,} rows, and its network of 5 hidden units:\n")
    model = SigmoidMLPRegressor(5, verbose=True, random_state=0)
    with _warnings_as_lines(f"not converged in {model.max_iter} iterations"):
        model.fit(X, y)
    y_hat = model.predict(X)
    print(f"\n{table.assign(**{'y hat': y_hat}).head(10).to_string()}\n")

    if _has_matplotlib():
        _article_figure(model, y.to_numpy(), y_hat).savefig(path)
        print(f"figure: {path}")
    else:
        print('pip install "sklearn-mlp[plot]" adds a figure')
    X_new, y_new = make_hyperplane(random_state=1, return_X_y=True)
    rmse = root_mean_squared_error(y, y_hat)
    rmse_new = root_mean_squared_error(y_new, model.predict(pd.DataFrame(X_new, columns=X.columns)))
    print(f"RMSE on {len(y_new):,} fresh rows: {rmse_new:.3g}")
    factor = ARTICLE_RMSE / rmse
    print(f"RMSE {rmse:.3g}, the article's {ARTICLE_RMSE}: {factor:.3g} times smaller")


def _has_matplotlib() -> bool:
    """Whether a figure can be drawn."""
    try:
        from matplotlib import figure  # noqa: F401 (only to see whether it is there)
    except ImportError:
        return False
    return True


def _check_figure_path(path: Path) -> None:
    """Raise an error if no figure can be written there."""
    from matplotlib.backend_bases import FigureCanvasBase

    _check_writable(path, "--figure")
    formats = FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:].lower() not in formats:
        raise CommandError(f"--figure: {str(path)!r} should end in .png, .pdf or .svg")


def _article_figure(model: SigmoidMLPRegressor, y: FloatArray, y_hat: FloatArray) -> "Figure":
    """Draw the RMSE at each iteration, and the predicted against the true values."""
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

    figure = Figure(figsize=(10, 4.5), dpi=120, layout="constrained")
    training, predictions = figure.subplots(1, 2)

    rmse = np.sqrt(2 * np.asarray(model.loss_curve_)) * y.std()
    training.semilogy(np.arange(1, rmse.size + 1), rmse, label="this network")
    plateau = f"the article's plateau, {ARTICLE_RMSE}"
    training.axhline(ARTICLE_RMSE, linestyle="--", color="C3", label=plateau)
    training.set(xlabel="iteration", ylabel="RMSE", title="Training")
    training.legend()

    predictions.axline((y[0], y[0]), slope=1, color="0.7", label="predicted = true")
    predictions.plot(y, y_hat, ".", markersize=2, rasterized=True, label="rows")
    predictions.set(xlabel="true value", ylabel="predicted value", title="Predictions")
    predictions.set_aspect("equal")
    predictions.legend()
    return figure


# The user's data ----------------------------------------------------------------------------


def _run_files(arguments: argparse.Namespace) -> None:
    """Train on the user's table and report how well it predicts."""
    paths = find_files(arguments.data)
    if arguments.save is not None:
        _check_writable(arguments.save, "--save")
        if arguments.save.resolve() in [path.resolve() for path in paths]:
            raise CommandError(f"--save: {str(arguments.save)!r} is the data file itself")
    try:
        if are_large(paths):
            # The error bars may still need the encoded rows when the model is saved.
            with TemporaryDirectory(prefix="sklearn-mlp-", ignore_cleanup_errors=True) as folder:
                _save(_train_in_blocks(paths, arguments, Path(folder)), paths, arguments.save)
        else:
            _save(_train_in_memory(paths, arguments), paths, arguments.save)
    except ValueError as error:  # the data are beyond floating point, or training diverged
        raise CommandError(str(error)) from error


def _save(model: Pipeline, paths: Sequence[Path], path: Path | None) -> None:
    """Save the model if there is a path for it, and say how to use it."""
    if path is None:
        return
    joblib.dump(model, path)
    read_new = "read_parquet('new.parquet')" if is_parquet(paths[0]) else "read_csv('new.csv')"
    _line("saved", f"{path}, the model scored on the held-out rows; to use it:")
    _line("", "import joblib, pandas")
    _line("", f"model = joblib.load({str(path)!r})")
    _line("", f"model.predict(pandas.{read_new})")


def _train_in_memory(paths: Sequence[Path], arguments: argparse.Namespace) -> Pipeline:
    """Read the table, and train on it."""
    table = read(paths)
    _check_target(table, arguments.target)
    X, y = _features_and_target(table, arguments.target)
    _line("data", f"{_names(paths)}: {_count(len(y), 'row')}, target {arguments.target!r}")
    _describe(X)
    return _train_and_report(X, y, arguments)


def _names(paths: Sequence[Path]) -> str:
    """The first file, and how many more there are."""
    more = len(paths) - 1
    return f"{paths[0]} and {_count(more, 'more file')}" if more else str(paths[0])


def _describe(X: pd.DataFrame) -> None:
    """Print the number of features of each kind."""
    n_numeric = X.select_dtypes("number").shape[1]
    kinds = f"{n_numeric} numeric, {X.shape[1] - n_numeric} categorical"
    _line("features", f"{X.shape[1]} ({kinds})")


def _check_target(table: pd.DataFrame, target: str) -> None:
    """Raise an error unless the column exists, is finite numbers, and is not the only one."""
    if target not in table:
        raise CommandError(f"there is no column {target!r}{_other_names(target, table.columns)}")
    y = table[target]
    if y.dtype == bool or not pd.api.types.is_numeric_dtype(y):
        present = y.dropna()
        text = present[pd.to_numeric(present.astype(str), errors="coerce").isna()]
        example = str((text if len(text) else present).iloc[0])
        raise CommandError(f"the target {target!r} is not numeric: it has values like {example!r}")
    if np.isinf(y).any():
        raise CommandError(f"the target {target!r} has infinite values")
    if table.shape[1] == 1:
        raise CommandError(f"there is no column besides the target {target!r} to predict it from")


def _other_names(name: str, columns: Sequence[str], n_shown: int = 20) -> str:
    """The columns that the user may have meant, and all columns."""
    by_lower = {column.lower(): column for column in columns}
    close = difflib.get_close_matches(name.lower(), by_lower)
    hint = f"; did you mean {' or '.join(repr(by_lower[c]) for c in close)}?" if close else "."
    shown = ", ".join(map(repr, columns[:n_shown]))
    more = f" and {len(columns) - n_shown} more" if len(columns) > n_shown else ""
    return f"{hint} The columns are {shown}{more}"


def _features_and_target(table: pd.DataFrame, target: str) -> tuple[pd.DataFrame, pd.Series]:
    """Keep the rows that have a target and the columns that have values."""
    known = table[table[target].notna()]
    X, y = known.drop(columns=target), known[target].astype(np.float64)
    empty = [] if known.empty else list(X.columns[X.isna().all()])
    _report_dropped(len(table) - len(known), empty)
    X = X.drop(columns=empty)
    if not X.shape[1]:
        raise CommandError("no column besides the target has any values")
    numbers = X.select_dtypes("number")
    infinite = numbers.columns[np.isinf(numbers).any()]
    if len(infinite):
        raise CommandError(f"infinite values in column {', '.join(map(repr, infinite))}")
    return X, y


def _report_dropped(n_rows: int, columns: Sequence[str]) -> None:
    """Print how many rows without a target there are, and which columns have no values."""
    if n_rows:
        _line("dropped", f"{_count(n_rows, 'row')} without a target")
    if columns:
        names = ", ".join(map(repr, columns))
        _line("dropped", f"{_count(len(columns), 'column')} without values: {names}")


def _check_n_rows(n_train: int, n_test: int, test_size: float) -> None:
    """Raise an error unless R² is defined in each fold and on the held-out rows."""
    if n_train < 2 * N_FOLDS or n_test < 2:
        raise CommandError(
            f"too few rows: at least {2 * N_FOLDS} are needed to train on and 2 to hold out, but "
            f"--test-size {test_size:g} divides {n_train + n_test} into {n_train} and {n_test}"
        )


def _columns() -> ColumnTransformer:
    """Impute numbers, and one-hot encode categories."""
    categories = make_pipeline(
        FunctionTransformer(missing_as_nan, feature_names_out="one-to-one"),
        OneHotEncoder(  # a missing value is a category of its own
            handle_unknown="infrequent_if_exist", min_frequency=2, max_categories=20
        ),
    )
    return ColumnTransformer(
        [
            (
                "numeric",
                SimpleImputer(strategy="median", keep_empty_features=True),
                make_column_selector(dtype_include="number"),
            ),
            ("categorical", categories, make_column_selector(dtype_exclude="number")),
        ]
    )


def _regressor(arguments: argparse.Namespace) -> SigmoidMLPRegressor:
    """The network that the user asks for."""
    return SigmoidMLPRegressor(
        arguments.hidden,
        solver=arguments.solver,
        max_iter=arguments.max_iter,
        max_fun=100 * arguments.max_iter,  # so that max_iter is the only limit
        random_state=arguments.random_state,
    )


def _train_and_report(X: pd.DataFrame, y: pd.Series, arguments: argparse.Namespace) -> Pipeline:
    """Cross-validate on the training rows, train on all of them, and score the held-out rows."""
    n_test = math.ceil(len(y) * arguments.test_size)
    _check_n_rows(len(y) - n_test, n_test, arguments.test_size)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=arguments.test_size, random_state=arguments.random_state
    )
    _line("rows", f"{len(y_train):,} to train on, {len(y_test):,} held out")
    model = make_pipeline(_columns(), _regressor(arguments))
    with _warnings_as_lines(_not_converged(arguments, N_FOLDS + 1)):
        folds = KFold(N_FOLDS, shuffle=True, random_state=arguments.random_state)
        r2, rmse = _cross_validate(model, X_train, y_train, folds)
        model.fit(X_train, y_train)
    y_hat = model.predict(X_test)
    test_r2, test_rmse = r2_score(y_test, y_hat), root_mean_squared_error(y_test, y_hat)
    n = _n_decimals(test_rmse)
    cv_r2 = f"{r2.mean():6.3f} ± {r2.std():.3f}"
    cv_rmse = f"{rmse.mean():.{n}f} ± {rmse.std():.{n}f}"
    cross_validated = f"{cv_r2}   {cv_rmse}   (mean ± std of {N_FOLDS} folds)"
    _report(model[-1], cross_validated, test_r2, test_rmse)
    return model


def _not_converged(arguments: argparse.Namespace, n_fits: int) -> str:
    """The line that says in how many fits the iterations were too few."""
    n_fits_of = f"({{}} of {n_fits} fits)"
    return f"not converged in {arguments.max_iter} iterations: raise --max-iter {n_fits_of}"


def _report(network: SigmoidMLPRegressor, cross_validated: str, r2: float, rmse: float) -> None:
    """Print the network that was found, and how well it predicts."""
    units = " + ".join(str(W.shape[1]) for W in network.coefs_[:-1]) or "no"
    _line(
        "network",
        f"{units} hidden units, solver {network.solver_}, {network.n_iter_} iterations",
    )
    _line("", f"{' R²':<17}RMSE")
    _line("cross-validated", cross_validated)
    _line("held out", f"{r2:6.3f}{'':11}{rmse:.{_n_decimals(rmse)}f}")


def _cross_validate(
    model: Pipeline, X: pd.DataFrame, y: pd.Series, folds: KFold
) -> tuple[FloatArray, FloatArray]:
    """R² and RMSE in each fold. Ctrl-C ends all folds, not only the present one."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=INTERRUPTED)
        try:
            scores = cross_validate(
                model,
                X,
                y,
                cv=folds,
                scoring=("r2", "neg_root_mean_squared_error"),
                error_score="raise",
            )
        except UserWarning as warning:
            if str(warning).startswith(INTERRUPTED):
                raise KeyboardInterrupt from None
            raise
    return scores["test_r2"], -scores["test_neg_root_mean_squared_error"]


# Data that are large for the memory ---------------------------------------------------------


def _train_in_blocks(
    paths: Sequence[Path], arguments: argparse.Namespace, folder: Path
) -> Pipeline:
    """Train on files that are read in blocks, and score the held-out rows.

    The encoded rows are kept in the folder, if there is room for them.
    """
    target, seed = arguments.target, arguments.random_state
    table = LazyTable.of(paths)
    _check_target(table.head, target)
    if target in table.without_values:
        raise CommandError(f"the target {target!r} has no values in the first rows of any file")
    _line("data", f"{_names(paths)}, target {target!r}")
    _line(
        "", f"more than {MEMORY_SHARE:.0%} of the memory: read in blocks of {BLOCK_BYTES >> 20} MB"
    )
    train, test = table.split(target, arguments.test_size, seed)
    in_train, in_test = summaries(train, test, table.n_rows, seed)
    X = _features_of_sample(table, target, in_train, in_test)
    _line("rows", f"{in_train.n_rows:,} to train on, {in_test.n_rows:,} held out")
    _check_n_rows(in_train.n_rows, in_test.n_rows, arguments.test_size)

    columns, regressor = _columns().fit(X), _regressor(arguments).set_params(verbose=True)
    _line("medians", f"and categories: those of {_count(len(X), 'row')}, drawn at random")
    with _warnings_as_lines(_not_converged(arguments, 1)):
        if fit_on_disk(in_train.n_rows, columns, folder):
            regressor.fit(*train.kept(columns, list(X.columns), folder))
        else:
            _line("disk", "too full to keep the encoded rows: each pass reads the files again")
            regressor.fit(*train.arrays(columns, list(X.columns)))
    model = make_pipeline(columns, regressor.set_params(verbose=False))
    r2, rmse = test.scores(model, list(X.columns))
    _report(regressor, " not done: the data are read in blocks", r2, rmse)
    return model


def _features_of_sample(
    table: LazyTable, target: str, in_train: Summary, in_test: Summary
) -> pd.DataFrame:
    """The features that have values, in the sample of the rows to train on."""
    present = [c for c in table.reader.types if c in in_train.present and c != target]
    empty = [c for c in table.reader.columns if c not in present and c != target]
    _report_dropped(in_train.n_without_target + in_test.n_without_target, empty)
    if not present:
        raise CommandError("no column besides the target has any values")
    _describe(in_train.sample[present])
    return in_train.sample[present]


# Both ---------------------------------------------------------------------------------------


@contextmanager
def _warnings_as_lines(not_converged: str) -> Iterator[None]:
    """Collect the warnings of some fits, and print them afterwards as plain lines.

    ``{}`` in `not_converged` stands for the number of fits that did not converge.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        warnings.filterwarnings("always", message=INTERRUPTED)
        yield
    others = [str(w.message) for w in caught if not issubclass(w.category, ConvergenceWarning)]
    for line in dict.fromkeys(others):
        print(line)
    if len(others) < len(caught):
        print(not_converged.format(len(caught) - len(others)))


def _n_decimals(value: float) -> int:
    """The number of decimals that shows four significant digits."""
    return max(0, 3 - math.floor(math.log10(value))) if value > 0 else 0


def _count(n: int, noun: str) -> str:
    """The number and the noun, in the singular or the plural."""
    return f"{n} {noun}" if n == 1 else f"{n:,} {noun}s"


def _line(label: str, text: str) -> None:
    """Print a line of the report, with the text in its own column."""
    print(f"{label:<16}{text}".rstrip(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
