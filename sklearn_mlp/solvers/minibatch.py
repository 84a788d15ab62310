"""The loop over epochs and minibatches, which the minibatch rules have in common."""

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.random import RandomState

from .._typing import FloatArray
from ..losses import Loss
from ..monitor import Monitor
from ..network import Network
from ..objective import Objective
from ..rows import Block, Rows
from .base import Solver


@dataclass
class MinibatchSolver(Solver):
    """Update the weights after every minibatch, for `max_iter` epochs.

    Subclasses define the update in :meth:`step`. Fields that are not parameters are the state of
    the rule. Another solver of the same class can take it over by :meth:`resume`.

    Parameters
    ----------
    learning_rate_init : float
        η.
    batch_size : int
        Number of rows in a minibatch.
    max_iter : int
        Largest number of epochs in one call of :meth:`minimize`.
    rng : RandomState or None
        Shuffles the rows before each epoch. With None they stay in order.
    """

    _: KW_ONLY
    learning_rate_init: float
    batch_size: int
    max_iter: int
    rng: RandomState | None
    samples_seen: int = field(default=0, init=False)

    @property
    def advice(self) -> str:
        """What to change when training diverges."""
        return f"Lower learning_rate_init (now {self.learning_rate_init:g})."

    @abstractmethod
    def step(self, w: FloatArray, g: FloatArray, size: int) -> None:
        """Update ``w`` in place, given the gradient ``g``, which may be overwritten.

        It works on `size` parameters at a time: see :func:`in_parts`.
        """

    def judged(self, w: FloatArray) -> FloatArray:
        """The weights that the monitor judges after an epoch: those that the last step gave."""
        return w

    def lower_rate(self) -> bool:
        """Lower the learning rate after a stall. Return whether that was possible."""
        return False

    def resume(self, previous: object) -> None:
        """Take over the state of an earlier solver, if it is of the same class."""
        if type(previous) is type(self):
            for state in (f.name for f in fields(self) if not f.init):
                setattr(self, state, copy.deepcopy(getattr(previous, state)))

    def minimize(self, objective: Objective, w: FloatArray, monitor: Monitor) -> FloatArray:
        """Descend epoch by epoch until the monitor sees no improvement."""
        descent = Descent(self, objective.network, objective.alpha, objective.loss, w)
        for _ in range(self.max_iter):
            monitor.begin_iteration()
            loss = descent.epoch(objective.rows)
            monitor.record(self.judged(w), loss)
            if monitor.stalled or monitor.stopped:
                if monitor.stopped or not self.lower_rate():
                    monitor.converged = True
                    break
                monitor.be_patient()
        return w


@dataclass
class Descent:
    """A rule, and the weights that it has come to. It holds no rows, and can go to where they are.

    Attributes
    ----------
    rule : MinibatchSolver
    network, alpha, loss
        What the rule minimises: see :class:`~sklearn_mlp.objective.Objective`.
    w : array of shape (n_parameters,)
        The weights, which are changed in place.
    total : float
        The loss of the minibatches of this epoch so far, times the number of their rows.
    """

    rule: MinibatchSolver
    network: Network
    alpha: float
    loss: Loss
    w: FloatArray
    total: float = 0.0
    _bound: tuple[Rows, FloatArray, Callable[[Block], float]] | None = None

    def epoch(self, rows: Rows) -> float:
        """Make one pass over the rows. Return the mean loss of the minibatches, by their size."""
        self.total = 0.0
        self._take_over(rows.pass_through(self, Descent.through, self.rule.rng))
        self.rule.samples_seen += rows.n_rows
        return self.total / rows.n_rows

    def through(self, rows: Rows) -> "Descent":
        """Make a step with each minibatch of some rows."""
        if self._bound is None or self._bound[0] is not rows:
            objective, g = (
                Objective(self.network, rows, self.alpha, self.loss),
                np.empty_like(self.w),
            )
            self._bound = rows, g, objective.on_minibatches(self.w, g)
        _, g, value_and_gradient = self._bound
        rule, w = self.rule, self.w
        for batch in rows.minibatches(rule.batch_size, rule.rng):
            self.total += batch.inputs.shape[1] * value_and_gradient(batch)
            rule.step(w, g, rows.budget.update)
        return self

    def _take_over(self, other: "Descent") -> None:
        """What a copy has come to elsewhere."""
        if other is self:
            return
        self.total = other.total
        self.w[...] = other.w
        self.rule.resume(other.rule)
        if self.rule.rng is not None and other.rule.rng is not None:
            self.rule.rng.set_state(other.rule.rng.get_state())

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_bound": None}


def in_parts(size: int, *vectors: FloatArray) -> Iterator[tuple[FloatArray, ...]]:
    """The parts of vectors of one length, as views of up to `size` numbers.

    An update reads and writes each vector several times. Small parts stay in one core's cache.
    """
    n = len(vectors[0])
    if n <= size:
        yield vectors
        return
    for start in range(0, n, size):
        yield tuple(vector[start : start + size] for vector in vectors)
