"""Limited-memory BFGS (Nocedal & Wright, algorithm 7.5), by SciPy."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from .._typing import FloatArray
from ..monitor import Monitor
from ..objective import Objective
from .base import Solver

NOTHING_LOWER = 2
"""SciPy's status where the line search has failed."""


@dataclass
class LBFGS(Solver):
    """Quasi-Newton descent over all rows. It works in float64, whatever the dtype of the data.

    Parameters
    ----------
    max_iter, max_fun : int
        Largest numbers of iterations and of evaluations of the loss.
    tol : float
        Training has converged when no component of the gradient is larger than this.

    Attributes
    ----------
    n_fun : int
        Evaluations of the loss so far, over all calls of :meth:`minimize`.
    """

    max_iter: int
    max_fun: int
    tol: float
    n_fun: int = field(default=0, init=False)
    magnifies_rounding: ClassVar[bool] = True
    advice = "Scale the data, or raise alpha."

    def minimize(self, objective: Objective, w: FloatArray, monitor: Monitor) -> FloatArray:
        """Descend until the gradient is flat, or the validation score stalls."""

        def value_and_gradient(w64: FloatArray) -> tuple[float, FloatArray]:
            monitor.begin_iteration()
            value, g = objective.value_and_gradient(w64.astype(w.dtype))
            return value, g.astype(np.float64)

        def after_iteration(intermediate_result: OptimizeResult) -> None:
            monitor.record(intermediate_result.x.astype(w.dtype), float(intermediate_result.fun))
            if monitor.finished:
                monitor.converged = True
                raise StopIteration

        # Only the gradient decides on convergence: ftol is the rounding error of the loss.
        eps = float(np.finfo(w.dtype).eps)
        result = minimize(
            value_and_gradient,
            w.astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            callback=after_iteration,
            options={
                "maxiter": self.max_iter - monitor.n_iter,
                "maxfun": self.max_fun - self.n_fun,
                "gtol": self.tol,
                "ftol": eps,
            },
        )
        self.n_fun += result.nfev
        if not monitor.n_iter:  # it needed no iteration, or could not make one
            monitor.record(result.x.astype(w.dtype), float(result.fun))
        # Where the loss has no digits left, the line search finds nothing lower: the minimum.
        is_flat = np.abs(result.jac).max() < np.sqrt(eps)
        monitor.converged |= bool(result.success or (result.status == NOTHING_LOWER and is_flat))
        return result.x.astype(w.dtype)
