"""What watches a fit: the loss curve, early stopping, the printed progress, divergence."""

import math
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from statistics import median
from time import perf_counter
from typing import Any, Self

import numpy as np

from ._typing import FloatArray
from .callbacks import Task

EXPLOSION = 1e6
"""A loss so many times the first (or 1, if that is more) will not come down again."""


class Monitor:
    """Told of the weights and the loss after each iteration by the solver.

    Parameters
    ----------
    tol : float
        An improvement smaller than this is none.
    n_iter_no_change : int
        After more than this many iterations without improvement, :attr:`stalled`.
    validation : callable, optional
        Maps weights to their score and their loss on rows held out. With it, "improvement" is
        the score's, and the best weights are those with the best score; without, the loss
        decides both.
    score_name : str, default="R²"
        What to print the score as.
    rmse : callable, optional
        Maps weights and loss to the error in the units of y, to be printed.
    verbose : bool
        Whether to print progress.
    advice : str
        What to change when the loss is not a number any more.
    max_iter : int, optional
        Most iterations; None if it is not known.
    task : Task, optional
        What tells the callbacks, if there are any.
    fitted : callable, optional
        Maps this monitor and weights to the attributes of an estimator that is so far fitted.

    Attributes
    ----------
    loss_curve, validation_scores, validation_loss_curve : list of float
    best_loss, best_score : float
    best_weights : array or None
        A copy of the best weights so far.
    n_iter : int
        Iterations recorded.
    n_stalled : int
        Iterations since the last improvement.
    converged, interrupted : bool
        How training ended; set by those who end it.
    stopped : bool
        Whether a callback has asked for an end.
    """

    def __init__(
        self,
        *,
        tol: float,
        n_iter_no_change: int,
        validation: Callable[[FloatArray], tuple[float, float]] | None = None,
        score_name: str = "R²",
        rmse: Callable[[FloatArray, float], float] | None = None,
        verbose: bool = False,
        advice: str = "",
        max_iter: int | None = None,
        task: Task | None = None,
        fitted: Callable[["Monitor", FloatArray], dict[str, Any]] | None = None,
    ) -> None:
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.advice = advice
        self.max_iter = max_iter
        self.loss_curve: list[float] = []
        self.validation_scores: list[float] = []
        self.validation_loss_curve: list[float] = []
        self.best_loss = np.inf
        self.best_score = -np.inf
        self.best_weights: FloatArray | None = None
        self._first_loss: float | None = None
        self.n_iter = 0
        self.n_stalled = 0
        self.converged = False
        self.interrupted = False
        self.stopped = False
        self._validation = validation
        self._score_name = score_name
        self._rmse = rmse
        self._table = _Table() if verbose else None
        self._heading = ""
        self._attempt = object()  # stays the same where its history is adopted
        self._clock = deque([perf_counter()], maxlen=12)
        self._unprinted: FloatArray | None = None
        self._task = task
        self._iteration: Task | None = None
        self._fitted = fitted

    @property
    def early_stopping(self) -> bool:
        """Whether rows were held out to decide when to stop."""
        return self._validation is not None

    @property
    def stalled(self) -> bool:
        """Whether nothing has improved for `n_iter_no_change` iterations."""
        return self.n_stalled > self.n_iter_no_change

    @property
    def finished(self) -> bool:
        """Whether a callback, or the rows held out, say that it is enough."""
        return self.stopped or (self.early_stopping and self.stalled)

    def resume(self, loss_curve: list[float], n_stalled: int | None) -> None:
        """Go on after training with this loss curve; stalls count anew if None are given."""
        self.loss_curve = list(loss_curve)
        if n_stalled is not None and self.loss_curve:
            self.best_loss = min(self.loss_curve)
            self.n_stalled = n_stalled

    def fork(self, name: str, heading: str, max_iter: int | None) -> Self:
        """A monitor for one of several attempts: the same settings, no history.

        Parameters
        ----------
        name : str
            What callbacks know it by.
        heading : str
            What it is printed under.
        max_iter : int or None
            Its most iterations, or attempts if it has those; None if that is not known.
        """
        attempt = type(self)(
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            validation=self._validation,
            score_name=self._score_name,
            rmse=self._rmse,
            advice=self.advice,
            max_iter=max_iter,
            task=self._task and self._task.subtask(name, max_iter),
            fitted=self._fitted,
        )
        attempt._table = self._table
        attempt._heading = f"{self._heading}, {heading}" if self._heading else heading
        return attempt

    def adopt(self, attempt: Self) -> None:
        """Take over the history of the attempt that was best."""
        before, task = self.loss_curve, self._task
        self.__dict__.update(attempt.__dict__)
        self.loss_curve = before + attempt.loss_curve
        self._task = task

    def close(self) -> None:
        """Print what is left to print, and end an iteration that was begun for nothing."""
        if self._table is not None and self._unprinted is not None and self.max_iter != 1:
            self._print(self._unprinted, last=True)
        if self._iteration is not None:
            self._iteration.end()
            self._iteration = None

    def end_attempt(self, w: FloatArray) -> bool:
        """The attempt has come to these weights; whether a callback wants no more attempts."""
        self.close()
        if self._task is None:
            return False
        return self._task.end(partial(self._as_fitted, w) if self.loss_curve else None)

    def _as_fitted(self, w: FloatArray) -> dict[str, Any]:
        """What the estimator would be, did training end here."""
        if self.early_stopping and self.best_weights is not None:
            w = self.best_weights
        return {} if self._fitted is None else self._fitted(self, w)

    def restate(self, loss: float) -> None:
        """Correct the last loss: it was recorded over rows that stand for others."""
        if self.best_loss == self.loss_curve[-1]:
            self.best_loss = loss
        self.loss_curve[-1] = loss

    def be_patient(self) -> None:
        """Count again from 0: the solver has changed something and tries on."""
        self.n_stalled = 0

    def begin_iteration(self) -> None:
        """The work on an iteration begins, of which callbacks are told."""
        if self._task is None or self._iteration is not None:
            return
        if self.max_iter is None or self.n_iter < self.max_iter:
            self._iteration = self._task.subtask("iteration")

    def record(self, w: FloatArray, loss: float) -> None:
        """Take note of the weights and the loss after an iteration.

        Raises
        ------
        ValueError
            If either is not finite, or the loss is a million times what it began with.
        """
        epoch = len(self.loss_curve) + 1
        self._first_loss = loss if self._first_loss is None else self._first_loss
        exploded = loss > EXPLOSION * max(self._first_loss, 1.0)
        if exploded or not (np.isfinite(loss) and np.isfinite(w).all()):
            raise ValueError(
                f"Training diverged in epoch {epoch}: the loss is {loss:.3g}. {self.advice}"
            )
        self.begin_iteration()
        self.n_iter += 1
        self.loss_curve.append(loss)
        if self._validation is None:
            improved = loss <= self.best_loss - self.tol
            best = loss < self.best_loss
        else:
            score, validation_loss = self._validation(w)
            improved = score >= self.best_score + self.tol
            best = score > self.best_score
            self.validation_scores.append(score)
            self.validation_loss_curve.append(validation_loss)
            self.best_score = max(score, self.best_score)
        self.best_loss = min(loss, self.best_loss)
        if best:
            self.best_weights = w.copy()
        self.n_stalled = 0 if improved else self.n_stalled + 1
        if self._table is not None:
            self._clock.append(perf_counter())
            if _worth_a_line(epoch):
                self._print(w)
            else:
                self._unprinted = w.copy()
        if self._iteration is not None:
            self.stopped = self._iteration.end(partial(self._as_fitted, w))
            self._iteration = None

    def _print(self, w: FloatArray, *, last: bool = False) -> None:
        """A line for the last iteration, which came to these weights."""
        assert self._table is not None
        self._unprinted = None
        epoch, loss = len(self.loss_curve), self.loss_curve[-1]
        cells = {"epoch": f"{epoch:>6}", "loss": _five_digits(loss)}
        if self._rmse is not None:
            cells["RMSE"] = _five_digits(self._rmse(w, loss))
        if self.early_stopping:
            cells[f"validation {self._score_name}"] = f"{self.validation_scores[-1]:>13.5f}"
        one_of_many = self.max_iter == 1 and epoch > 1  # epochs of partial_fit share a header
        if self.max_iter is not None and self.max_iter > 1:
            at_end = last or self.n_iter == self.max_iter
            cells["time left"] = f"{'' if at_end else self._time_left():>9}"
        self._table.print(None if one_of_many else self._attempt, self._heading, cells)

    def _time_left(self) -> str:
        """How long the iterations up to `max_iter` will take, at the pace of the last ones."""
        assert self.max_iter is not None
        pace = median(after - before for before, after in pairwise(self._clock))
        return _duration((self.max_iter - self.n_iter) * pace)


class _Table:
    """What is printed: a line an iteration, under a header for each attempt."""

    def __init__(self) -> None:
        self._shown: object = None

    def print(self, attempt: object, heading: str, cells: dict[str, str]) -> None:
        """Print a line, and the heading first if the line before was of another attempt."""
        if attempt is not self._shown:
            if self._shown is not None:
                print()
            if heading:
                print(heading)
            print("  ".join(name.rjust(len(cell)) for name, cell in cells.items()))
            self._shown = attempt
        print("  ".join(cells.values()).rstrip(), flush=True)


def _five_digits(value: float) -> str:
    return f"{value:#.5g}".rstrip(".").rjust(11)


def _duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return "< 1 s" if seconds < 1 else f"{seconds:.0f} s"


def _worth_a_line(epoch: int) -> bool:
    """Epochs 1 to 10, then every tenth to 100, every hundredth to 1000, and so on."""
    return epoch % 10 ** int(math.log10(epoch)) == 0
