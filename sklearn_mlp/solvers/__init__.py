"""The training rules, each with the same call: ``minimize(objective, w, monitor) -> w``."""

from typing import Protocol

from .._typing import FloatArray
from ..monitor import Monitor
from ..objective import Objective
from .adam import Adam
from .gradient_descent import GradientDescent, StochasticGradientDescent
from .lbfgs import LBFGS
from .levenberg_marquardt import LevenbergMarquardt
from .minibatch import MinibatchSolver
from .variable_projection import VariableProjection

__all__ = [
    "LBFGS",
    "Adam",
    "GradientDescent",
    "LevenbergMarquardt",
    "MinibatchSolver",
    "Solver",
    "StochasticGradientDescent",
    "VariableProjection",
]


class Solver(Protocol):
    """A training rule."""

    @property
    def advice(self) -> str:
        """What to change when training with this rule diverges."""
        ...

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
        ...
