"""``sklearn-mlp fit``: train on the user's table, and report how well the network predicts.

The network is trained on most rows first, saved, and scored on the others. Then it is trained on
all rows, and this model replaces the first. All scores are of networks that have not seen the rows
that they predict. More rows make the saved one better, if anything. Cross-validation comes last,
because it takes most of the time: an interruption then leaves the model and its scores.
Files that are large for the memory are read in blocks: see :mod:`~sklearn_mlp.cli.fit_in_blocks`.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline

from .._typing import FloatArray
from ..columns import Column, TableEncoder
from ..summary import count
from . import fit_in_blocks, models
from .errors import InputError
from .files import are_large, find_files, read
from .meter import Meter
from .outliers import Ends
from .scores import CROSS_VALIDATED, HELD_OUT, Comparison
from .session import Predictions, Session, check_target, moments


def run(arguments: argparse.Namespace, meter: Meter) -> int:
    """Train on the files that the arguments name. Returns the exit code."""
    # The error bars may still need the encoded rows when the model is saved.
    temporary = TemporaryDirectory(prefix="sklearn-mlp-", ignore_cleanup_errors=True)
    with temporary as name:
        meter.begin("reading")
        folder = Path(name)
        if arguments.save is not None:
            models.check_can_save(arguments.save)
            meter.is_needed = True
        files = find_files(
            arguments.data,
            folder,
            separator=arguments.separator,
            encoding=arguments.encoding,
            sheet=arguments.sheet,
        )
        models.refuse_to_replace(arguments.save, "--save", [file.path for file in files])
        session = Session(arguments, files, meter)
        session.say_other_sheets()
        try:
            if are_large(files):
                fit_in_blocks.run(session, folder)
            else:
                _in_memory(session)
        except ValueError as error:  # the data are beyond floating point, or training diverged
            raise InputError(str(error)) from error
        return 130 if session.is_interrupted else 0


def _in_memory(session: Session) -> None:
    """Read the table, train, save, score, and cross-validate."""
    asked, meter = session.arguments, session.meter
    X, y, lengths = _table(session)
    columns = session.treatments(X)
    split = train_test_split(X, y, test_size=asked.test_size, random_state=asked.random_state)
    X_train, X_test, y_train, y_test = split
    session.line("rows", f"{len(y_train):,} to train on, {len(y_test):,} held out")

    n_folds = min(asked.folds, len(y_train) // 2)
    cost = (n_folds - 1) / n_folds if n_folds > 1 else 0.0
    trial = Trial(session, columns, moments(y_train.to_numpy())[1])
    again = len(y) / len(y_train) if session.refits else 0.0
    meter.begin("training", 1.0, again + n_folds * cost)
    model, encoded = trial.fit(X_train, y_train)
    session.save(model, len(y_train))
    found = trial.compare(model, encoded, y_train, X_test, y_test)
    session.scores = {HELD_OUT: found.as_dict()}
    n_rows = len(y_train)
    if session.refits:
        meter.begin("training on all rows", again, n_folds * cost)
        model, n_rows = session.refitted(lambda: trial.fit(X, y)[0], len(y), model, n_rows)
        session.save(model, n_rows)
    of_folds = Comparison()
    if n_folds > 1 and not session.is_interrupted:
        of_folds = _cross_validated(trial, X_train, y_train, n_folds, cost)
    if of_folds.tallies:
        session.scores = {CROSS_VALIDATED: of_folds.as_dict(), **session.scores}
    session.save(model, n_rows)
    found = of_folds + found
    found.furthest["place"] = [_place(session, lengths, row) for row in found.furthest["place"]]
    session.report(model, found, columns)


def _table(session: Session) -> tuple[pd.DataFrame, pd.Series, list[int]]:
    """The features and the target, and the number of rows of each file."""
    table, lengths = read(session.files)
    target, test_size = session.target, session.arguments.test_size
    check_target(table, target)
    known = table[table[target].notna()]
    session.line("data", f"{session.names}: {count(len(known), 'row')}, target {target!r}")
    if len(known) < len(table):
        session.line("", f"without {count(len(table) - len(known), 'row')} that have no target")
    n_test = math.ceil(len(known) * test_size)
    session.check_n_rows(len(known) - n_test, n_test)
    X = known.drop(columns=target)
    _check_finite(X)
    far = Ends.of(known).far_from(known)
    session.say_outliers(far, lambda value: _place(session, lengths, value.row))
    return X, known[target].astype(np.float64), lengths


def _check_finite(X: pd.DataFrame) -> None:
    numbers = X.select_dtypes("number")
    infinite = numbers.columns[np.isinf(numbers.astype(np.float64)).any()]
    if len(infinite):
        raise InputError(f"infinite values in column {', '.join(map(repr, infinite))}")


def _place(session: Session, lengths: Sequence[int], row: int) -> str:
    """Where a row of the table is in its file."""
    if len(lengths) == 1:
        return f"{row + 1:,}"
    before = np.cumsum([0, *lengths])
    i = int(np.searchsorted(before, row, side="right")) - 1
    return f"{row - before[i] + 1:,} of {session.files[i]}"


@dataclass(frozen=True)
class Trial:
    """Trains on some rows, and compares the predictions of others.

    Attributes
    ----------
    session : Session
    columns : list of Column
    unit : float
        The deviation of the target.
    """

    session: Session
    columns: Sequence[Column]
    unit: float

    def fit(self, X: pd.DataFrame, y: pd.Series) -> tuple[Pipeline, FloatArray]:
        """Train the network. Returns the model and the encoded rows."""
        encoder = TableEncoder(self.columns, self.session.arguments.random_state)
        encoded = encoder.fit_transform(X, y.to_numpy())
        with self.session.fitting():
            network = self.session.network().fit(encoded, y.to_numpy())
        return make_pipeline(encoder, network), encoded

    def compare(
        self,
        model: Pipeline,
        encoded: FloatArray,
        y: pd.Series,
        X_test: pd.DataFrame,
        y_test: pd.Series,
    ) -> Comparison:
        """Compare the model with a linear one and the mean, both of the rows that it has seen."""
        with self.session.fitting(counted=False):
            linear = self.session.linear().fit(encoded, y.to_numpy())
        predictions = Predictions(model, linear, *moments(y.to_numpy()))(X_test)
        name = self.session.name_column(self.columns)
        return Comparison.of(
            y_test.to_numpy(), predictions, self.unit, X_test.index.to_numpy(),
            None if name is None else X_test[name],
        )  # fmt: skip


def _cross_validated(
    trial: Trial, X: pd.DataFrame, y: pd.Series, n_folds: int, cost: float
) -> Comparison:
    """The predictions of each row by a network that has not seen it. None if interrupted."""
    session, found = trial.session, Comparison()
    folds = KFold(n_folds, shuffle=True, random_state=session.arguments.random_state)
    with session.until_interrupted():
        for i, (rest, fold) in enumerate(folds.split(X), start=1):
            session.meter.begin(f"cross-validation {i} of {n_folds}", cost, (n_folds - i) * cost)
            model, encoded = trial.fit(X.iloc[rest], y.iloc[rest])
            found += trial.compare(model, encoded, y.iloc[rest], X.iloc[fold], y.iloc[fold])
            if session.is_interrupted:
                break
    return Comparison() if session.is_interrupted else found
