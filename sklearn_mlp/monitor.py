"""What watches a fit: its history, when to stop, divergence, and the best of several attempts."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Generic, Self, TypeVar

import numpy as np

from ._typing import FloatArray
from .callbacks import Task
from .progress import Progress

EXPLOSION = 1e6
"""A loss so many times the first (or 1, if that is more) will not come down again."""

Found = TypeVar("Found")


@dataclass
class History:
    """What has come of the iterations so far.

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

    loss_curve: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)
    validation_loss_curve: list[float] = field(default_factory=list)
    best_loss: float = np.inf
    best_score: float = -np.inf
    best_weights: FloatArray | None = None
    n_iter: int = 0
    n_stalled: int = 0
    converged: bool = False
    interrupted: bool = False
    stopped: bool = False


class Monitor(History):
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
    progress : Progress, optional
        Prints.
    advice : str
        What to change when the loss is not a number any more.
    max_iter : int, optional
        Most iterations; None if it is not known.
    task : Task, optional
        What tells the callbacks, if there are any.
    fitted : callable, optional
        Maps this monitor and weights to the attributes of an estimator that is so far fitted.
    """

    def __init__(
        self,
        *,
        tol: float,
        n_iter_no_change: int,
        validation: Callable[[FloatArray], tuple[float, float]] | None = None,
        progress: Progress | None = None,
        advice: str = "",
        max_iter: int | None = None,
        task: Task | None = None,
        fitted: Callable[["Monitor", FloatArray], dict[str, Any]] | None = None,
    ) -> None:
        super().__init__()
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.advice = advice
        self.max_iter = max_iter
        self._validation = validation
        self._progress = progress
        self._task = task
        self._fitted = fitted
        self._iteration: Task | None = None
        self._first_loss: float | None = None

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

    def begin(self, w: FloatArray) -> None:
        """Training begins at these weights, of which a plain monitor takes no note."""

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
        return type(self)(
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            validation=self._validation,
            progress=self._progress and self._progress.fork(heading),
            advice=self.advice,
            max_iter=max_iter,
            task=self._task and self._task.subtask(name, max_iter),
            fitted=self._fitted,
        )

    def adopt(self, attempt: Self) -> None:
        """Take over the history of the attempt that was best."""
        before = self.loss_curve
        for f in fields(History):
            setattr(self, f.name, getattr(attempt, f.name))
        self.loss_curve = before + attempt.loss_curve

    def close(self) -> None:
        """Print what is left to print, and end an iteration that was begun for nothing."""
        if self._progress is not None:
            self._progress.close(self)
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
        self._refuse_divergence(w, loss)
        self.begin_iteration()
        self.n_iter += 1
        self.loss_curve.append(loss)
        improved = self._judge_loss(w, loss) if self._validation is None else self._judge_score(w)
        self.best_loss = min(loss, self.best_loss)
        self.n_stalled = 0 if improved else self.n_stalled + 1
        if self._progress is not None:
            self._progress.tell(self, w)
        if self._iteration is not None:
            self.stopped = self._iteration.end(partial(self._as_fitted, w))
            self._iteration = None

    def _refuse_divergence(self, w: FloatArray, loss: float) -> None:
        self._first_loss = loss if self._first_loss is None else self._first_loss
        exploded = loss > EXPLOSION * max(self._first_loss, 1.0)
        if exploded or not (np.isfinite(loss) and np.isfinite(w).all()):
            raise ValueError(
                f"Training diverged in epoch {len(self.loss_curve) + 1}: the loss is {loss:.3g}. "
                f"{self.advice}"
            )

    def _judge_loss(self, w: FloatArray, loss: float) -> bool:
        """Keep the weights if their loss is the lowest; whether it improves on it by `tol`."""
        if loss < self.best_loss:
            self.best_weights = w.copy()
        return loss <= self.best_loss - self.tol

    def _judge_score(self, w: FloatArray) -> bool:
        """Keep the weights if their score is the best; whether it improves on it by `tol`."""
        assert self._validation is not None
        score, loss = self._validation(w)
        self.validation_scores.append(score)
        self.validation_loss_curve.append(loss)
        improved = score >= self.best_score + self.tol
        if score > self.best_score:
            self.best_score, self.best_weights = score, w.copy()
        return improved


class Attempts(Generic[Found]):
    """Several attempts at the same thing, of which the best is kept.

    Parameters
    ----------
    monitor : Monitor
        Of the whole, which :meth:`close` gives the history of the best attempt.
    quality : callable
        Maps what an attempt has found and its monitor to a number; the larger, the better.

    Attributes
    ----------
    found : object or None
        What the best attempt has found, None before the first has ended.
    enough : bool
        Whether a callback wants no more attempts.
    """

    def __init__(self, monitor: Monitor, quality: Callable[[Found, Monitor], float]) -> None:
        self.monitor, self.quality = monitor, quality
        self.found: Found | None = None
        self.enough = False
        self._best: Monitor | None = None

    def begin(self, name: str, heading: str, max_iter: int | None) -> Monitor:
        """The monitor of the next attempt; see :meth:`Monitor.fork`."""
        return self.monitor.fork(name, heading, max_iter)

    def end(self, attempt: Monitor, found: Found | None, w: FloatArray) -> None:
        """An attempt has come to the weights ``w``: keep what it has found if that is the best.

        None is nothing that counts.
        """
        if found is not None and (
            self.found is None
            or self._best is None
            or self.quality(found, attempt) > self.quality(self.found, self._best)
        ):
            self.found, self._best = found, attempt
        self.enough |= attempt.end_attempt(w)

    def close(self) -> Found:
        """What the best attempt has found; the monitor takes its history over."""
        assert self.found is not None
        assert self._best is not None
        self.monitor.adopt(self._best)
        self.monitor.stopped |= self.enough
        return self.found
