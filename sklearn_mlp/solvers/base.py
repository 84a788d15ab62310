"""The interface of a training rule."""

from abc import ABC, abstractmethod
from typing import ClassVar

from .._typing import FloatArray
from ..monitor import Monitor
from ..objective import Objective
from ..posterior import Posterior


class Solver(ABC):
    """A training rule.

    Attributes
    ----------
    magnifies_rounding : bool
        Whether even the smallest difference between two data sets grows at every step. Training
        then begins on rounded z-scores: see :meth:`Rows.coarse`.
    """

    magnifies_rounding: ClassVar[bool] = False

    @property
    @abstractmethod
    def advice(self) -> str:
        """What to change when training with this rule diverges."""

    @abstractmethod
    def minimize(self, objective: Objective, w: FloatArray, monitor: Monitor) -> FloatArray:
        """Find weights with a lower ``objective`` than ``w``.

        Parameters
        ----------
        objective : Objective
        w : array of shape (n_parameters,)
            The start. It may be overwritten.
        monitor : Monitor
            Receives the weights and the loss after each iteration, and says when to stop.

        Returns
        -------
        array of shape (n_parameters,)
        """

    def stages(self, objective: Objective) -> list[Objective]:
        """The objectives to minimise in turn to reach the minimum of `objective`."""
        if not self.magnifies_rounding:
            return [objective]
        coarse = objective.coarse()
        last = [] if coarse is objective else [objective.stages()[-1]]
        return [*coarse.stages(), *last]

    def posterior(self, objective: Objective, w: FloatArray) -> Posterior | None:
        """The posterior of the weights ``w`` that it has found, or None if it knows none."""
        return None
