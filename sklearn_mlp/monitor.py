"""What watches a fit: the loss curve, early stopping, the printed progress, divergence."""

import math
from collections.abc import Callable
from typing import Self

import numpy as np

from ._typing import FloatArray

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
    validation_score : callable, optional
        Maps weights to a score on rows held out. With it, "improvement" is the score's, and
        the best weights are those with the best score; without, the loss decides both.
    score_name : str, default="R²"
        What to print it as.
    rmse : callable, optional
        Maps weights and loss to the error in the units of y, to be printed.
    verbose : bool
        Whether to print progress.
    advice : str
        What to change when the loss is not a number any more.

    Attributes
    ----------
    loss_curve, validation_scores : list of float
    best_loss, best_score : float
    best_weights : array or None
        A copy of the best weights so far.
    n_iter : int
        Iterations recorded.
    n_stalled : int
        Iterations since the last improvement.
    converged, interrupted : bool
        How training ended; set by those who end it.
    """

    def __init__(
        self,
        *,
        tol: float,
        n_iter_no_change: int,
        validation_score: Callable[[FloatArray], float] | None = None,
        score_name: str = "R²",
        rmse: Callable[[FloatArray, float], float] | None = None,
        verbose: bool = False,
        advice: str = "",
    ) -> None:
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.advice = advice
        self.loss_curve: list[float] = []
        self.validation_scores: list[float] = []
        self.best_loss = np.inf
        self.best_score = -np.inf
        self.best_weights: FloatArray | None = None
        self._first_loss: float | None = None
        self.n_iter = 0
        self.n_stalled = 0
        self.converged = False
        self.interrupted = False
        self._validation_score = validation_score
        self._score_name = score_name
        self._rmse = rmse
        self._verbose = verbose

    @property
    def early_stopping(self) -> bool:
        """Whether rows were held out to decide when to stop."""
        return self._validation_score is not None

    @property
    def stalled(self) -> bool:
        """Whether nothing has improved for `n_iter_no_change` iterations."""
        return self.n_stalled > self.n_iter_no_change

    def resume(self, loss_curve: list[float], n_stalled: int) -> None:
        """Go on after earlier training with this loss curve."""
        self.loss_curve = list(loss_curve)
        if n_stalled:
            self.best_loss = min(loss_curve)
            self.n_stalled = n_stalled

    def fork(self) -> Self:
        """A monitor for another attempt at the same problem: the same settings, no history."""
        if self._verbose:
            print()
        return type(self)(
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            validation_score=self._validation_score,
            score_name=self._score_name,
            rmse=self._rmse,
            verbose=self._verbose,
            advice=self.advice,
        )

    def adopt(self, attempt: Self) -> None:
        """Take over the history of the attempt that was best."""
        before = self.loss_curve
        self.__dict__.update(attempt.__dict__)
        self.loss_curve = before + attempt.loss_curve

    def restate(self, loss: float) -> None:
        """Correct the last loss: it was recorded over rows that stand for others."""
        if self.best_loss == self.loss_curve[-1]:
            self.best_loss = loss
        self.loss_curve[-1] = loss

    def be_patient(self) -> None:
        """Count again from 0: the solver has changed something and tries on."""
        self.n_stalled = 0

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
        self.n_iter += 1
        self.loss_curve.append(loss)
        if self._validation_score is None:
            improved = loss <= self.best_loss - self.tol
            best = loss < self.best_loss
        else:
            score = self._validation_score(w)
            improved = score >= self.best_score + self.tol
            best = score > self.best_score
            self.validation_scores.append(score)
            self.best_score = max(score, self.best_score)
        self.best_loss = min(loss, self.best_loss)
        if best:
            self.best_weights = w.copy()
        self.n_stalled = 0 if improved else self.n_stalled + 1
        if self._verbose and _worth_a_line(epoch):
            line = f"epoch {epoch:>6}   loss {loss:<11.5g}"
            if self._rmse is not None:
                line += f" RMSE {self._rmse(w, loss):<11.5g}"
            if self.validation_scores:
                line += f" validation {self._score_name} {self.validation_scores[-1]:.5f}"
            print(line.rstrip(), flush=True)


def _worth_a_line(epoch: int) -> bool:
    """Epochs 1 to 10, then every tenth to 100, every hundredth to 1000, and so on."""
    return epoch % 10 ** int(math.log10(epoch)) == 0
