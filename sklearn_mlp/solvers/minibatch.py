"""The loop over epochs and minibatches, which the minibatch rules have in common."""

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field, fields

import numpy as np
from numpy.random import RandomState

from .._typing import FloatArray
from ..monitor import Monitor
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
        g = np.empty_like(w)
        value_and_gradient = objective.on_minibatches(w, g)
        for _ in range(self.max_iter):
            monitor.begin_iteration()
            loss = self._epoch(objective.rows, w, g, value_and_gradient)
            monitor.record(self.judged(w), loss)
            if monitor.stalled or monitor.stopped:
                if monitor.stopped or not self.lower_rate():
                    monitor.converged = True
                    break
                monitor.be_patient()
        return w

    def _epoch(
        self,
        rows: Rows,
        w: FloatArray,
        g: FloatArray,
        value_and_gradient: Callable[[Block], float],
    ) -> float:
        """Make one pass over the data. Return the mean loss of the minibatches, by their size."""
        total = 0.0
        for batch in rows.minibatches(self.batch_size, self.rng):
            total += batch.inputs.shape[1] * value_and_gradient(batch)
            self.step(w, g, rows.budget.update)
        self.samples_seen += rows.n_rows
        return total / rows.n_rows


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
