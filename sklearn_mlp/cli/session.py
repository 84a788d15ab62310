"""A run of ``sklearn-mlp fit``: what was asked for, what was found, and what is said of both."""

import argparse
import difflib
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline

from .. import __version__
from .._typing import FloatArray
from ..columns import LEFT_OUT, Column, columns_of
from ..regressor import SigmoidMLPRegressor
from ..summary import LABEL, count, line, number
from . import models
from .errors import InputError
from .files import DataFile, listed
from .meter import Meter
from .outliers import Outlier, Value
from .report import (
    say_columns,
    say_coverage,
    say_furthest,
    say_gaps,
    say_network,
    say_relevance,
    say_scores,
)
from .scores import MODELS, Comparison

FEWEST = 10
"""The fewest rows to train on."""

INTERRUPTED = "Training was interrupted"
"""How the regressor's warning starts when Ctrl-C ends a fit."""


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
    is_refitted : bool
        Whether the model has been fitted to all rows.
    n_fits, n_not_converged : int
        The number of fits of the network, and of those that ended at --max-iter.
    """

    arguments: argparse.Namespace
    files: Sequence[DataFile]
    meter: Meter
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_interrupted: bool = False
    is_refitted: bool = False
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
    def fitting(self, *, counted: bool = True) -> Iterator[None]:
        """A context for a fit. Those of the network are counted, and their warnings are shown."""
        with warnings.catch_warnings(record=True) as caught, self.meter.training():
            warnings.simplefilter("always")
            yield
        texts = dict.fromkeys(str(w.message) for w in caught if _is_for_people(w))
        interruptions = [text for text in texts if text.startswith(INTERRUPTED)]
        self.is_interrupted |= bool(interruptions)
        for text in texts if counted else interruptions:
            later = text in interruptions and self.n_fits > 0
            self.warn(self._what_is_missing() if later else text)
        self.n_fits += counted
        ended_early = any(issubclass(w.category, ConvergenceWarning) for w in caught)
        self.n_not_converged += counted and ended_early

    @contextmanager
    def until_interrupted(self) -> Iterator[None]:
        """A context that Ctrl-C ends."""
        try:
            yield
        except KeyboardInterrupt:
            self.is_interrupted = True
            self.warn(self._what_is_missing())

    def _what_is_missing(self) -> str:
        """What the report does not have because of Ctrl-C after the first fit."""
        if self.refits and not self.is_refitted:
            return "interrupted: the saved model is fitted without the held-out rows"
        return "interrupted: without cross-validation"

    @property
    def refits(self) -> bool:
        """Whether the network is to be fitted to all rows: only the saved model matters later."""
        return self.arguments.save is not None and not self.arguments.no_refit

    def refitted(
        self, fit: Callable[[], Pipeline], n_all: int, model: Pipeline, n_rows: int
    ) -> tuple[Pipeline, int]:
        """Fit the model to all rows; after Ctrl-C the model of before. And their number of rows."""
        if not self.is_interrupted:
            with self.until_interrupted():
                of_all = fit()
                if not self.is_interrupted:
                    self.is_refitted = True
                    return of_all, n_all
        return model, n_rows

    def save(self, model: Pipeline, n_rows: int) -> None:
        """Save the model with what is known of it, if there is a path for it."""
        model.about_ = {
            "target": self.target,
            "files": [file.name for file in self.files],
            "decimal": self.files[0].form.decimal,
            "n_rows": n_rows,
            "is_refitted": self.is_refitted,
            "date": date.today().isoformat(),
            "version": __version__,
            "scores": self.scores,
        }
        if self.arguments.save is not None:
            models.save(model, self.arguments.save)

    def report(self, model: Pipeline, found: Comparison, columns: Sequence[Column]) -> None:
        """Say what was found, and how to use it."""
        say = self.meter.say
        say_gaps(say, model)
        say_network(say, model, self.target)
        if self.n_not_converged:
            self.line(
                "",
                f"not converged in {self.arguments.max_iter} iterations: raise --max-iter "
                f"({self.n_not_converged} of {count(self.n_fits, 'fit')})",
            )
        say()
        say_scores(say, self.scores)
        say_coverage(say, next(iter(self.scores.values())), MODELS[0])
        say()
        say_furthest(say, found.furthest, self.target, self.name_column(columns))
        if len(self.files) == 1:
            say("Row 1 is the first below the header.")
        say()
        say_relevance(say, model)
        if (path := self.arguments.save) is not None:
            self.line("saved", f"{path}, {self._what_is_saved(model)} To use it:")
            name = shlex.quote(str(path))
            say(f"{'':<{LABEL}}sklearn-mlp predict {name} NEW.csv --out PREDICTED.csv")

    def _what_is_saved(self, model: Pipeline) -> str:
        """Which rows the model has seen."""
        if not self.is_refitted:
            return "fitted without the held-out rows."
        rows = count(model.about_["n_rows"], "row")
        return f"fitted to all {rows}; the scores are of fits without the rows that they score."

    # What is said of the data ----------------------------------------------------------------

    @property
    def names(self) -> str:
        """The first file, and how many more there are."""
        first, more = self.files[0].name, len(self.files) - 1
        return f"{first} and {count(more, 'more file')}" if more else first

    def say_other_sheets(self) -> None:
        """Say of each Excel file with several sheets that the first is read."""
        for file in self.files:
            if text := file.other_sheets:
                self.line("sheet", text)

    def treatments(self, X: pd.DataFrame) -> list[Column]:
        """What becomes of each column, which is said."""
        asked = self.arguments
        columns = columns_of(
            X,
            drop=_named_columns("--drop", asked.drop, X.columns),
            categorical=_named_columns("--categorical", asked.categorical, X.columns),
            numeric=_named_columns("--numeric", asked.numeric, X.columns),
            day_first=any(file.form.decimal == "," for file in self.files),
        )
        say_columns(self.meter.say, columns)
        if all(column.role == LEFT_OUT for column in columns):
            raise InputError(
                f"no column is left to predict {self.target!r} from: --numeric and "
                "--categorical keep columns"
            )
        return columns

    def say_outliers(self, found: Sequence[Outlier], place: Callable[[Value], str]) -> None:
        """Warn of values that are far from all others."""
        for one in found:
            what = "the target" if one.column == self.target else "column"
            self.warn(
                f"{what} {one.column!r} is {number(one.value.value)} in row {place(one.value)}, "
                f"and {number(one.low)} to {number(one.high)} in most: is it a mistake?"
            )

    def check_n_rows(self, n_train: int, n_test: int) -> None:
        """Raise an error unless there are rows enough to train on, and to score."""
        if n_train < FEWEST or n_test < 2:
            raise InputError(
                f"too few rows: at least {FEWEST} are needed to train on and 2 to hold out, but "
                f"--test-size {self.arguments.test_size:g} divides {n_train + n_test} into "
                f"{n_train} and {n_test}"
            )

    def name_column(self, columns: Sequence[Column]) -> str | None:
        """The column that names rows for people: the first identifier that has a name."""
        for column in columns:
            if column.why.startswith("an identifier") and not column.name.startswith("Unnamed"):
                return column.name
        return None


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
            f"the target {target!r} is not numeric: it has values like {example!r}{where}. "
            "Write numbers there, or nothing: rows with an empty cell are left out"
        )
    if np.isinf(y).any():
        raise InputError(f"the target {target!r} has infinite values")
    if table.shape[1] == 1:
        raise InputError(f"there is no column besides the target {target!r} to predict it from")


def other_names(name: str, columns: Sequence[str]) -> str:
    """The columns that the user may have meant, and all columns."""
    by_lower = {column.lower(): column for column in columns}
    same = [name.lower()] if name.lower() in by_lower else []
    close = same or difflib.get_close_matches(name.lower(), by_lower)
    hint = f"; did you mean {' or '.join(repr(by_lower[c]) for c in close)}?" if close else "."
    numbers = pd.to_numeric(pd.Series(columns, dtype=object), errors="coerce").notna()
    header = ". The first line has to name the columns" if numbers.any() else ""
    return f"{hint} The columns are {listed(columns)}{header}"


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


def moments(y: FloatArray) -> tuple[float, float]:
    """The mean and the standard deviation (1 for 0), also where sums of squares would overflow."""
    size = float(np.abs(y).max()) or 1.0
    return float(np.mean(y / size) * size), float(np.std(y / size) * size) or 1.0


# The models that are compared -------------------------------------------------------------------


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
