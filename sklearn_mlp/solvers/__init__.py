"""The training rules. They all have the method ``minimize(objective, w, monitor) -> w``."""

from .adam import Adam
from .base import Solver
from .evidence import EvidenceMaximization
from .gradient_descent import GradientDescent, StochasticGradientDescent
from .held_out import HeldOutContinuation, HeldOutDescent
from .lbfgs import LBFGS
from .levenberg_marquardt import LevenbergMarquardt
from .minibatch import MinibatchSolver
from .variable_projection import VariableProjection

__all__ = [
    "LBFGS",
    "Adam",
    "EvidenceMaximization",
    "GradientDescent",
    "HeldOutContinuation",
    "HeldOutDescent",
    "LevenbergMarquardt",
    "MinibatchSolver",
    "Solver",
    "StochasticGradientDescent",
    "VariableProjection",
]
