"""Watch a fit: its history, when to stop, divergence, and the best of several attempts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Generic, Self, TypeVar

import numpy as np

from ._typing import FloatArray
from .callbacks import Task
from .network import Network
from .progress import Progress, tell_listener

EXPLOSION = 1e6
"""Training has diverged if the loss is this many times the first loss, or 1 if that is more."""

Found = TypeVar("Found")


@dataclass
class History:
    """The iterations so far, and what they have reached.

    Attributes
    ----------
    loss_curve, validation_scores, validation_loss_curve : list of float
    evidence_curve : list of float
        Beside the losses, the highest log evidence so far, per row. NaN before it is known.
    best_loss, best_score : float
    best_weights : array or None
        A copy of the best weights so far.
    n_iter : int
        Number of recorded iterations.
    n_stalled : int
        Number of iterations since the last improvement.
    converged, interrupted : bool
        How training ended. Whoever ends it sets these.
    stopped : bool
        Whether a callback has asked to stop.
    """

    loss_curve: list[float] = field(default_factory=list)
    evidence_curve: list[float] = field(default_factory=list)
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
    """Receives the weights and the loss after each iteration, and decides when to stop.

    Parameters
    ----------
    tol : float
        A change smaller than this is no improvement.
    n_iter_no_change : int
        Training has :attr:`stalled` after more than this many iterations without improvement.
    validation : callable, optional
        Maps weights to their score and their loss on the held-out rows. If given, improvement
        means a better score, and the best weights are those with the best score. Otherwise the
        loss decides both.
    progress : Progress, optional
        Prints the progress.
    advice : str
        What to change when training diverges.
    max_iter : int, optional
        Largest number of iterations; None if it is not known.
    task : Task, optional
        Tells the callbacks, if there are any.
    fitted : callable, optional
        Maps this monitor and weights to the fitted attributes of the estimator.

    Attributes
    ----------
    maximizes_evidence : bool
    evidence : float
        The highest log evidence so far, per row. Whoever maximises it sets both.
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
        self.network: Network | None = None
        self._iteration: Task | None = None
        self._first_loss: float | None = None
        self.evidence = np.nan
        self.maximizes_evidence = False

    @property
    def early_stopping(self) -> bool:
        """Whether held-out rows decide when to stop."""
        return self._validation is not None

    @property
    def stalled(self) -> bool:
        """Whether nothing has improved for `n_iter_no_change` iterations."""
        return self.n_stalled > self.n_iter_no_change

    @property
    def finished(self) -> bool:
        """Whether a callback or the held-out rows ask to stop."""
        return self.stopped or (self.early_stopping and self.stalled)

    def begin(self, w: FloatArray) -> None:
        """Training begins at these weights. A plain monitor does not record them."""

    def resume(self, loss_curve: list[float], n_stalled: int | None) -> None:
        """Go on after training with this loss curve. With None, stalls are counted from 0."""
        self.loss_curve = list(loss_curve)
        self.evidence_curve = [np.nan] * len(self.loss_curve)
        if n_stalled is not None and self.loss_curve:
            self.best_loss = min(self.loss_curve)
            self.n_stalled = n_stalled
            self._first_loss = self.loss_curve[0]

    def fork(self, name: str, heading: str, max_iter: int | None) -> Self:
        """A new monitor for one of several attempts, with the same settings and no history.

        Parameters
        ----------
        name : str
            The name of the attempt for callbacks.
        heading : str
            The heading of its printed table.
        max_iter : int or None
            Its largest number of iterations, or of attempts if it has attempts; None if that
            is not known.
        """
        attempt = type(self)(
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            validation=self._validation,
            progress=self._progress and self._progress.fork(heading),
            advice=self.advice,
            max_iter=max_iter,
            task=self._task and self._task.subtask(name, max_iter),
            fitted=self._fitted,
        )
        attempt.network = self.network
        return attempt

    def adopt(self, attempt: Self) -> None:
        """Take over the history of the best attempt."""
        before, evidence_before = self.loss_curve, self.evidence_curve
        for f in fields(History):
            setattr(self, f.name, getattr(attempt, f.name))
        self.loss_curve = before + attempt.loss_curve
        self.evidence_curve = evidence_before + attempt.evidence_curve

    def go_on_from(self, attempt: Self) -> None:
        """Begin with a copy of the history of an earlier attempt."""
        for f in fields(History):
            setattr(self, f.name, copy(getattr(attempt, f.name)))

    def close(self) -> None:
        """Print the last iteration, and end an iteration that has begun and was not recorded."""
        if self._progress is not None:
            self._progress.close(self)
        if self._iteration is not None:
            self._iteration.end()
            self._iteration = None

    def tell_that_it_is_best(self) -> None:
        """Print that this attempt is the best of several."""
        if self._progress is not None:
            self._progress.tell_that_it_is_best()

    def end_attempt(self, w: FloatArray) -> bool:
        """End the attempt, with its final weights. Return whether a callback asks to stop."""
        self.close()
        if self._task is None:
            return False
        return self._task.end(partial(self._as_fitted, w) if self.loss_curve else None)

    def _as_fitted(self, w: FloatArray) -> dict[str, Any]:
        """The fitted attributes of the estimator if training ended here."""
        if self.early_stopping and self.best_weights is not None:
            w = self.best_weights
        return {} if self._fitted is None else self._fitted(self, w)

    def restate(self, loss: float) -> None:
        """Replace the last loss, recorded for a rounded objective, by that of the exact one."""
        if self.best_loss == self.loss_curve[-1]:
            self.best_loss = loss
        self.loss_curve[-1] = loss

    def be_patient(self) -> None:
        """Count stalled iterations from 0 again, because the solver has changed something."""
        self.n_stalled = 0

    def begin_iteration(self) -> None:
        """Tell the callbacks that an iteration begins."""
        if self._task is None or self._iteration is not None:
            return
        if self.max_iter is None or self.n_iter < self.max_iter:
            self._iteration = self._task.subtask("iteration")

    def record(self, w: FloatArray, loss: float) -> None:
        """Record the weights and the loss after an iteration.

        Raises
        ------
        ValueError
            If either is not finite, or the loss is a million times the first loss.
        """
        self.refuse_divergence(w, loss)
        self.begin_iteration()
        self.n_iter += 1
        self.loss_curve.append(loss)
        self.evidence_curve.append(self.evidence)
        improved = self._judge_loss(w, loss) if self._validation is None else self._judge_score(w)
        self.best_loss = min(loss, self.best_loss)
        self.n_stalled = 0 if improved else self.n_stalled + 1
        if self._progress is not None:
            self._progress.tell(self, w)
        tell_listener(self)
        if self._iteration is not None:
            self.stopped = self._iteration.end(partial(self._as_fitted, w))
            self._iteration = None

    def refuse_divergence(self, w: FloatArray, loss: float) -> None:
        """Raise the ValueError of :meth:`record` if it would, and record nothing."""
        self._first_loss = loss if self._first_loss is None else self._first_loss
        exploded = loss > EXPLOSION * max(self._first_loss, 1.0)
        if exploded or not (np.isfinite(loss) and np.isfinite(w).all()):
            raise ValueError(
                f"Training diverged in epoch {len(self.loss_curve) + 1}: the loss is {loss:.3g}. "
                f"{self.advice}"
            )

    def _judge_loss(self, w: FloatArray, loss: float) -> bool:
        """Keep the weights if their loss is the lowest. Return whether it improves by `tol`."""
        if loss < self.best_loss:
            self.best_weights = w.copy()
        return loss <= self.best_loss - self.tol

    def _judge_score(self, w: FloatArray) -> bool:
        """Keep the weights if their score is the best. Return whether it improves by `tol`."""
        assert self._validation is not None
        score, loss = self._validation(w)
        self.validation_scores.append(score)
        self.validation_loss_curve.append(loss)
        improved = score >= self.best_score + self.tol
        if score > self.best_score:
            self.best_score, self.best_weights = score, w.copy()
        return improved


class Attempts(Generic[Found]):
    """Make several attempts at the same thing, and keep the best.

    Parameters
    ----------
    monitor : Monitor
        The monitor of the whole. :meth:`close` gives it the history of the best attempt.
    quality : callable
        Maps the result of an attempt and its monitor to a number. Larger is better.

    Attributes
    ----------
    found : object or None
        The result of the best attempt so far; None before the first has ended.
    enough : bool
        Whether a callback asks for no more attempts.
    interrupted : bool
        Whether an attempt was interrupted from the keyboard.
    """

    def __init__(self, monitor: Monitor, quality: Callable[[Found, Monitor], float]) -> None:
        self.monitor, self.quality = monitor, quality
        self.found: Found | None = None
        self.enough = self.interrupted = False
        self._best: Monitor | None = None
        self._n = 0

    def begin(self, name: str, heading: str, max_iter: int | None) -> Monitor:
        """The monitor of the next attempt; see :meth:`Monitor.fork`."""
        return self.monitor.fork(name, heading, max_iter)

    def end(self, attempt: Monitor, found: Found | None, w: FloatArray) -> None:
        """End an attempt, with its final weights ``w``, and keep its result if it is the best.

        A result of None does not count.
        """
        if found is not None and (
            self.found is None
            or self._best is None
            or self.quality(found, attempt) > self.quality(self.found, self._best)
        ):
            self.found, self._best = found, attempt
        self._n += 1
        self.interrupted |= attempt.interrupted
        self.enough |= attempt.end_attempt(w)

    def forget(self) -> None:
        """Forget the best attempt so far. The result of the next counts, whatever its quality."""
        self.found, self._best = None, None

    @contextmanager
    def until_interrupted(self) -> Iterator[None]:
        """An interruption from the keyboard ends the block, if an attempt has a result by then.

        Otherwise it is raised.
        """
        try:
            yield
        except KeyboardInterrupt:
            if self.found is None:
                raise
            self.interrupted = True

    def close(self) -> Found:
        """The result of the best attempt. The monitor of the whole takes over its history.

        It was interrupted if any attempt was.
        """
        assert self.found is not None
        assert self._best is not None
        if self._n > 1:
            self._best.tell_that_it_is_best()
        self.monitor.adopt(self._best)
        self.monitor.stopped |= self.enough
        self.monitor.interrupted = self.interrupted
        return self.found
