"""What training asks of a rule."""

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
        Whether the least difference between two data sets grows at every step, so that it
        starts best from z-scores on a grid: see :meth:`Rows.coarse`.
    """

    magnifies_rounding: ClassVar[bool] = False

    @property
    @abstractmethod
    def advice(self) -> str:
        """What to change when training with this rule diverges."""

    @abstractmethod
    def minimize(self, objective: Objective, w: FloatArray, monitor: Monitor) -> FloatArray:
        """Weights with a lower ``objective`` than ``w``.

        Parameters
        ----------
        objective : Objective
        w : array of shape (n_parameters,)
            Where to start; may be overwritten.
        monitor : Monitor
            Told after each iteration; says when to stop.
        """

    def stages(self, objective: Objective) -> list[Objective]:
        """What to minimise in turn to come to the minimum of an objective."""
        if not self.magnifies_rounding:
            return [objective]
        coarse = objective.coarse()
        last = [] if coarse is objective else [objective.stages()[-1]]
        return [*coarse.stages(), *last]

    def posterior(self, objective: Objective, w: FloatArray) -> Posterior | None:
        """What is known of the weights that it came to, if anything."""
        return None
