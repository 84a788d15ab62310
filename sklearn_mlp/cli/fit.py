"""``sklearn-mlp fit``: train on the user's table, and report how well the network predicts.

The network is trained on most rows first, saved, and scored on the others. Cross-validation comes
last, because it takes most of the time: an interruption then leaves the model and its scores.
Files that are large for the memory are read in blocks, without cross-validation.
"""

import argparse
import difflib
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline

from .. import __version__
from .._typing import FloatArray
from ..columns import LEFT_OUT, Column, TableEncoder, columns_of
from ..regressor import SigmoidMLPRegressor
from . import models
from .blocks import BLOCK_BYTES, LazyTable, Summary, fit_on_disk, places_of, summaries
from .errors import InputError
from .files import MEMORY_SHARE, DataFile, are_large, find_files, read
from .meter import Meter
from .outliers import Ends, Outlier
from .report import (
    count,
    line,
    number,
    say_columns,
    say_furthest,
    say_network,
    say_relevance,
    say_scores,
)
from .scores import MODELS, Comparison

FEWEST = 10
"""The fewest rows to train on."""

INTERRUPTED = "Training was interrupted"
"""How the regressor's warning starts when Ctrl-C ends a fit."""

HELD_OUT, CROSS_VALIDATED = "held out", "cross-validated"


def run(arguments: argparse.Namespace) -> int:
    """Train on the files that the arguments name. Returns the exit code."""
    # The error bars may still need the encoded rows when the model is saved.
    temporary = TemporaryDirectory(prefix="sklearn-mlp-", ignore_cleanup_errors=True)
    with temporary as name, Meter() as meter:
        meter.begin("reading")
        folder = Path(name)
        if arguments.save is not None:
            models.check_can_save(arguments.save)
        files = find_files(
            arguments.data, folder, separator=arguments.separator, encoding=arguments.encoding
        )
        if arguments.save and arguments.save.resolve() in [f.path.resolve() for f in files]:
            raise InputError(f"--save: {str(arguments.save)!r} is the data file itself")
        session = Session(arguments, files, meter)
        train = _in_blocks if are_large(files) else _in_memory
        try:
            train(session, folder)
        except ValueError as error:  # the data are beyond floating point, or training diverged
            raise InputError(str(error)) from error
        return 130 if session.is_interrupted else 0


@dataclass
class Session:
    """A run of the command: what it was asked for, and what it has found.

    Attributes
    ----------
    arguments : Namespace
    files : list of DataFile
    meter : Meter
    scores : dict of str to dict
        The scores of each group of rows.
    is_interrupted : bool
        Whether the user has pressed Ctrl-C.
    n_fits, n_not_converged : int
        The number of fits of the network, and of those that ended at --max-iter.
    """

    arguments: argparse.Namespace
    files: Sequence[DataFile]
    meter: Meter
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_interrupted: bool = False
    n_fits: int = 0
    n_not_converged: int = 0

    @property
    def target(self) -> str:
        """The column to predict."""
        return str(self.arguments.target)

    def line(self, label: str, text: str) -> None:
        """Say a text with its label."""
        line(self.meter.say, label, text)

    def warn(self, text: str) -> None:
        """Say on the standard error what the user should look at."""
        self.meter.clear()
        print(f"warning: {text}", file=sys.stderr, flush=True)

    def network(self) -> SigmoidMLPRegressor:
        """The network that the user asks for."""
        asked = self.arguments
        return SigmoidMLPRegressor(
            asked.hidden,
            solver=asked.solver,
            max_iter=asked.max_iter,
            max_fun=100 * asked.max_iter,  # so that max_iter is the only limit
            random_state=asked.random_state,
        )

    def linear(self) -> SigmoidMLPRegressor:
        """A network without hidden layer, which is linear regression with error bars."""
        return SigmoidMLPRegressor((), random_state=self.arguments.random_state)

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """A context for a fit of the network, whose warnings are counted."""
        self.n_fits += 1
        with warnings.catch_warnings(record=True) as caught, self.meter.training():
            warnings.simplefilter("always")
            yield
        for text in dict.fromkeys(str(w.message) for w in caught if _is_for_people(w)):
            self.is_interrupted |= text.startswith(INTERRUPTED)
            self.warn(text)
        self.n_not_converged += any(issubclass(w.category, ConvergenceWarning) for w in caught)

    def save(self, model: Pipeline, columns: Sequence[Column], n_rows: int) -> None:
        """Save the model with what is known of it, if there is a path for it."""
        model.about_ = {
            "target": self.target,
            "files": [str(file).strip("'") for file in self.files],
            "n_rows": n_rows,
            "date": date.today().isoformat(),
            "version": __version__,
            "scores": self.scores,
        }
        if self.arguments.save is not None:
            models.save(model, self.arguments.save)

    def report(self, model: Pipeline, found: Comparison, name: str | None) -> None:
        """Say what was found, and how to use it."""
        say = self.meter.say
        say_network(say, model, self.target)
        if self.n_not_converged:
            self.line(
                "",
                f"not converged in {self.arguments.max_iter} iterations: raise --max-iter "
                f"({self.n_not_converged} of {count(self.n_fits, 'fit')})",
            )
        say()
        say_scores(say, self.scores)
        say()
        say_furthest(say, found.furthest, self.target, name)
        if len(self.files) == 1:
            say("Row 1 is the first below the header.")
        say()
        say_relevance(say, model)
        if (path := self.arguments.save) is not None:
            self.line("saved", f"{path}, fitted to the rows that are not held out; to use it:")
            self.line("", f"sklearn-mlp predict {path} NEW.csv --out PREDICTED.csv")


def _is_for_people(warning: warnings.WarningMessage) -> bool:
    """Whether a warning is about the data, and not of those that are counted or of the code's."""
    ours = UserWarning in warning.category.__mro__
    return ours and not issubclass(warning.category, ConvergenceWarning)


# What is predicted, and from what ---------------------------------------------------------------


def check_target(table: pd.DataFrame, target: str) -> None:
    """Raise an error unless the column exists, is finite numbers, and is not the only one."""
    if target not in table:
        raise InputError(f"there is no column {target!r}{other_names(target, table.columns)}")
    y = table[target]
    if y.dtype == bool or not pd.api.types.is_numeric_dtype(y):
        present = y.dropna()
        text = present[pd.to_numeric(present.astype(str), errors="coerce").isna()]
        first = (text if len(text) else present).iloc[:1]
        where = f" in row {first.index[0] + 1:,}" if len(first) else ""
        example = str(first.iloc[0]) if len(first) else ""
        raise InputError(
            f"the target {target!r} is not numeric: it has values like {example!r}{where}"
        )
    if np.isinf(y).any():
        raise InputError(f"the target {target!r} has infinite values")
    if table.shape[1] == 1:
        raise InputError(f"there is no column besides the target {target!r} to predict it from")


def other_names(name: str, columns: Sequence[str], n_shown: int = 20) -> str:
    """The columns that the user may have meant, and all columns."""
    by_lower = {column.lower(): column for column in columns}
    close = difflib.get_close_matches(name.lower(), by_lower)
    hint = f"; did you mean {' or '.join(repr(by_lower[c]) for c in close)}?" if close else "."
    shown = ", ".join(map(repr, columns[:n_shown]))
    more = f" and {len(columns) - n_shown} more" if len(columns) > n_shown else ""
    return f"{hint} The columns are {shown}{more}"


def _named_columns(option: str, given: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The columns that an option names, each by itself or with commas between them."""
    found = []
    for text in given:
        for name in [text] if text in columns else text.split(","):
            if name not in columns:
                hint = other_names(name, list(columns))
                raise InputError(f"{option}: there is no column {name!r}{hint}")
            found.append(name)
    return found


def _treatments(X: pd.DataFrame, session: Session) -> list[Column]:
    """What becomes of each column, which is said."""
    asked = session.arguments
    columns = columns_of(
        X,
        drop=_named_columns("--drop", asked.drop, X.columns),
        categorical=_named_columns("--categorical", asked.categorical, X.columns),
        numeric=_named_columns("--numeric", asked.numeric, X.columns),
        day_first=any(file.form.decimal == "," for file in session.files),
    )
    say_columns(session.meter.say, columns)
    if all(column.role == LEFT_OUT for column in columns):
        raise InputError(
            f"no column is left to predict {session.target!r} from: --numeric and --categorical "
            "keep columns"
        )
    return columns


def _say_outliers(session: Session, found: Sequence[Outlier], place: Callable[..., Any]) -> None:
    """Warn of values that are far from all others."""
    for one in found:
        what = "the target" if one.column == session.target else "column"
        session.warn(
            f"{what} {one.column!r} is {number(one.value.value)} in row {place(one.value)}, and "
            f"{number(one.low)} to {number(one.high)} in most: is it a mistake?"
        )


def _name_column(columns: Sequence[Column]) -> str | None:
    """The column that names rows for people: the first identifier that has a name."""
    for column in columns:
        if column.why.startswith("an identifier") and not column.name.startswith("Unnamed"):
            return column.name
    return None


def _check_n_rows(n_train: int, n_test: int, test_size: float) -> None:
    """Raise an error unless there are rows enough to train on, and to score."""
    if n_train < FEWEST or n_test < 2:
        raise InputError(
            f"too few rows: at least {FEWEST} are needed to train on and 2 to hold out, but "
            f"--test-size {test_size:g} divides {n_train + n_test} into {n_train} and {n_test}"
        )


def _moments(y: FloatArray) -> tuple[float, float]:
    """The mean and the standard deviation (1 for 0), also where sums of squares would overflow."""
    size = float(np.abs(y).max()) or 1.0
    return float(np.mean(y / size) * size), float(np.std(y / size) * size) or 1.0


def names_of(files: Sequence[DataFile]) -> str:
    """The first file, and how many more there are."""
    first, more = str(files[0]).strip("'"), len(files) - 1
    return f"{first} and {count(more, 'more file')}" if more else first


# In memory --------------------------------------------------------------------------------------


def _in_memory(session: Session, folder: Path) -> None:
    """Read the table, train, score, save, and cross-validate."""
    asked, meter, target = session.arguments, session.meter, session.target
    table, lengths = read(session.files)
    place = partial(_place_in_memory, session, lengths)
    check_target(table, target)
    known = table[table[target].notna()]
    X, y = known.drop(columns=target), known[target].astype(np.float64)
    session.line("data", f"{names_of(session.files)}: {count(len(y), 'row')}, target {target!r}")
    if len(known) < len(table):
        session.line("", f"without {count(len(table) - len(known), 'row')} that have no target")
    n_test = math.ceil(len(y) * asked.test_size)
    _check_n_rows(len(y) - n_test, n_test, asked.test_size)
    _check_finite(X)
    _say_outliers(session, Ends.of(known).far_from(known), lambda value: place(value.row))
    columns = _treatments(X, session)
    split = train_test_split(X, y, test_size=asked.test_size, random_state=asked.random_state)
    X_train, X_test, y_train, y_test = split
    session.line("rows", f"{len(y_train):,} to train on, {len(y_test):,} held out")

    n_folds = min(asked.folds, len(y_train) // 2)
    cost = (n_folds - 1) / n_folds if n_folds > 1 else 0.0
    (_, unit), name = _moments(y_train.to_numpy()), _name_column(columns)
    score = partial(_compared, session, columns, unit, name)
    meter.begin("training", 1.0, n_folds * cost)
    model, found = score(X_train, y_train, X_test, y_test)
    session.scores = {HELD_OUT: found.as_dict()}
    session.save(model, columns, len(y_train))

    folds, of_folds = (
        KFold(n_folds or 2, shuffle=True, random_state=asked.random_state),
        Comparison(),
    )
    for i, (rest, fold) in enumerate(folds.split(X_train) if n_folds > 1 else (), start=1):
        if session.is_interrupted:
            break
        meter.begin(f"cross-validation {i} of {n_folds}", cost, (n_folds - i) * cost)
        _, part = score(
            X_train.iloc[rest], y_train.iloc[rest], X_train.iloc[fold], y_train.iloc[fold]
        )
        if not session.is_interrupted:
            of_folds += part
    if of_folds.tallies and not session.is_interrupted:
        session.scores = {CROSS_VALIDATED: of_folds.as_dict(), **session.scores}
        session.save(model, columns, len(y_train))
        found = of_folds + found
    found.furthest["place"] = [place(row) for row in found.furthest["place"]]
    session.report(model, found, name)


def _place_in_memory(session: Session, lengths: Sequence[int], row: int) -> str:
    """Where a row of the table is in its file."""
    if len(lengths) == 1:
        return f"{row + 1:,}"
    before = np.cumsum([0, *lengths])
    i = int(np.searchsorted(before, row, side="right")) - 1
    return f"{row - before[i] + 1:,} of {session.files[i]}"


def _check_finite(X: pd.DataFrame) -> None:
    numbers = X.select_dtypes("number")
    infinite = numbers.columns[np.isinf(numbers.astype(np.float64)).any()]
    if len(infinite):
        raise InputError(f"infinite values in column {', '.join(map(repr, infinite))}")


def _compared(
    session: Session,
    columns: Sequence[Column],
    unit: float,
    name: str | None,
    X_train: pd.DataFrame,
    y_train: pd.Series,
    X_test: pd.DataFrame,
    y_test: pd.Series,
) -> tuple[Pipeline, Comparison]:
    """Train on some rows, and compare the predictions of others."""
    encoder, y = TableEncoder(columns, session.arguments.random_state), y_train.to_numpy()
    encoded = encoder.fit_transform(X_train, y)
    with session.fitting():
        network = session.network().fit(encoded, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        linear = session.linear().fit(encoded, y)
    model = make_pipeline(encoder, network)
    predictions = Predictions(model, linear, *_moments(y))(X_test)
    names = None if name is None else X_test[name]
    return model, Comparison.of(
        y_test.to_numpy(), predictions, unit, X_test.index.to_numpy(), names
    )


@dataclass(frozen=True)
class Predictions:
    """The predictions and the error bars of all models that are compared.

    Attributes
    ----------
    model : Pipeline
    linear : SigmoidMLPRegressor
        Fitted to the encoded rows.
    mean, std : float
        Of the target.
    """

    model: Pipeline
    linear: SigmoidMLPRegressor
    mean: float
    std: float

    def __call__(self, X: pd.DataFrame) -> dict[str, tuple[FloatArray, FloatArray]]:
        """The predictions for some rows."""
        encoded = self.model[0].transform(X)
        ones = np.ones(len(X))
        return {
            MODELS[0]: self.model[-1].predict(encoded, return_std=True),
            MODELS[1]: self.linear.predict(encoded, return_std=True),
            MODELS[2]: (self.mean * ones, self.std * ones),
        }


# In blocks --------------------------------------------------------------------------------------


def _in_blocks(session: Session, folder: Path) -> None:
    """The same for files that are too large to be read at once, without cross-validation."""
    asked, meter, target = session.arguments, session.meter, session.target
    table = LazyTable.of(session.files, folder)
    check_target(table.head, target)
    if target in table.without_values:
        raise InputError(f"the target {target!r} has no values in the first rows of any file")
    session.line("data", f"{names_of(session.files)}, target {target!r}")
    session.line(
        "",
        f"more than {MEMORY_SHARE:.0%} of the memory: read in blocks of {BLOCK_BYTES >> 20} MB, "
        "without cross-validation",
    )
    train, test = table.split(target, asked.test_size, asked.random_state)
    meter.begin("reading 1 of 3")
    with meter.reading_blocks():
        in_train, in_test = summaries(train, test, table.n_rows, asked.random_state)
    n_in_blocks = np.add(in_train.n_in_blocks, in_test.n_in_blocks).tolist()
    place = partial(_place, session, table, places_of(table.parts, n_in_blocks))
    _check_n_rows(in_train.n_rows, in_test.n_rows, asked.test_size)
    columns = _columns_of_sample(session, table, in_train, in_test, place)
    session.line("rows", f"{in_train.n_rows:,} to train on, {in_test.n_rows:,} held out")

    sample = in_train.sample
    encoder = TableEncoder(columns, asked.random_state).fit(sample, sample[target].to_numpy())
    session.line("encoded", f"by {count(len(sample), 'row')}, drawn at random")
    network = session.network()
    if fit_on_disk(in_train.n_rows, encoder, folder):
        meter.begin("reading 2 of 3")
        with meter.reading_blocks():
            X, y = train.kept(encoder, folder)
    else:
        session.line("disk", "too full to keep the encoded rows: each pass reads the files again")
        X, y = train.arrays(encoder)
    meter.begin("training", 1.0)
    with session.fitting(), meter.passes():
        network.fit(X, y)
    with warnings.catch_warnings(), meter.passes():
        warnings.simplefilter("ignore")
        meter.begin("a linear model")
        linear = session.linear().fit(X, y)
    model = make_pipeline(encoder, network)
    mean, unit = _moments(sample[target].to_numpy())
    name = _name_column(columns)
    meter.begin("reading 3 of 3")
    with meter.reading_blocks():
        found = test.compare(Predictions(model, linear, mean, unit), unit, name)
    rows = zip(found.furthest["block"], found.furthest["place"], strict=True)
    found.furthest["place"] = [place(block, row) for block, row in rows]
    session.scores = {HELD_OUT: found.as_dict()}
    session.save(model, columns, in_train.n_rows)
    session.report(model, found, name)


def _place(session: Session, table: LazyTable, before: Sequence[int], block: int, row: int) -> str:
    """Where a row of a block is in its file."""
    place = f"{before[block] + row + 1:,}"
    return place if len(session.files) == 1 else f"{place} of {table.parts[block].file}"


def _columns_of_sample(
    session: Session,
    table: LazyTable,
    in_train: Summary,
    in_test: Summary,
    place: Callable[[int, int], str],
) -> list[Column]:
    """What becomes of each column, by the sample of the rows to train on."""
    target, sample = session.target, in_train.sample
    if n_without := in_train.n_without_target + in_test.n_without_target:
        session.line("", f"without {count(n_without, 'row')} that have no target")
    found = (in_train.ends + in_test.ends).far_from(sample)
    _say_outliers(session, found, lambda value: place(value.block, value.row))
    features = sample.drop(columns=target)
    for column in table.without_values:
        features[column] = np.nan
    return _treatments(features, session)
